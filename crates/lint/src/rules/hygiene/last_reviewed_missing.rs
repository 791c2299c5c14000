//! A policy that nobody has reviewed, as far as it says.

use super::annotated;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF803",
    name: "last-reviewed-missing",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: true,
    summary: "a policy does not say when it was reviewed last",
    what: "Reports policies without the annotation with the date of their last review, and those where it is no date like \
           `2026-01-24`. It is `last-reviewed`, or the one that the settings name (`hygiene.last-reviewed`).",
    why: "What was right once is not always right now. A policy without a date is never due.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: shop
  annotations:
    last-reviewed: 24/01/2026
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: shop
  annotations:
    last-reviewed: \"2026-01-24\"
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let key = &context.settings.hygiene.last_reviewed;
    for meta in annotated::policies(context.cluster) {
        if annotated::date(meta, key).is_some() {
            continue;
        }
        let label = match annotated::value(meta, key) {
            Some(_) => "this is no date".to_owned(),
            None => format!("no annotation `{key}`"),
        };
        findings
            .report(
                annotated::place(context, meta, key),
                format!("`{}` does not say when it was reviewed last", meta.full_name()),
            )
            .label(label)
            .help(format!("give the date of the last review: `{key}: \"2026-01-24\"`"));
    }
}
