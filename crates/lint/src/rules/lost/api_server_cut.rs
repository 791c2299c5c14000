//! Pods that have work to do at the API server and cannot reach it.

use std::collections::BTreeMap;

use ringfence_analysis::explain::labels;
use ringfence_model::{
    IpNet,
    address::Family,
    cilium::Entity,
    flow::{Endpoint, Flow},
    network_policy::NetworkPeer,
    origin::Origin,
    port::Protocol,
    verdict::{Direction, Outcome},
    workload::{PodId, WorkloadId},
};

use super::{
    bound_accounts::Bound,
    missing::{Missing, port},
    openings::{Policies, Who},
    passage::{Budget, Cut, flow, listed, workload_name},
    resolving::{Culprit, attribute},
};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF315",
    name: "api-server-cut",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "pods with rights at the API server that no policy lets out to it",
    what: "Reports policies that isolate pods for egress, if the pods' ServiceAccount is a subject of a RoleBinding or \
           ClusterRoleBinding of the input and nothing of theirs can reach the API server. Where its endpoints are known (from \
           the EndpointSlice of `default/kubernetes`, or stated as `api-server`), the engine is asked about them; where they \
           are not, it is a warning, and only for pods that no rule lets out to any address, entity or name on a port that API \
           servers use (443, 6443, 7443, 8443, 16443). Silent about pods that get no token \
           (`automountServiceAccountToken: false`), and about roles that only let pods `use` a security policy.",
    why: "Operators, controllers and everything else that is given rights at the API server needs a way to it. Its address is \
          that of a node or of a load balancer: no selector of pods or namespaces matches it, so that a default deny for \
          egress stops such pods at their first request, with a timeout to `10.96.0.1:443`.",
    bad: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: operator, namespace: shop}
spec:
  selector: {matchLabels: {app: operator}}
  template:
    metadata: {labels: {app: operator}}
    spec:
      serviceAccountName: operator
      containers: [{name: operator, image: operator}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: operator}
subjects:
  - {kind: ServiceAccount, name: operator, namespace: shop}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: operator, namespace: shop}
spec:
  podSelector: {matchLabels: {app: operator}}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
          podSelector: {matchLabels: {k8s-app: kube-dns}}
      ports:
        - {port: 53, protocol: UDP}
        - {port: 53, protocol: TCP}
",
    ),
    good: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: operator, namespace: shop}
spec:
  selector: {matchLabels: {app: operator}}
  template:
    metadata: {labels: {app: operator}}
    spec:
      serviceAccountName: operator
      containers: [{name: operator, image: operator}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: operator}
subjects:
  - {kind: ServiceAccount, name: operator, namespace: shop}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: operator, namespace: shop}
spec:
  podSelector: {matchLabels: {app: operator}}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
          podSelector: {matchLabels: {k8s-app: kube-dns}}
      ports:
        - {port: 53, protocol: UDP}
        - {port: 53, protocol: TCP}
    - to:
        - ipBlock: {cidr: 192.168.49.2/32}
      ports:
        - {port: 6443, protocol: TCP}
",
    ),
    check,
};

/// Ports at which API servers listen: behind a load balancer, by default, and in minikube, k0s, MicroK8s.
const PORTS: [u16; 5] = [443, 6443, 7443, 8443, 16443];

fn check(context: &Context<'_>, findings: &mut Findings) {
    if context.groups().iter().all(|group| !group.egress.is_isolated()) {
        return;
    }
    let bound = Bound::new(context);
    if bound.is_empty() {
        return;
    }
    let policies = Policies::new(context);
    let mut cut = Vec::new();
    let mut bindings: BTreeMap<WorkloadId, Origin> = BTreeMap::new();
    for group in context.groups().iter().filter(|group| group.egress.is_isolated()) {
        let mut workloads: BTreeMap<WorkloadId, PodId> = BTreeMap::new();
        for id in &group.pods {
            let Some(pod) = context.cluster.pod(*id).filter(|pod| !pod.finished) else { continue };
            workloads.entry(pod.workload).or_insert(*id);
        }
        let mut unreachable = None;
        for (workload, id) in workloads {
            let Some(known) = context.cluster.workload(workload) else { continue };
            let Some(binding) = bound.binding(known) else { continue };
            // What leaves the pods of a group is the same for all of them.
            if !*unreachable.get_or_insert_with(|| is_unreachable(context, &policies, id)) {
                break;
            }
            bindings.entry(workload).or_insert(binding);
            let culprits = group.egress.isolating.iter().map(|meta| Culprit {
                origin: meta.origin,
                name: meta.full_name(),
                denies: false,
                direction: Direction::Egress,
            });
            cut.push((&*known.namespace, (workload, id), culprits.collect()));
        }
    }
    let budget = Budget::new();
    for (culprit, pods) in attribute(cut) {
        report(context, &culprit, &pods, &bindings, &budget, findings);
    }
}

/// Whether a pod certainly cannot open a connection to the API server, as far as it is known where that is.
fn is_unreachable(context: &Context<'_>, policies: &Policies<'_>, id: PodId) -> bool {
    let known = &context.facts().api_server;
    let may_be = |who: Who<'_>| match who {
        Who::Entity(entity) => match entity {
            Entity::World | Entity::WorldIpv4 | Entity::WorldIpv6 => known.is_empty(),
            Entity::All | Entity::Cluster | Entity::Host | Entity::RemoteNode | Entity::KubeApiserver => true,
            Entity::Ingress | Entity::Init | Entity::Health | Entity::Unmanaged | Entity::None => false,
        },
        Who::Everyone | Who::Other => true,
        Who::Addresses | Who::Address | Who::Name => known.is_empty(),
        Who::Pods { .. } => false,
    };
    let ports = known
        .iter()
        .map(|server| server.address.port())
        .chain(PORTS.into_iter().filter(|_| known.is_empty()));
    for number in ports {
        let openings = policies.openings(id, Direction::Egress, Some((Protocol::Tcp, number)));
        if openings.iter().any(|opening| may_be(opening.who)) {
            return false;
        }
    }
    calls(context, id).iter().all(|flow| context.compiled.outcome(flow) == Outcome::Deny)
}

/// Connections of a pod to the API server's endpoints.
fn calls(context: &Context<'_>, id: PodId) -> Vec<Flow> {
    let call = |server: &crate::facts::ApiServer| {
        let address = server.address.ip();
        let ends = (Endpoint::Pod(id), Endpoint::Address(address));
        flow(ends.0, ends.1, Family::of(address), Protocol::Tcp, server.address.port())
    };
    context.facts().api_server.iter().map(call).collect()
}

fn report(
    context: &Context<'_>,
    culprit: &Culprit,
    pods: &[(WorkloadId, PodId)],
    bindings: &BTreeMap<WorkloadId, Origin>,
    budget: &Budget,
    findings: &mut Findings,
) {
    let cluster = context.cluster;
    let names: Vec<String> = pods.iter().map(|(workload, _)| workload_name(cluster, *workload)).collect();
    let finding = findings.report(
        culprit.origin,
        format!("`{}` cuts {} off from the API server", culprit.name, listed(&names)),
    );
    finding.label("isolates for egress, and no rule of any policy lets requests to the API server out");
    let known = &context.facts().api_server;
    if known.is_empty() {
        finding.severity(Severity::Warning);
    }
    if let Some(server) = known.first() {
        finding.related(
            server.evidence.origin,
            format!("the API server is at `{}`: {}", server.address, server.evidence.words),
        );
    }
    for (workload, _) in pods.iter().take(3) {
        if let Some(binding) = bindings.get(workload) {
            let who = workload_name(cluster, *workload);
            finding
                .related(*binding, format!("gives the ServiceAccount of `{who}` rights at the API server"));
        }
    }
    let otherwise = "let TCP out to the endpoints of the API server (`kubectl get endpointslices kubernetes`): they are \
                     addresses for an `ipBlock`, or Cilium's entity `kube-apiserver`, and nothing that a selector finds";
    let [(workload, first), ..] = pods else { return };
    let (Some(pod), Some(chosen)) = (cluster.pod(*first), labels::for_workload(cluster, *workload)) else {
        finding.help(otherwise);
        return;
    };
    if known.is_empty() || pods.len() > 1 || !budget.take() {
        finding.help(otherwise);
        return;
    }
    let cuts: Vec<Cut> =
        calls(context, *first).into_iter().map(|flow| Cut::of(context.compiled, flow)).collect();
    let mut peers = Vec::new();
    let mut ports = Vec::new();
    for server in known {
        let peer = NetworkPeer::IpBlock {
            cidr: IpNet::from(server.address.ip()),
            except: Vec::new(),
            origin: Origin::NONE,
        };
        if !peers.contains(&peer) {
            peers.push(peer);
        }
        let entry = port(Protocol::Tcp, server.address.port());
        if !ports.contains(&entry) {
            ports.push(entry);
        }
    }
    let missing = Missing::opening(
        context,
        &pod.namespace,
        &format!("{}-to-api-server", pod.name),
        chosen.selector,
        Direction::Egress,
        peers,
        &ports,
        &cuts.iter().collect::<Vec<_>>(),
    );
    missing.advise(context, "it out to the API server", otherwise, finding);
}
