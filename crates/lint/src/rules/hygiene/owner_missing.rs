//! A policy that names no owner.

use super::annotated;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF801",
    name: "owner-missing",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: true,
    summary: "a policy has no annotation that names its owner",
    what: "Reports policies without the annotation that names their owner: `owner`, or the one that the settings name (`hygiene.owner`).",
    why: "Nobody dares to change a policy of which nobody knows whom to ask.",
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
    owner: platform-team
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let key = &context.settings.hygiene.owner;
    for meta in annotated::policies(context.cluster) {
        if annotated::value(meta, key).is_none() {
            findings
                .report(
                    annotated::place(context, meta, key),
                    format!("`{}` does not say who owns it", meta.full_name()),
                )
                .label(format!("no annotation `{key}`"))
                .help(format!("add the annotation `{key}: platform-team`"));
        }
    }
}
