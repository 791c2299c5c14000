//! Allow rules of a Cilium policy that is told not to deny the rest.

use ringfence_model::{origin::Origin, verdict::Direction};
use ringfence_policy::compiled::PodSet;

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::workload_names,
};

pub(super) static RULE: Rule = Rule {
    code: "RF715",
    name: "default-deny-off",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "rules that allow have no effect where `enableDefaultDeny` is off and nothing else isolates the pods",
    what: "Reports Cilium specs with allow rules and `enableDefaultDeny: false` for the direction, where the engine finds \
           pods of theirs that nothing isolates in that direction. Rules with conditions on requests are not reported: \
           they send connections through the proxy.",
    why: "Everything passes, and the rules look as if only what they name does.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  enableDefaultDeny: {ingress: false}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web}}]
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web}}]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for policy in context.cluster.cilium_policies.iter().filter(|policy| !policy.meta.audit) {
        for spec in &policy.specs {
            let lists = [
                (Direction::Ingress, &spec.ingress, spec.isolates_ingress),
                (Direction::Egress, &spec.egress, spec.isolates_egress),
            ];
            for (direction, rules, isolates) in lists {
                let conditions = rules.iter().flat_map(|rule| &rule.ports).any(|entry| !entry.l7.is_empty());
                if rules.is_empty() || isolates || conditions {
                    continue;
                }
                let subject = context.scope.cilium_subject(policy, spec);
                let open = context.groups().iter().filter(|group| !group.of(direction).is_isolated());
                let open: PodSet = open
                    .flat_map(|group| group.pods.iter().copied())
                    .filter(|pod| subject.contains(*pod))
                    .collect();
                if open.is_empty() {
                    continue;
                }
                let path = ["enableDefaultDeny".into(), direction.as_str().into()];
                let at: Option<Origin> = context.places.value(spec.origin, &path);
                let message = format!(
                    "the {} rules of `{}` restrict nothing: nothing isolates {}",
                    direction.as_str(),
                    policy.meta.full_name(),
                    workload_names(context.cluster, &open)
                );
                findings
                    .report(at.unwrap_or(policy.meta.origin), message)
                    .label("what no rule allows passes too")
                    .help("remove `enableDefaultDeny`, or isolate the pods by another policy");
            }
        }
    }
}
