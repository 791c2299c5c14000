//! A comment or annotation that wants to be a suppression and is none.

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF013",
    name: "malformed-suppression",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a comment or annotation is meant to suppress findings, but is not written so",
    what: "Reports comments that begin with `ringfence:` and do not go on with `ignore[...]`, and annotations \
           `ringfence.dev/ignore` that name no rule.",
    why: "It suppresses nothing.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress: # ringfence: ignore RF503 to be switched on in the next release
    - to:
        - podSelector:
            matchLabels: {app: postgres}
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress: # ringfence: ignore[RF503] to be switched on in the next release
    - to:
        - podSelector:
            matchLabels: {app: postgres}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for malformed in context.suppressions().malformed() {
        findings
            .report(malformed.origin, format!("this suppresses nothing: {}", malformed.problem))
            .help(
                "write `# ringfence: ignore[RF301] reason`, or in the annotation `ringfence.dev/ignore: \"RF301 reason; RF505 \
                 another reason\"`",
            );
    }
}
