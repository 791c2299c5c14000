//! A peer that selects pods in their nodes' network, which it cannot match.

use ringfence_model::{
    IpNet, cilium::CiliumPeer, network_policy::NetworkPeer, tier::TierPeer, verdict::Direction,
};
use ringfence_policy::compiled::{Choice, PodSet};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, AnyRule, listed, workload_names},
};

pub(super) static RULE: Rule = Rule {
    code: "RF210",
    name: "host-network-peer",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a selector of a peer does not match pods with `hostNetwork: true`",
    what: "Reports peers whose selectors choose pods of the input in their nodes' network and no others; where there are \
           others too it is an info, and with an empty pod selector nothing. It keeps silent where the CNI is known \
           to match them by their nodes' addresses (the profile `aws`), and about rules for everyone.",
    why: "Packets of such a pod have its node's address. CNIs look selectors up among the addresses of pods, and do not \
          find it: the rule lets nothing through. On the pod's own node it seems to work, because a pod's own node is never blocked.",
    bad: Example::new(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ingress, namespace: ingress}
spec:
  selector: {matchLabels: {app: ingress}}
  template:
    metadata: {labels: {app: ingress}}
    spec:
      hostNetwork: true
      containers: [{name: nginx, image: nginx}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}
          podSelector: {matchLabels: {app: ingress}}
",
    ),
    good: Example::new(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ingress, namespace: ingress}
spec:
  selector: {matchLabels: {app: ingress}}
  template:
    metadata: {labels: {app: ingress}}
    spec:
      hostNetwork: true
      containers: [{name: nginx, image: nginx}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from:
        - ipBlock:
            cidr: 192.168.7.0/24  # the nodes
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let cni = context.facts().cni.as_ref();
    if cni.and_then(|cni| cni.dialect.selects_host_network_peers).is_some_and(|fact| fact.value) {
        return;
    }
    if !context.cluster.pods.iter().any(|pod| pod.host_network) {
        return;
    }
    for rule in walk::rules(context.cluster) {
        for (peer, at) in rule.peers() {
            let hosts = context.scope.host_network_pods(peer);
            if hosts.is_empty() {
                continue;
            }
            let only = context.scope.chosen(peer).is_empty();
            if !only && is_wide(&peer) {
                continue;
            }
            let names = workload_names(context.cluster, &hosts);
            let message = if only {
                format!(
                    "`{}` has a peer that matches nothing: {names} use their nodes' network",
                    rule.meta.full_name()
                )
            } else {
                format!(
                    "`{}` has a peer that does not match {names}, which use their nodes' network",
                    rule.meta.full_name()
                )
            };
            let finding = findings.report(at, message);
            finding
                .label("selectors do not match pods with `hostNetwork: true`")
                .help(help(context, &rule, &hosts));
            for pod in hosts.iter().take(1).filter_map(|id| context.cluster.pod(id)) {
                finding.related(pod.origin, "`hostNetwork: true`");
            }
            if !only {
                finding.severity(Severity::Info);
            }
        }
    }
}

/// Whether a peer chooses pods by their namespaces alone.
fn is_wide(peer: &Choice<'_>) -> bool {
    match peer {
        Choice::NetworkPeer(_, NetworkPeer::Pods { pod, .. }) => {
            pod.as_ref().is_none_or(|pod| pod.is_empty())
        }
        Choice::TierPeer(TierPeer::Namespaces(..)) => true,
        Choice::TierPeer(TierPeer::Pods { pod, .. }) => pod.is_empty(),
        Choice::CiliumPeer(_, CiliumPeer::Endpoints(selector, _)) => {
            let namespace = |key: &str| key.contains(ringfence_model::cilium::derived::NAMESPACE);
            selector.requirements.iter().all(|requirement| namespace(&requirement.key))
        }
        _ => true,
    }
}

fn help(context: &Context<'_>, rule: &AnyRule<'_>, hosts: &PodSet) -> String {
    if rule.is_cilium() {
        let field = match rule.direction {
            Direction::Ingress => "fromEntities",
            Direction::Egress => "toEntities",
        };
        return format!("use `{field}: [host, remote-node]`");
    }
    let nodes: Vec<&str> = hosts.iter().filter_map(|id| context.cluster.pod(id)?.node.as_deref()).collect();
    let addresses =
        nodes.iter().filter_map(|name| context.cluster.node(name)).flat_map(|node| &node.addresses);
    let mut blocks: Vec<String> = addresses.map(|address| format!("`{}`", IpNet::from(*address))).collect();
    blocks.sort_unstable();
    blocks.dedup();
    if blocks.is_empty() {
        "name the nodes by an `ipBlock` of their network; under Cilium use a CiliumNetworkPolicy with the entities `host` and \
         `remote-node`"
            .to_owned()
    } else {
        format!("name the nodes by an `ipBlock`: they are at {}", listed(&blocks))
    }
}
