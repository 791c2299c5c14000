//! A policy whose subject is no pod.

use super::{nobody, repair, selector_on_changing_label::asks_at_run_time, words};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::{Cause, unselected},
};

pub(super) static RULE: Rule = Rule {
    code: "RF101",
    name: "subject-matches-no-pod",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "the policy selects no pod, so it protects none",
    what: "Reports a policy whose subject no pod meets, and says which pods miss it by one label. It is an error if the label \
           is one slip of the finger away from that of a workload that no other policy selects, and only worth knowing if no \
           pod has the key and it belongs to a domain (an operator most likely makes such pods). Silent if the input shows no pods \
           of the namespace, if a custom resource by the same name is there (its operator makes the pods), if all that the \
           labels choose are host-network pods, and about labels that only pods at run time have (`selector-on-changing-label`).",
    why: "A policy without pods does nothing, and nobody says so: the pods that it is meant for stay open.",
    bad: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: frontend, namespace: shop}
spec:
  selector: {matchLabels: {app: frontend}}
  template:
    metadata: {labels: {app: frontend}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: frontend
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: fronted
  policyTypes: [Ingress]
",
    ),
    good: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: frontend, namespace: shop}
spec:
  selector: {matchLabels: {app: frontend}}
  template:
    metadata: {labels: {app: frontend}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: frontend
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: frontend
  policyTypes: [Ingress]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let selections = context.selections();
    let mut free = None;
    for part in &selections.parts {
        let place = &part.subject;
        let Some(Cause::Nobody(near)) = &place.cause else { continue };
        if asks_at_run_time(place) {
            continue;
        }
        let near = near.as_ref();
        let finding = findings.report(
            nobody::origin(context, place, near),
            format!("`{}` selects no pod", place.meta.full_name()),
        );
        nobody::describe(context, place, near, finding);
        if near.is_none() && nobody::is_an_operators(context, place) {
            finding.severity(Severity::Info);
        }
        if let Some(likely) = near.filter(|near| !near.is_slip())
            && let [only] = likely.sets.as_slice()
            && let Some(pod) = only.workload.pods.first()
        {
            let claim = repair::one_more_policy(context, *pod);
            finding.likely_fix("correct the selector", repair::nearest(context, place, likely), claim);
        }
        if let Some(near) = near.filter(|near| near.is_slip()) {
            let free = free.get_or_insert_with(|| unselected(context, &selections.parts));
            if let [only] = near.sets.as_slice()
                && free.contains(&only.id)
            {
                finding.severity(Severity::Error);
                if let Some(pod) = only.workload.pods.first() {
                    let claim = repair::one_more_policy(context, *pod);
                    finding.fix("correct the selector", repair::slip(context, place, near), claim);
                }
                finding.label(format!(
                    "no pod {} has {}, and nothing else selects {}",
                    words::namespaces(place),
                    words::requirement(&near.requirement),
                    words::workload(only, place.home)
                ));
            }
        }
    }
}
