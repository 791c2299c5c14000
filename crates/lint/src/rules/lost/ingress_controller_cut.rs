//! Services that an Ingress or a route shows to the outside, and whose pods the controller cannot reach.

use ringfence_model::{
    cilium::Entity,
    service::{EntryPoint, EntryPointKind, Service, ServiceType},
    verdict::Direction,
    workload::{Pod, PodId},
};

use super::{
    missing::{Missing, port},
    openings::{Opening, Policies, Who},
    outside::nobody_gets_in,
    passage::{Cut, blame, cut, workload_name},
    references::Services,
    sides::told_by_a_side,
    targets::{Targets, backend_port, through},
};
use crate::facts::{Controller, backends::pods_of};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF310",
    name: "ingress-controller-cut",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "backends of an Ingress or HTTPRoute that no ingress controller or gateway can reach",
    what: "Reports Ingresses and HTTPRoutes whose backends none of the controllers of the input can reach, at the \
           port on the pods: the ingress controllers that serve the class, or the pods of the Gateway. Where the \
           input shows no controller, only backends are reported for which no rule lets anybody in from outside \
           their own namespace, neither pods nor addresses. Silent about backends that are not in the input.",
    why: "Whoever asks from outside gets `502` or `504` from the controller, or a timeout.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: traefik
  namespace: traefik
  labels: {app: traefik}
spec:
  containers: [{name: traefik, image: docker.io/library/traefik:v3.2}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: shop}
spec:
  rules:
    - http:
        paths:
          - path: /
            pathType: Prefix
            backend: {service: {name: web, port: {number: 80}}}
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
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
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: traefik
  namespace: traefik
  labels: {app: traefik}
spec:
  containers: [{name: traefik, image: docker.io/library/traefik:v3.2}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: shop}
spec:
  rules:
    - http:
        paths:
          - path: /
            pathType: Prefix
            backend: {service: {name: web, port: {number: 80}}}
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
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
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: traefik}
      ports:
        - port: 8080
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let services = Services::new(context.cluster);
    let policies = Policies::new(context);
    for entry in context.cluster.entry_points.iter().filter(|entry| entry.kind != EntryPointKind::Gateway) {
        for backend in &entry.backends {
            let Some(service) = services.get(&backend.namespace, &backend.service) else { continue };
            let Some(port) = backend_port(service, backend.port.as_ref()) else { continue };
            let Some(targets) = through(context.cluster, service, port) else { continue };
            let controllers = serving(context, entry);
            let pods: Vec<PodId> =
                controllers.iter().flat_map(|controller| controller.pods.iter().copied()).collect();
            let found = if pods.is_empty() {
                outsiders_cut(context, &policies, service, &targets)
            } else {
                cut(context, &pods, &targets.pods, targets.protocol)
            };
            // Where a rule names a whole namespace, that the controller in it is cut off says more.
            let told = |cut: &Cut| told_by_a_side(context, &cut.flow).is_some_and(|side| side.named);
            if let Some(cut) = found.filter(|cut| !told(cut)) {
                report(context, entry, service, &targets, controllers.first().copied(), &cut, findings);
            }
        }
    }
}

/// The controllers that serve an Ingress, or the Gateways of a route. None if any of them is not in the input.
fn serving<'c>(context: &'c Context<'_>, entry: &EntryPoint) -> Vec<&'c Controller> {
    let facts = context.facts();
    if entry.kind == EntryPointKind::Ingress {
        return facts.controllers_of(entry.class.as_deref());
    }
    let gateways: Vec<Vec<&Controller>> =
        entry.parents.iter().map(|(namespace, name)| facts.controllers_of_gateway(namespace, name)).collect();
    if gateways.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    gateways.concat()
}

/// A sample if nobody outside the namespace can get in, and nothing within it can be a controller: nothing that a load balancer
/// or a port of the nodes leads to, or that is in their network.
fn outsiders_cut(
    context: &Context<'_>,
    policies: &Policies<'_>,
    service: &Service,
    targets: &Targets,
) -> Option<Cut> {
    let cluster = context.cluster;
    let shown = |pod: &Pod| {
        pod.host_network
            || cluster.services.iter().any(|service| {
                service.namespace == pod.namespace
                    && matches!(service.kind, ServiceType::LoadBalancer | ServiceType::NodePort)
                    && service.selector.as_ref().is_some_and(|wanted| pod.labels.contains_all(wanted))
            })
    };
    if pods_of(cluster, &service.namespace).any(|(_, pod)| shown(pod)) {
        return None;
    }
    let elsewhere = |opening: &Opening<'_>| match opening.who {
        Who::Everyone | Who::Addresses | Who::Address | Who::Name | Who::Other => true,
        Who::Entity(entity) => entity != Entity::None,
        Who::Pods { own, .. } => own.is_none_or(|own| *own != service.namespace),
    };
    nobody_gets_in(context, policies, targets, elsewhere)
}

fn report(
    context: &Context<'_>,
    entry: &EntryPoint,
    service: &Service,
    targets: &Targets,
    controller: Option<&Controller>,
    cut: &Cut,
    findings: &mut Findings,
) {
    let cluster = context.cluster;
    let Some((pod, number)) = targets.pods.first().copied() else { return };
    let Some(workload) = cluster.pod(pod).map(|pod| pod.workload) else { return };
    let name = workload_name(cluster, workload);
    let who = controller.map(|controller| workload_name(cluster, controller.workload));
    let from = who.as_ref().map_or_else(|| "no ingress controller".to_owned(), |who| format!("`{who}`"));
    let cannot = if who.is_some() { "cannot" } else { "can" };
    let kind = entry.kind.as_str();
    let finding = findings.report(
        entry.origin,
        format!("{from} {cannot} reach `{name}`, which {kind} `{}/{}` leads to", entry.namespace, entry.name),
    );
    finding.label(format!(
        "Service `{}/{}`, port {number} on its pods, is cut off",
        service.namespace, service.name
    ));
    if let (Some(controller), Some(who)) = (controller, &who) {
        finding
            .related(controller.evidence.origin, format!("`{who}` serves it: {}", controller.evidence.words));
        blame(context, finding, cut, Direction::Egress, who);
    }
    blame(context, finding, cut, Direction::Ingress, &name);
    let Some(controller) = controller else {
        finding.help(format!("let the namespace of the ingress controller in at port {number} of `{name}`"));
        return;
    };
    let ports = [port(targets.protocol, number)];
    let missing = Missing::between(context, &[controller.workload], &[workload], &ports, &[cut]);
    let who = who.unwrap_or_default();
    missing.advise(
        context,
        &format!("`{who}` reach `{name}`"),
        &format!("let `{who}` out to port {number} of `{name}`, and in there"),
        finding,
    );
}
