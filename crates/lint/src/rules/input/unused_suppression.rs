//! A suppression of something that is not found.

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    suppress::has_run,
};

pub(in crate::rules) static RULE: Rule = Rule {
    code: "RF010",
    name: "unused-suppression",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a suppression suppresses nothing",
    what: "Reports a rule in a suppression (a comment or an annotation) that finds nothing where the suppression is about. It \
           keeps silent about rules that do not run this time. Findings about suppressions themselves (RF010 to RF013) cannot \
           be suppressed that way.",
    why: "It outlived its reason, or stands in the wrong place. In either case it hides the next real fault there.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  # ringfence: ignore[RF503] egress is not ours to isolate yet
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: web}
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
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: web}
  # ringfence: ignore[RF503] egress is not ours to isolate yet
  egress:
    - to:
        - podSelector:
            matchLabels: {app: postgres}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(used) = context.used() else { return };
    for (suppression, used) in context.suppressions().all().iter().zip(used) {
        for (word, _) in suppression.words.iter().zip(used).filter(|(_, used)| !**used) {
            if has_run(&word.text, context.settings) {
                findings
                    .report(word.origin, format!("`{}` finds nothing to suppress here", word.text))
                    .help("remove it, or move it to what it is about");
            }
        }
    }
}
