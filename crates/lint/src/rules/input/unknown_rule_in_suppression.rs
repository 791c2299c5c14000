//! A suppression of a rule that there is not.

use ringfence_analysis::nearest::nearest;

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    rules,
};

pub(super) static RULE: Rule = Rule {
    code: "RF012",
    name: "unknown-rule-in-suppression",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a suppression names a rule that does not exist",
    what: "Reports words in a suppression (a comment or an annotation) that are no rule: neither a code (`RF503`), nor the \
           beginning of codes (`RF5`), nor a name (`policy-types-omit-rules`), nor `ALL`.",
    why: "It suppresses nothing.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress: # ringfence: ignore[policy-type-omits-rules] to be switched on in the next release
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
  egress: # ringfence: ignore[policy-types-omit-rules] to be switched on in the next release
    - to:
        - podSelector:
            matchLabels: {app: postgres}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let all = rules::all();
    let words = context.suppressions().all().iter().flat_map(|suppression| &suppression.words);
    for word in words.filter(|word| !all.iter().any(|rule| rule.is_named_by(&word.text))) {
        let finding = findings.report(word.origin, format!("no rule is called `{}`", word.text));
        let near = nearest(&word.text, all.iter().flat_map(|rule| [rule.code, rule.name]));
        if let Some(near) = near.first() {
            finding.label(format!("did you mean `{near}`?"));
        }
        finding.help(
            "give a code (`RF301`), the beginning of codes (`RF3`) or a name; `ringfence rules` lists them",
        );
    }
}
