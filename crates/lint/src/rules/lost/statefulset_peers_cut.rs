//! Replicas of a StatefulSet that cannot reach each other.

use ringfence_model::{
    flow::Flow,
    port::PortMatch,
    service::Service,
    verdict::Direction,
    workload::{ContainerPort, Pod, PodId, WorkloadId, WorkloadKind},
};
use ringfence_policy::compiled::PodSet;

use super::{
    missing::{Missing, port},
    passage::{Budget, Cut, blame, denied, workload_name},
};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF312",
    name: "statefulset-peers-cut",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "replicas of a StatefulSet that cannot reach each other at the ports of their cluster",
    what: "Reports StatefulSets of several replicas behind a headless Service whose replicas cannot open to each \
           other a port whose name says that it is for them (`cluster`, `peer`, `raft`, `gossip`, `replication` and \
           the like). Where no port has such a name, it is a warning that they cannot open any of their ports. \
           Silent about a single replica, and about replicas that a rule lets in or out which the other end denies: \
           that is another finding.",
    why: "The members of a cluster find each other by the names of the headless Service and then connect directly. \
           Cut off from each other they elect no leader, replicate nothing, or each of them takes itself for the \
           whole cluster.",
    bad: Example::new(
        "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: nats, namespace: data}
spec:
  replicas: 3
  serviceName: nats
  selector:
    matchLabels: {app: nats}
  template:
    metadata:
      labels: {app: nats}
    spec:
      containers:
        - name: nats
          image: docker.io/library/nats:2.10
          ports:
            - {name: client, containerPort: 4222}
            - {name: cluster, containerPort: 6222}
---
apiVersion: v1
kind: Service
metadata: {name: nats, namespace: data}
spec:
  clusterIP: None
  selector: {app: nats}
  ports: [{name: client, port: 4222}, {name: cluster, port: 6222}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: nats
  namespace: data
spec:
  podSelector:
    matchLabels: {app: nats}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {}
          namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
      ports:
        - port: 4222
",
    ),
    good: Example::new(
        "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: nats, namespace: data}
spec:
  replicas: 3
  serviceName: nats
  selector:
    matchLabels: {app: nats}
  template:
    metadata:
      labels: {app: nats}
    spec:
      containers:
        - name: nats
          image: docker.io/library/nats:2.10
          ports:
            - {name: client, containerPort: 4222}
            - {name: cluster, containerPort: 6222}
---
apiVersion: v1
kind: Service
metadata: {name: nats, namespace: data}
spec:
  clusterIP: None
  selector: {app: nats}
  ports: [{name: client, port: 4222}, {name: cluster, port: 6222}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: nats
  namespace: data
spec:
  podSelector:
    matchLabels: {app: nats}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {}
          namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
      ports:
        - port: 4222
    - from:
        - podSelector:
            matchLabels: {app: nats}
      ports:
        - port: 6222
",
    ),
    check,
};

/// Words in the names of ports that are for the members of a cluster.
const PEERS: [&str; 20] = [
    "cluster",
    "discovery",
    "dist",
    "election",
    "epmd",
    "gossip",
    "group",
    "inter",
    "intra",
    "leader",
    "memberlist",
    "peer",
    "raft",
    "rpc-int",
    "repl",
    "serf",
    "swarm",
    "sync",
    "tcp-quorum",
    "transport",
];

fn check(context: &Context<'_>, findings: &mut Findings) {
    let budget = Budget::new();
    let known = |pods: &[PodId]| {
        let mut sides =
            [Direction::Egress, Direction::Ingress].into_iter().flat_map(|way| context.one_sided(way));
        sides.any(|side| {
            let both = |set: &PodSet| pods.iter().any(|pod| set.contains(*pod));
            both(&side.subjects) && both(&side.others)
        })
    };
    for (id, workload) in (0..).map(WorkloadId).zip(&context.cluster.workloads) {
        let pods: Vec<PodId> = (workload.pods.iter().copied())
            .filter(|id| context.cluster.pod(*id).is_some_and(|pod| !pod.finished && !pod.host_network))
            .collect();
        if workload.kind != WorkloadKind::StatefulSet || pods.len() < 2 || known(&pods) {
            continue;
        }
        let Some(pod) = pods.first().and_then(|id| context.cluster.pod(*id)) else { continue };
        let headless = context.cluster.services.iter().find(|service| {
            service.namespace == workload.namespace
                && service.headless
                && workload.service_name.as_ref().is_none_or(|name| *name == service.name)
                && service
                    .selector
                    .as_ref()
                    .is_some_and(|wanted| !wanted.is_empty() && pod.labels.contains_all(wanted))
        });
        if let Some(service) = headless {
            members(context, id, &pods, pod, service, &budget, findings);
        }
    }
}

fn members(
    context: &Context<'_>,
    id: WorkloadId,
    pods: &[PodId],
    pod: &Pod,
    service: &Service,
    budget: &Budget,
    findings: &mut Findings,
) {
    let judged = |own: &ContainerPort| {
        let targets: Vec<(PodId, u16)> = pods.iter().map(|id| (*id, own.port)).collect();
        denied(context, pods, &targets, own.protocol)
    };
    let is_peer = |own: &&ContainerPort| {
        own.name.as_ref().is_some_and(|name| {
            let name = name.to_ascii_lowercase();
            PEERS.iter().any(|word| name.contains(word))
        })
    };
    let named: Vec<&ContainerPort> = pod.ports.iter().filter(is_peer).collect();
    let certain = !named.is_empty();
    let asked = if certain { named } else { pod.ports.iter().collect() };
    let cuts: Vec<(&ContainerPort, Flow)> =
        asked.iter().filter_map(|own| Some((*own, judged(own)?))).collect();
    if cuts.is_empty() {
        return;
    }
    if !certain && cuts.len() < asked.len() {
        return;
    }
    let Some(workload) = context.cluster.workload(id) else { return };
    let name = workload_name(context.cluster, id);
    let which: Vec<String> = cuts
        .iter()
        .map(|(own, _)| {
            own.name.as_ref().map_or_else(|| own.port.to_string(), |name| format!("{} (`{name}`)", own.port))
        })
        .collect();
    let finding = findings.report(
        workload.origin,
        format!("the replicas of `{name}` cannot reach each other at port {}", which.join(", ")),
    );
    finding.label(if certain {
        "the port's name says that it is for them"
    } else {
        "none of their ports is open to them"
    });
    if !certain {
        finding.severity(Severity::Warning);
    }
    finding.related(service.origin, "by the names of this headless Service they find each other");
    let otherwise = "let the replicas out to and in from each other at these ports";
    if !budget.take() {
        finding.help(otherwise);
        return;
    }
    let samples: Vec<Cut> = cuts.iter().map(|(_, flow)| Cut::of(context.compiled, flow.clone())).collect();
    if let Some(sample) = samples.first() {
        blame(context, finding, sample, Direction::Egress, &name);
        blame(context, finding, sample, Direction::Ingress, &name);
    }
    let ports: Vec<PortMatch> = cuts.iter().map(|(own, _)| port(own.protocol, own.port)).collect();
    let samples: Vec<&Cut> = samples.iter().collect();
    let missing = Missing::between(context, &[id], &[id], &ports, &samples);
    missing.advise(context, "the replicas reach each other", otherwise, finding);
}
