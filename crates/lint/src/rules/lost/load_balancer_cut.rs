//! Services of the types LoadBalancer and NodePort whose pods let nobody in from outside.

use std::collections::BTreeMap;

use ringfence_analysis::explain::labels;
use ringfence_model::{
    cilium::Entity,
    port::PortMatch,
    service::{Service, ServicePort, ServiceType},
    verdict::Direction,
};

use super::{
    missing::{Missing, port},
    openings::{Opening, Policies, Who},
    outside::nobody_gets_in,
    passage::{Cut, blame, workload_name},
    targets::{Targets, through},
};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF311",
    name: "load-balancer-cut",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a LoadBalancer or NodePort Service whose pods let no address outside the cluster in",
    what: "Reports Services of the type LoadBalancer whose pods are isolated for ingress while no rule is for any \
           address, node or everybody, at the port on the pods. It is a warning for NodePort, and where only some of \
           the ports are cut off. Silent about Services whose pods are not in the input.",
    why: "Connections from outside come with the address of the client or of a node, which no selector of pods \
           matches. What happens to arrive at the node that the pod runs on passes all the same, so that it works \
           now and then.",
    bad: Example::new(
        "
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels: {app: web}
spec:
  containers:
    - name: web
      image: registry.example.com/web:1
      ports: [{containerPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: web}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {}
      ports:
        - port: 8080
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels: {app: web}
spec:
  containers:
    - name: web
      image: registry.example.com/web:1
      ports: [{containerPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: web}
  policyTypes: [Ingress]
  ingress:
    - from:
        - ipBlock: {cidr: 0.0.0.0/0}
      ports:
        - port: 8080
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let policies = Policies::new(context);
    let outside = |opening: &Opening<'_>| match opening.who {
        Who::Everyone | Who::Addresses | Who::Address | Who::Name | Who::Other => true,
        Who::Entity(entity) => !matches!(
            entity,
            Entity::None | Entity::Init | Entity::Health | Entity::Unmanaged | Entity::KubeApiserver
        ),
        Who::Pods { .. } => false,
    };
    let shown =
        |service: &&Service| matches!(service.kind, ServiceType::LoadBalancer | ServiceType::NodePort);
    for service in context.cluster.services.iter().filter(shown) {
        let judged: Vec<(&ServicePort, Targets, Option<Cut>)> = (service.ports.iter())
            .filter_map(|port| {
                let targets = through(context.cluster, service, port)?;
                let cut = nobody_gets_in(context, &policies, &targets, outside);
                Some((port, targets, cut))
            })
            .collect();
        let cut: Vec<(&ServicePort, &Targets, &Cut)> =
            judged.iter().filter_map(|(port, targets, cut)| Some((*port, targets, cut.as_ref()?))).collect();
        let certain = cut.len() == judged.len() && service.kind == ServiceType::LoadBalancer;
        report(context, service, &cut, certain, findings);
    }
}

fn report(
    context: &Context<'_>,
    service: &Service,
    ports: &[(&ServicePort, &Targets, &Cut)],
    certain: bool,
    findings: &mut Findings,
) {
    let Some((service_port, targets, sample)) = ports.first() else { return };
    let Some(pod) = targets.pods.first().and_then(|(id, _)| context.cluster.pod(*id)) else { return };
    let name = workload_name(context.cluster, pod.workload);
    let kind = if service.kind == ServiceType::LoadBalancer { "LoadBalancer" } else { "NodePort" };
    let finding = findings.report(
        service_port.origin,
        format!(
            "nobody outside gets through the {kind} Service `{}/{}` to `{name}`",
            service.namespace, service.name
        ),
    );
    let on_pods: BTreeMap<u16, PortMatch> = (ports.iter())
        .filter_map(|(_, targets, _)| targets.pods.first().map(|(_, number)| (*number, targets.protocol)))
        .map(|(number, protocol)| (number, port(protocol, number)))
        .collect();
    let numbers: Vec<String> = on_pods.keys().map(ToString::to_string).collect();
    let which = match numbers.as_slice() {
        [one] => format!("port {one}"),
        many => format!("ports {}", many.join(", ")),
    };
    finding.label(format!(
        "{which} on the pods {} no address in",
        if numbers.len() == 1 { "lets" } else { "let" }
    ));
    for (other, ..) in ports.iter().skip(1) {
        finding.related(other.origin, "nor through this port");
    }
    if !certain {
        finding.severity(Severity::Warning);
    }
    blame(context, finding, sample, Direction::Ingress, &name);
    let otherwise = format!(
        "let the clients' networks (with `externalTrafficPolicy: Cluster` the nodes') in at {which} of `{name}` with an `ipBlock`, or make the Service a ClusterIP"
    );
    let help = labels::for_workload(context.cluster, pod.workload).map(|chosen| {
        let on_pods: Vec<PortMatch> = on_pods.into_values().collect();
        let cuts: Vec<&Cut> = ports.iter().map(|(_, _, cut)| *cut).collect();
        let missing = Missing::opening(
            context,
            &pod.namespace,
            &format!("{}-from-outside", pod.name),
            chosen.selector,
            Direction::Ingress,
            Vec::new(),
            &on_pods,
            &cuts,
        );
        missing.help(
            context,
            "everybody in (name the clients' networks with an `ipBlock` if you know them)",
            &otherwise,
        )
    });
    finding.help(help.unwrap_or(otherwise));
}
