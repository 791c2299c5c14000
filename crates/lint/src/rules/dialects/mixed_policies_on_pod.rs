//! NetworkPolicies and Cilium policies for the same pods.

use std::collections::BTreeSet;

use ringfence_model::{
    address::Family,
    flow::{Endpoint, Flow},
    network_policy::{PolicyKind, PolicyMeta},
    port::{PortSpec, Protocol},
    tier::Action,
    verdict::{Direction, Outcome, Reason, RuleRef},
    workload::PodId,
};
use ringfence_policy::Judge;

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, AnyRule, Body, is_cilium, pod_name, representatives},
};

pub(super) static RULE: Rule = Rule {
    code: "RF706",
    name: "mixed-policies-on-pod",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a NetworkPolicy opens what a Cilium policy for the same pods restricts",
    what: "Reports Cilium rules with conditions on requests (`rules`) where the engine finds that a NetworkPolicy for the \
           same pods lets the same connection pass without any. A Cilium policy and a NetworkPolicy that isolate the same pods \
           in one direction, both with rules, are an info, once for each Cilium policy.",
    why: "What either kind lets through passes: conditions of one do not bind what the other allows, and who reads one of \
          the two policies believes that it is all.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: web}}}]
      ports: [{port: 8080}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api-paths, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web}}]
      toPorts:
        - ports: [{port: \"8080\", protocol: TCP}]
          rules:
            http: [{method: GET, path: \"/api/.*\"}]
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api-paths, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web}}]
      toPorts:
        - ports: [{port: \"8080\", protocol: TCP}]
          rules:
            http: [{method: GET, path: \"/api/.*\"}]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    if context.cluster.cilium_policies.is_empty() || context.cluster.network_policies.is_empty() {
        return;
    }
    let mut told: BTreeSet<PolicyMeta> = BTreeSet::new();
    for rule in walk::rules(context.cluster).filter(|rule| rule.action == Action::Accept) {
        let Some((port, from, to, by)) = undone(context, &rule) else { continue };
        told.insert((**rule.meta).clone());
        let message = format!(
            "the conditions of `{}` do not bind: `{}` lets {} reach {} on port {port} without any",
            rule.meta.full_name(),
            by.policy.full_name(),
            pod_name(context.cluster, from),
            pod_name(context.cluster, to)
        );
        findings
            .report(rule.origin, message)
            .label("what a NetworkPolicy or a Cilium policy lets through passes")
            .help("take the connection out of the NetworkPolicy")
            .related(by.origin, "this lets it through without conditions");
    }
    // A NetworkPolicy that only denies takes nothing away from the other kind.
    let opens: BTreeSet<(&PolicyMeta, Direction)> = (walk::rules(context.cluster))
        .filter(|rule| rule.meta.kind == PolicyKind::NetworkPolicy)
        .map(|rule| (&**rule.meta, rule.direction))
        .collect();
    for group in context.groups() {
        for direction in [Direction::Ingress, Direction::Egress] {
            let isolating = &group.of(direction).isolating;
            let Some(network) = isolating.iter().find(|meta| opens.contains(&(&***meta, direction))) else {
                continue;
            };
            for meta in isolating.iter().filter(|meta| is_cilium(meta.kind)) {
                let Some(pod) = group.pods.first() else { continue };
                if !told.insert((**meta).clone()) {
                    continue;
                }
                let message = format!(
                    "`{}` and the NetworkPolicy `{}` both isolate {} for {}",
                    meta.full_name(),
                    network.full_name(),
                    pod_name(context.cluster, *pod),
                    direction.as_str()
                );
                findings
                    .report(meta.origin, message)
                    .label("what either of them lets through passes")
                    .help("keep the policies of a workload in one kind, or read them together")
                    .severity(Severity::Info)
                    .related(network.origin, "the NetworkPolicy");
            }
        }
    }
}

/// A connection that a rule has conditions for and a NetworkPolicy lets through without: its port, its ends, and the rule
/// of the NetworkPolicy.
fn undone(context: &Context<'_>, rule: &AnyRule<'_>) -> Option<(u16, PodId, PodId, RuleRef)> {
    let Body::Cilium(_, _, cilium) = rule.body else { return None };
    let conditional = cilium.ports.iter().filter(|entry| !entry.l7.is_empty()).flat_map(|entry| &entry.ports);
    let ports: Vec<(Protocol, u16)> = conditional
        .filter_map(|entry| match entry.ports {
            PortSpec::Range(first, _) => Some((entry.protocol.unwrap_or(Protocol::Tcp), first)),
            PortSpec::All | PortSpec::Named(_) => None,
        })
        .collect();
    if ports.is_empty() {
        return None;
    }
    let family = context.families().first().copied().unwrap_or(Family::V4);
    let own = representatives(context, &rule.subject(context));
    let peers: Vec<PodId> = (rule.peers().into_iter())
        .flat_map(|(peer, _)| representatives(context, &context.scope.chosen(peer)))
        .collect();
    for (subject, peer) in own.iter().flat_map(|subject| peers.iter().map(move |peer| (*subject, *peer))) {
        if subject == peer {
            continue;
        }
        let (from, to) = if rule.direction == Direction::Ingress { (peer, subject) } else { (subject, peer) };
        for (protocol, port) in &ports {
            let (protocol, port) = (*protocol, *port);
            let (source, target) = (Endpoint::Pod(from), Endpoint::Pod(to));
            let flow = Flow { from: source, to: target, family, protocol, port, request: None };
            let verdict = context.compiled.verdict(&flow);
            let side = if rule.direction == Direction::Ingress { verdict.ingress } else { verdict.egress };
            if side.outcome != Outcome::Allow {
                continue;
            }
            let by = side.reasons.into_iter().find_map(|reason| match reason {
                Reason::Rule(by) if by.policy.kind == PolicyKind::NetworkPolicy => Some(by),
                _ => None,
            });
            if let Some(by) = by {
                return Some((port, from, to, by));
            }
        }
    }
    None
}
