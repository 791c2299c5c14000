//! Services of the types LoadBalancer and NodePort whose pods let nobody in from outside.

use ringfence_analysis::explain::labels;
use ringfence_model::{
    cilium::Entity,
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
        let all = judged.iter().all(|(_, _, cut)| cut.is_some());
        for (port, targets, cut) in &judged {
            if let Some(cut) = cut {
                let certain = all && service.kind == ServiceType::LoadBalancer;
                report(context, service, port, targets, cut, certain, findings);
            }
        }
    }
}

fn report(
    context: &Context<'_>,
    service: &Service,
    service_port: &ServicePort,
    targets: &Targets,
    cut: &Cut,
    certain: bool,
    findings: &mut Findings,
) {
    let Some((id, number)) = targets.pods.first().copied() else { return };
    let Some(pod) = context.cluster.pod(id) else { return };
    let name = workload_name(context.cluster, pod.workload);
    let kind = if service.kind == ServiceType::LoadBalancer { "LoadBalancer" } else { "NodePort" };
    let finding = findings.report(
        service_port.origin,
        format!(
            "nobody outside gets through the {kind} Service `{}/{}` to `{name}`",
            service.namespace, service.name
        ),
    );
    finding.label(format!("port {number} on the pods lets no address in"));
    if !certain {
        finding.severity(Severity::Warning);
    }
    blame(finding, cut, Direction::Ingress, &name);
    let otherwise = format!(
        "let the clients' networks (with `externalTrafficPolicy: Cluster` the nodes') in at port {number} of `{name}` with an `ipBlock`, or make the Service a ClusterIP"
    );
    let help = labels::for_workload(context.cluster, pod.workload).map(|chosen| {
        let missing = Missing::opening(
            context,
            &pod.namespace,
            &format!("{}-from-outside", pod.name),
            chosen.selector,
            Direction::Ingress,
            Vec::new(),
            &[port(targets.protocol, number)],
            &[cut],
        );
        missing.help(
            context,
            "everybody in (name the clients' networks with an `ipBlock` if you know them)",
            &otherwise,
        )
    });
    finding.help(help.unwrap_or(otherwise));
}
