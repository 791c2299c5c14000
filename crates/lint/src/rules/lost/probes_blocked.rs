//! Probes that cannot succeed, whatever the application does.

use ringfence_model::{
    cilium::{CiliumPeer, Entity},
    details::{Probe, ProbeAction},
    port::Protocol,
    service::TargetPort,
    workload::{Pod, PodId, WorkloadId},
};

use super::{openings::covers, passage::workload_name};
use crate::facts::backends::number;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF306",
    name: "probes-blocked",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "probes at a port name that no container has, or that a deny rule keeps out",
    what: "Reports `httpGet` and `tcpSocket` probes that name a port which no container of the pod has, and probes \
           that a rule denies by name: an `ingressDeny` of a Cilium policy for the host or for everybody. \
           NetworkPolicy never blocks the kubelet of the pod's own node, so policies without a deny rule are no \
           fault here.",
    why: "The kubelet takes the pod for unhealthy: it is never ready, or is restarted again and again.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: api
  namespace: shop
  labels: {app: api}
spec:
  containers:
    - name: api
      image: registry.example.com/api:1
      ports: [{name: http, containerPort: 8080}]
      readinessProbe:
        httpGet:
          path: /ready
          port: web
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: api
  namespace: shop
  labels: {app: api}
spec:
  containers:
    - name: api
      image: registry.example.com/api:1
      ports: [{name: http, containerPort: 8080}]
      readinessProbe:
        httpGet:
          path: /ready
          port: http
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for (id, workload) in (0..).map(WorkloadId).zip(&context.cluster.workloads) {
        let Some(first) = workload.pods.first() else { continue };
        let Some(pod) = context.cluster.pod(*first).filter(|pod| !pod.finished) else { continue };
        let name = workload_name(context.cluster, id);
        let containers = pod.details.iter().flat_map(|details| &details.containers);
        for probe in containers.flat_map(|container| &container.probes) {
            let target = match &probe.action {
                ProbeAction::Http { port, .. } | ProbeAction::Tcp { port } => port.clone(),
                ProbeAction::Grpc { port } => TargetPort::Number(*port),
                ProbeAction::Exec => continue,
            };
            match number(pod, &target, Protocol::Tcp) {
                Some(port) if !pod.host_network => denied(context, *first, &name, probe, port, findings),
                Some(_) => {}
                None => unnamed(pod, &name, probe, &target, findings),
            }
        }
    }
}

fn unnamed(pod: &Pod, name: &str, probe: &Probe, target: &TargetPort, findings: &mut Findings) {
    let TargetPort::Name(port) = target else { return };
    let kind = probe.kind.as_str();
    let mut known: Vec<String> =
        pod.ports.iter().filter_map(|port| port.name.as_ref()).map(|name| format!("`{name}`")).collect();
    known.sort();
    known.dedup();
    findings
        .report(
            probe.origin,
            format!("the {kind} probe of `{name}` asks at the port `{port}`, which no container has"),
        )
        .label("no container port is called so")
        .help(if known.is_empty() {
            "write the port's number, or give a container port this name".to_owned()
        } else {
            format!("write the port's number, or one of its named ports: {}", known.join(", "))
        });
}

/// A deny rule that keeps the pod's own node out.
fn denied(context: &Context<'_>, pod: PodId, name: &str, probe: &Probe, port: u16, findings: &mut Findings) {
    for policy in context.cluster.cilium_policies.iter().filter(|policy| !policy.meta.audit) {
        for spec in &policy.specs {
            let denies = spec.ingress_deny.iter().find(|rule| {
                let host = rule.peers.as_ref().is_none_or(|peers| {
                    let entity =
                        |peer: &CiliumPeer| matches!(peer, CiliumPeer::Entity(Entity::Host | Entity::All, _));
                    peers.iter().any(entity)
                });
                let mut ports = rule.ports.iter().flat_map(|ports| &ports.ports);
                let every = rule.ports.is_empty() && rule.icmps.is_empty();
                let own = context.cluster.pod(pod);
                host && (every || ports.any(|entry| covers(entry, own, Protocol::Tcp, port)))
            });
            let Some(rule) = denies.filter(|_| context.scope.cilium_subject(policy, spec).contains(pod))
            else {
                continue;
            };
            findings
                .report(
                    probe.origin,
                    format!(
                        "`{}` keeps the {} probe from `{name}`",
                        policy.meta.full_name(),
                        probe.kind.as_str()
                    ),
                )
                .severity(Severity::Warning)
                .label(format!("the kubelet connects to port {port} from the node"))
                .related(rule.origin, "this rule denies the host")
                .help("leave the host out of the deny rule: deny `world` and `remote-node`, say");
        }
    }
}
