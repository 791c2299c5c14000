//! A rule with the port of a Service or of its pods, where the CNI needs both.

use ringfence_model::{
    service::{Service, ServicePort, TargetPort},
    tier::Action,
    verdict::Direction,
    workload::PodId,
};
use ringfence_policy::compiled::PodSet;

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
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
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
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
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
    // What each Service leads to, and where it leads from one port to another.
    let services = context.cluster.services.iter().filter(|service| !service.headless);
    let apart: Vec<(&Service, &ServicePort, u16, PodSet)> = services
        .flat_map(|service| {
            service.ports.iter().filter_map(move |port| match port.target {
                TargetPort::Number(target) if target != port.port => {
                    Some((service, port, target, backends(context, service)))
                }
                _ => None,
            })
        })
        .collect();
    let egress = walk::rules(context.cluster)
        .filter(|rule| rule.direction == Direction::Egress && rule.action == Action::Accept);
    for rule in egress.filter(|rule| matches!(rule.body, Body::Network(..)) && !rule.ports().is_empty()) {
        let one: Vec<_> = (apart.iter())
            .filter(|(_, port, target, _)| {
                rule.has_port(port.protocol, port.port) != rule.has_port(port.protocol, *target)
            })
            .collect();
        if one.is_empty() {
            continue;
        }
        for (peer, at) in rule.peers() {
            let pods = context.scope.chosen(peer);
            for (service, port, target, backends) in &one {
                if !pods.intersects(backends) {
                    continue;
                }
                let (target, led) = (*target, rule.has_port(port.protocol, *target));
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

/// The pods that a Service leads to.
fn backends(context: &Context<'_>, service: &Service) -> PodSet {
    let Some(selector) = &service.selector else { return PodSet::default() };
    let pods = &context.cluster.pods;
    let from = pods.partition_point(|pod| pod.namespace < service.namespace);
    let own = (0..).map(PodId).zip(pods).skip(from).take_while(|(_, pod)| pod.namespace == service.namespace);
    own.filter(|(_, pod)| pod.labels.contains_all(selector)).map(|(id, _)| id).collect()
}
