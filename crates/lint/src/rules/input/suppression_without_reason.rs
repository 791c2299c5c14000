//! A suppression that does not say why.

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF011",
    name: "suppression-without-reason",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a suppression does not say why",
    what: "Reports a suppression (a comment or an annotation) with no words behind the rules. It suppresses all the same.",
    why: "In a year nobody can tell whether what is hidden there is still meant.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress: # ringfence: ignore[RF503]
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
    for suppression in context.suppressions().all() {
        if suppression.reason.is_empty() {
            findings
                .report(suppression.origin, "this suppression gives no reason")
                .help("say behind the rules why they may be broken here");
        }
    }
}
