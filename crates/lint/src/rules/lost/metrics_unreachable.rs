//! Metrics that nothing can scrape.

use std::collections::BTreeMap;

use ringfence_manifest::locate::Step;
use ringfence_model::{
    Text,
    monitor::{Monitor, MonitorKind, MonitorNamespaces, MonitorPort},
    origin::Origin,
    port::Protocol,
    service::{ServicePort, TargetPort},
    verdict::Direction,
    workload::{PodId, WorkloadId},
};

use super::{
    missing::{Missing, port},
    passage::{Cut, blame, cut, workload_name},
    sides::told_by_a_side,
    targets::Targets,
};
use crate::facts::backends::{backends, number};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF309",
    name: "metrics-unreachable",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "metrics that Prometheus is told to scrape and cannot",
    what: "Reports the ports of ServiceMonitors and PodMonitors, and pods with the annotation \
           `prometheus.io/scrape`, that none of the Prometheus pods of the input can reach. Silent where the input \
           shows no Prometheus, about targets that are not in the input, and where any of several Prometheuses gets \
           through.",
    why: "The target is down in Prometheus: its graphs are empty, and alerts about it do not fire.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: prometheus
  namespace: monitoring
  labels: {app: prometheus}
spec:
  containers: [{name: prometheus, image: quay.io/prometheus/prometheus:v3.1.0}]
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: api, namespace: shop}
spec:
  selector:
    matchLabels: {app: api}
  podMetricsEndpoints:
    - port: metrics
---
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
      ports: [{name: metrics, containerPort: 9090}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes: [Ingress]
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: prometheus
  namespace: monitoring
  labels: {app: prometheus}
spec:
  containers: [{name: prometheus, image: quay.io/prometheus/prometheus:v3.1.0}]
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: api, namespace: shop}
spec:
  selector:
    matchLabels: {app: api}
  podMetricsEndpoints:
    - port: metrics
---
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
      ports: [{name: metrics, containerPort: 9090}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: monitoring}
      ports:
        - port: metrics
",
    ),
    check,
};

/// What is to be scraped.
struct Target {
    pods: Targets,
    /// Who says so.
    said_by: String,
    origin: Origin,
}

fn check(context: &Context<'_>, findings: &mut Findings) {
    let mut scrapers: Vec<PodId> =
        context.facts().prometheus.iter().flat_map(|scraper| scraper.pods.iter().copied()).collect();
    scrapers.sort_unstable();
    if scrapers.is_empty() {
        return;
    }
    let mut targets = Vec::new();
    for monitor in &context.cluster.monitors {
        for port in &monitor.ports {
            targets.extend(monitored(context, monitor, port));
        }
    }
    if targets.is_empty() {
        annotated(context, &mut targets);
    }
    for target in targets {
        for (workload, pods) in by_workload(context, &target.pods) {
            if let Some(cut) = cut(context, &scrapers, &pods, target.pods.protocol)
                && told_by_a_side(context, &cut.flow).is_none()
            {
                report(context, &target, workload, &pods, &cut, findings);
            }
        }
    }
}

fn by_workload(context: &Context<'_>, targets: &Targets) -> BTreeMap<WorkloadId, Vec<(PodId, u16)>> {
    let mut of: BTreeMap<WorkloadId, Vec<(PodId, u16)>> = BTreeMap::new();
    for (id, port) in &targets.pods {
        if let Some(pod) = context.cluster.pod(*id) {
            of.entry(pod.workload).or_default().push((*id, *port));
        }
    }
    of
}

/// The pods that a port of a monitor is about.
fn monitored(context: &Context<'_>, monitor: &Monitor, port: &MonitorPort) -> Option<Target> {
    let cluster = context.cluster;
    let selects = |namespace: &Text| match &monitor.namespaces {
        MonitorNamespaces::Own => *namespace == monitor.namespace,
        MonitorNamespaces::Any => true,
        MonitorNamespaces::Named(names) => names.contains(namespace),
    };
    let mut pods: Vec<(PodId, u16)> = Vec::new();
    match monitor.kind {
        MonitorKind::ServiceMonitor => {
            let services = cluster.services.iter();
            for service in services
                .filter(|service| selects(&service.namespace) && monitor.selector.matches(&service.labels))
            {
                let named = |own: &&ServicePort| port.name.is_some() && own.name == port.name;
                let target = service.ports.iter().find(named).map(|own| &own.target).or(port.target.as_ref());
                let Some(target) = target else { continue };
                let backends = backends(cluster, service).into_iter();
                pods.extend(
                    backends.filter_map(|id| Some((id, number(cluster.pod(id)?, target, Protocol::Tcp)?))),
                );
            }
        }
        MonitorKind::PodMonitor => {
            let target = port.name.clone().map(TargetPort::Name).or_else(|| port.target.clone())?;
            let all = (0..).map(PodId).zip(&cluster.pods);
            pods.extend(
                all.filter(|(_, pod)| {
                    !pod.finished && selects(&pod.namespace) && monitor.selector.matches(&pod.labels)
                })
                .filter_map(|(id, pod)| Some((id, number(pod, &target, Protocol::Tcp)?))),
            );
        }
    }
    pods.sort_unstable();
    pods.dedup();
    let said_by = format!("{} `{}/{}`", monitor.kind.as_str(), monitor.namespace, monitor.name);
    Some(Target { pods: Targets { pods, protocol: Protocol::Tcp }, said_by, origin: port.origin })
}

/// The pods that say by annotations that they are to be scraped.
fn annotated(context: &Context<'_>, targets: &mut Vec<Target>) {
    for workload in &context.cluster.workloads {
        let Some(pod) = workload.pods.first().and_then(|id| context.cluster.pod(*id)) else { continue };
        let Some(details) = &pod.details else { continue };
        if details.annotations.get("prometheus.io/scrape").is_none_or(|value| **value != *"true") {
            continue;
        }
        let stated = details.annotations.get("prometheus.io/port").and_then(|port| port.parse::<u16>().ok());
        let only = match pod.ports.as_slice() {
            [one] if one.protocol == Protocol::Tcp => Some(one.port),
            _ => None,
        };
        let Some(port) = stated.or(only) else { continue };
        let template: &[Step<'_>] =
            &["spec".into(), "template".into(), "metadata".into(), "annotations".into()];
        let bare: &[Step<'_>] = &["metadata".into(), "annotations".into()];
        let place = |path| context.places.root_key(pod.origin, path);
        let origin = place(template).or_else(|| place(bare)).unwrap_or(pod.origin);
        targets.push(Target {
            pods: Targets {
                pods: workload.pods.iter().map(|id| (*id, port)).collect(),
                protocol: Protocol::Tcp,
            },
            said_by: "its annotation `prometheus.io/scrape`".to_owned(),
            origin,
        });
    }
}

fn report(
    context: &Context<'_>,
    target: &Target,
    workload: WorkloadId,
    pods: &[(PodId, u16)],
    cut: &Cut,
    findings: &mut Findings,
) {
    let cluster = context.cluster;
    let name = workload_name(cluster, workload);
    let Some((_, number)) = pods.first().copied() else { return };
    let Some(scraper) = context.facts().prometheus.first() else { return };
    let prometheus = workload_name(cluster, scraper.workload);
    let finding = findings.report(
        target.origin,
        format!("`{prometheus}` cannot scrape `{name}` at port {number}, as {} asks", target.said_by),
    );
    finding.label(if cut.denies(Direction::Ingress) {
        "denied at the target"
    } else {
        "denied at Prometheus"
    });
    finding.related(scraper.evidence.origin, format!("`{prometheus}` scrapes: {}", scraper.evidence.words));
    blame(context, finding, cut, Direction::Egress, &prometheus);
    blame(context, finding, cut, Direction::Ingress, &name);
    let ports = [port(Protocol::Tcp, number)];
    let missing = Missing::between(context, &[scraper.workload], &[workload], &ports, &[cut]);
    missing.advise(
        context,
        &format!("`{prometheus}` reach `{name}`"),
        &format!("let `{prometheus}` out to port {number} of `{name}`, and in there"),
        finding,
    );
}
