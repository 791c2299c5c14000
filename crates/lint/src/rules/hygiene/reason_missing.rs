//! A policy that does not say what it is for.

use super::annotated;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF802",
    name: "reason-missing",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: true,
    summary: "a policy has no annotation that says what it is for",
    what: "Reports policies without the annotation that says what they are for: `description`, or the one that the settings name (`hygiene.reason`).",
    why: "A rule whose reason is not known is kept for ever.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: shop
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
    description: nothing gets in unless a policy says so
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let key = &context.settings.hygiene.reason;
    for meta in annotated::policies(context.cluster) {
        if annotated::value(meta, key).is_none() {
            findings
                .report(
                    annotated::place(context, meta, key),
                    format!("`{}` does not say what it is for", meta.full_name()),
                )
                .label(format!("no annotation `{key}`"))
                .help(format!("add the annotation `{key}: ...`"));
        }
    }
}
