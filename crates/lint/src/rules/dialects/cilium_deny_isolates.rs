//! A Cilium policy of denials alone, which shuts everything.

use ringfence_model::{
    cilium::{CiliumPeer, CiliumRule, Entity},
    network_policy::PolicyMeta,
    verdict::Direction,
};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::workload_names,
};
use ringfence_policy::compiled::PodSet;

pub(super) static RULE: Rule = Rule {
    code: "RF714",
    name: "cilium-deny-isolates",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a Cilium policy with denials alone shuts the pods for everyone in that direction",
    what: "Reports Cilium policies that deny some connections of a direction and allow none, where the engine finds that \
           nothing else isolates a pod of theirs in that direction. A denial of everyone is meant to shut everything, and `enableDefaultDeny` stated for the direction shows \
           that it is known: both are left alone.",
    why: "Any rule for a direction, a denial too, makes Cilium deny by default what no rule allows. Who wants to shut out one \
          peer shuts out all.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: v1
kind: Pod
metadata: {name: tests, namespace: shop, labels: {app: tests}}
spec: {containers: [{name: tests, image: tests}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: no-tests, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingressDeny:
    - fromEndpoints: [{matchLabels: {app: tests}}]
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
metadata: {name: tests, namespace: shop, labels: {app: tests}}
spec: {containers: [{name: tests, image: tests}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: no-tests, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  enableDefaultDeny: {ingress: false}
  ingressDeny:
    - fromEndpoints: [{matchLabels: {app: tests}}]
",
    ),
    check,
};

/// Whether a denial shuts everything by itself.
fn denies_everyone(rule: &CiliumRule) -> bool {
    let everyone =
        |peers: &Vec<CiliumPeer>| peers.iter().any(|peer| matches!(peer, CiliumPeer::Entity(Entity::All, _)));
    rule.ports.is_empty() && rule.icmps.is_empty() && rule.peers.as_ref().is_none_or(everyone)
}

fn check(context: &Context<'_>, findings: &mut Findings) {
    for policy in &context.cluster.cilium_policies {
        let meta: &PolicyMeta = &policy.meta;
        for direction in [Direction::Ingress, Direction::Egress] {
            let allows = policy.specs.iter().any(|spec| match direction {
                Direction::Ingress => !spec.ingress.is_empty(),
                Direction::Egress => !spec.egress.is_empty(),
            });
            if allows || meta.audit {
                continue;
            }
            for spec in &policy.specs {
                let (denials, isolates, field) = match direction {
                    Direction::Ingress => (&spec.ingress_deny, spec.isolates_ingress, "ingressDeny"),
                    Direction::Egress => (&spec.egress_deny, spec.isolates_egress, "egressDeny"),
                };
                let stated = [spec.origin].iter().any(|origin| {
                    let path = ["enableDefaultDeny".into(), direction.as_str().into()];
                    context.places.value(*origin, &path).is_some()
                });
                if denials.is_empty() || !isolates || stated || denials.iter().any(denies_everyone) {
                    continue;
                }
                let subject = context.scope.cilium_subject(policy, spec);
                let alone = context.groups().iter().filter(|group| {
                    let isolating = &group.of(direction).isolating;
                    !isolating.is_empty() && isolating.iter().all(|by| **by == *meta)
                });
                let shut: PodSet = alone
                    .flat_map(|group| group.pods.iter().copied())
                    .filter(|pod| subject.contains(*pod))
                    .collect();
                if shut.is_empty() {
                    continue;
                }
                let names = workload_names(context.cluster, &shut);
                let word = direction.as_str();
                let key = context.places.key(spec.origin, &[field.into()]);
                let everyone = matches!(direction, Direction::Ingress);
                let effect = if everyone { "lets nobody reach" } else { "lets nothing out of" };
                findings
                    .report(
                        key.unwrap_or(meta.origin),
                        format!("`{}` {effect} {names}: it denies, and nothing allows", meta.full_name()),
                    )
                    .label("a denial makes Cilium deny the rest by default")
                    .help(format!(
                        "add `enableDefaultDeny: {{{word}: false}}` to leave the rest open, or rules that allow what is needed"
                    ));
            }
        }
    }
}
