//! A rule with the port of a Service or of its pods, where the CNI needs both.

use std::collections::BTreeMap;

use ringfence_model::{
    Text,
    service::{Service, TargetPort},
    tier::Action,
    verdict::Direction,
};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, Body},
};

pub(super) static RULE: Rule = Rule {
    code: "RF710",
    name: "service-port-must-equal-target-port",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "the Amazon VPC CNI needs the port of the Service and that of its pods in a rule",
    what: "With the profile `aws`, reports egress rules to pods that allow the target port of a Service of these pods and not \
           the port of the Service itself, or the other way round.",
    why: "The agent sees a packet twice: at the client's side with the address and port of the Service, at the pod with \
          the pod's. With one port alone, connections through the Service are dropped.",
    bad: Example {
        settings: "cluster.profile = \"aws\"",
        manifests: "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
    - to: [{podSelector: {matchLabels: {app: api}}}]
      ports: [{port: 8080}]
",
    },
    good: Example {
        settings: "cluster.profile = \"aws\"",
        manifests: "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
    - to: [{podSelector: {matchLabels: {app: api}}}]
      ports: [{port: 8080}, {port: 80}]
",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(cni) = context.facts().cni.as_ref().filter(|cni| cni.profile.enforces) else { return };
    if !cni.dialect.sees_service_address.is_some_and(|fact| fact.value) {
        return;
    }
    let mut services: BTreeMap<&Text, Vec<&Service>> = BTreeMap::new();
    for service in context.cluster.services.iter().filter(|service| !service.headless) {
        services.entry(&service.namespace).or_default().push(service);
    }
    let egress = walk::rules(context.cluster)
        .filter(|rule| rule.direction == Direction::Egress && rule.action == Action::Accept);
    for rule in egress.filter(|rule| matches!(rule.body, Body::Network(..)) && !rule.ports().is_empty()) {
        let mut told: Vec<&str> = Vec::new();
        for (peer, at) in rule.peers() {
            let pods = context.scope.chosen(peer);
            let candidates = pods.iter().filter_map(|pod| context.cluster.pod(pod)).flat_map(|pod| {
                let own = services.get(&pod.namespace).into_iter().flatten();
                own.filter(|service| {
                    service.selector.as_ref().is_some_and(|labels| pod.labels.contains_all(labels))
                })
            });
            for service in candidates {
                let apart = service.ports.iter().find_map(|port| match port.target {
                    TargetPort::Number(target) if target != port.port => {
                        let (own, led) =
                            (rule.has_port(port.protocol, port.port), rule.has_port(port.protocol, target));
                        (own != led).then_some((port, target, led))
                    }
                    _ => None,
                });
                let Some((port, target, led)) = apart else { continue };
                if told.contains(&&*service.name) {
                    continue;
                }
                told.push(&service.name);
                let (has, lacks) = if led { (target, port.port) } else { (port.port, target) };
                let message = format!(
                    "`{}` allows port {has} without port {lacks} of the Service `{}/{}`",
                    rule.meta.full_name(),
                    service.namespace,
                    service.name
                );
                findings
                    .report(at, message)
                    .label(format!("the Service leads port {} to port {target}", port.port))
                    .help(format!("add port {lacks}, or give the Service the port of its pods"))
                    .related(port.origin, "the Service's port");
            }
        }
    }
}
