//! A block of client addresses behind a Service that hides them.

use ringfence_model::{
    address::{self, IpSet},
    network_policy::PolicyKind,
    service::{Service, ServiceType, TargetPort},
    tier::Action,
    verdict::Direction,
    workload::PodId,
};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, AnyRule},
};

pub(super) static RULE: Rule = Rule {
    code: "RF211",
    name: "source-address-hidden",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "behind a LoadBalancer or NodePort Service, an ingress block sees a node's address, not the client's",
    what: "Reports ingress blocks of public addresses for pods behind a Service of type LoadBalancer or NodePort, on a port that it \
           leads to, without `externalTrafficPolicy: Local`. It keeps silent about blocks of all addresses, about \
           private ones (which nodes may have), and if an annotation of the Service says that its load balancer \
           connects to the pods themselves.",
    why: "With the default policy `Cluster` the node that receives a connection may pass it on to a pod of another node, and \
          puts its own address in place of the client's so that replies come back. The block then matches none of \
          those clients.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{port: 443, targetPort: 8443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from:
        - ipBlock:
            cidr: 203.0.113.0/24
      ports:
        - port: 8443
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
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {app: web}
  ports: [{port: 443, targetPort: 8443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from:
        - ipBlock:
            cidr: 203.0.113.0/24
      ports:
        - port: 8443
",
    ),
    check,
};

/// Parts of annotations of load balancers that connect to pods.
const DIRECT: [&str; 3] = ["target-type", "cloud.google.com/neg", "cloud.google.com/l4-rbs"];

fn check(context: &Context<'_>, findings: &mut Findings) {
    let hiding: Vec<&Service> =
        context.cluster.services.iter().filter(|service| hides(context, service)).collect();
    if hiding.is_empty() {
        return;
    }
    let own = context.cluster.own_addresses().union(&address::not_public());
    let accepting = walk::rules(context.cluster)
        .filter(|rule| rule.direction == Direction::Ingress && rule.action == Action::Accept);
    for rule in accepting {
        let public: Vec<_> = (rule.blocks().into_iter())
            .filter(|block| block.cidr.prefix_len() > 0 && IpSet::from_nets([&block.cidr]).is_disjoint(&own))
            .collect();
        let Some(block) = public.first() else { continue };
        let subject = rule.subject(context);
        let behind = |service: &&&Service| subject.iter().any(|pod| leads_to(context, service, pod, &rule));
        let Some(service) = hiding.iter().find(behind) else { continue };
        let kind = if service.kind == ServiceType::LoadBalancer { "LoadBalancer" } else { "NodePort" };
        let message = format!(
            "`{}` lets in clients by their addresses, which the Service `{}/{}` hides",
            rule.meta.full_name(),
            service.namespace,
            service.name
        );
        let finding = findings.report(block.place(&context.places), message);
        finding
            .label(format!("connections through a {kind} Service may come from a node's address"))
            .help("set `externalTrafficPolicy: Local` on the Service, or restrict its clients with `loadBalancerSourceRanges`")
            .related(service.origin, "the Service");
        if rule.meta.kind != PolicyKind::NetworkPolicy {
            // Cilium and others may keep the client's address where they replace kube-proxy.
            finding.severity(Severity::Info);
        }
    }
}

fn hides(context: &Context<'_>, service: &Service) -> bool {
    let outward = matches!(service.kind, ServiceType::LoadBalancer | ServiceType::NodePort);
    if !outward || service.external_traffic_local || service.selector.is_none() {
        return false;
    }
    let object = context.documents.iter().find(|object| object.origin == service.origin);
    let direct = |key: &str| DIRECT.iter().any(|part| key.contains(part));
    !object.is_some_and(|object| object.annotations.iter().any(|(key, _)| direct(key)))
}

/// Whether a Service leads to a pod on a port of the rule.
fn leads_to(context: &Context<'_>, service: &Service, pod: PodId, rule: &AnyRule<'_>) -> bool {
    let Some(pod) = context.cluster.pod(pod).filter(|pod| pod.namespace == service.namespace) else {
        return false;
    };
    if !service.selector.as_ref().is_some_and(|selector| pod.labels.contains_all(selector)) {
        return false;
    }
    service.ports.iter().any(|port| match &port.target {
        TargetPort::Number(number) => rule.has_port(port.protocol, *number),
        TargetPort::Name(name) => {
            pod.named_ports(name, port.protocol).any(|number| rule.has_port(port.protocol, number))
        }
    })
}
