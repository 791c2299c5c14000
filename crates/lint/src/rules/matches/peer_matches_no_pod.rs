//! A peer that is no pod.

use super::{nobody, repair, selector_on_changing_label::asks_at_run_time, words};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::{Cause, NearKind},
};

pub(super) static RULE: Rule = Rule {
    code: "RF102",
    name: "peer-matches-no-pod",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a peer of a rule is no pod, so the rule lets nobody through",
    what: "Reports a peer that no pod meets, and says which pods miss it by one label. It is an error if one workload misses \
           it by a slip of the finger; only worth knowing if other peers of the rule are pods, or if the label is one that \
           clients put on to be let in (`redis-client: \"true\"`). Silent if the input shows no pods of the namespaces that \
           are asked for, if the namespaces are not called by name (there may be more than the input shows), and for a custom \
           resource by the same name.",
    why: "The connection that the rule is written for stays shut, or in a deny rule, stays open.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: database}}
spec: {containers: [{name: db, image: db}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: backend}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: database
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: database}
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app: backed
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: database}}
spec: {containers: [{name: db, image: db}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: backend}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: database
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: database}
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app: backend
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for part in &context.selections().parts {
        for rule in &part.rules {
            let alive = !rule.only_pods() || rule.places().any(|place| !place.pods.is_empty());
            for place in rule.places() {
                let Some(Cause::Nobody(near)) = &place.cause else { continue };
                if asks_at_run_time(place) {
                    continue;
                }
                let near = near.as_ref();
                let finding = findings.report(
                    nobody::origin(context, place, near),
                    format!(
                        "a peer of the {} rules of `{}` matches no pod",
                        words::direction(rule.direction),
                        place.meta.full_name()
                    ),
                );
                nobody::describe(context, place, near, finding);
                if let (Some(near), Some(claim)) = (near, repair::more_peers(rule.action))
                    && near.sets.len() == 1
                {
                    finding.likely_fix("correct the selector", repair::nearest(context, place, near), claim);
                }
                let slip = near.filter(|near| near.is_slip());
                let certain =
                    slip.is_some_and(|near| near.sets.len() == 1 && near.kind == NearKind::ValueSlip);
                if certain {
                    finding.severity(Severity::Error);
                    if let (Some(near), Some(claim)) = (near, repair::more_peers(rule.action)) {
                        finding.fix("correct the selector", repair::slip(context, place, near), claim);
                    }
                } else if slip.is_none()
                    && (alive || nobody::is_opt_in(context, place) || nobody::is_an_operators(context, place))
                {
                    finding.severity(Severity::Info);
                }
            }
        }
    }
}
