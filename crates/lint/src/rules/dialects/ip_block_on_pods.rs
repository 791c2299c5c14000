//! A block of addresses of pods or nodes where blocks match only what is outside the cluster.

use ringfence_model::{address::IpSet, tier::Action};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, Body},
};

pub(super) static RULE: Rule = Rule {
    code: "RF703",
    name: "ip-block-on-pods",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "under Cilium, a block never matches pods or nodes of the cluster",
    what: "Reports blocks that hold only addresses of pods and nodes (the pod networks of the nodes, stated pod and node \
           networks, and the known addresses of both), in Cilium policies, and in NetworkPolicies where the CNI is known \
           to be Cilium. A block of all addresses without `except`, as the only peer of a rule, is an info: it does not open \
           pods and nodes, as it does elsewhere. It keeps silent where the addresses are not known. Blocks of nodes' addresses are a warning: with \
           `policyCIDRMatchMode: nodes` they match.",
    why: "Cilium knows pods and nodes by their identities, and looks at addresses only for what has none. A path that is \
          open under other CNIs is shut, and a denial denies nothing.",
    bad: Example {
        settings: "cluster.profile = \"cilium\"\ncluster.pod-cidrs = [\"10.244.0.0/16\"]",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - from:
        - ipBlock:
            cidr: 10.244.0.0/16
",
    },
    good: Example {
        settings: "cluster.profile = \"cilium\"\ncluster.pod-cidrs = [\"10.244.0.0/16\"]",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - from:
        - podSelector: {}
",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let cluster = context.cluster;
    let cni = context.facts().cni.as_ref();
    let blind = cni.is_some_and(|cni| !cni.profile.ip_block_matches_cluster);
    let nodes = cluster.nodes.iter().flat_map(|node| &node.addresses).map(|at| (*at).into());
    let nodes: Vec<_> = nodes.chain(context.settings.cluster.node_cidrs.iter().copied()).collect();
    let nodes = IpSet::from_nets(&nodes);
    let pods = cluster.pods.iter().filter(|pod| !pod.host_network).flat_map(|pod| &pod.addresses);
    let pods: Vec<_> = pods.map(|at| (*at).into()).collect();
    let pods = IpSet::from_nets(&pods).union(&cluster.pod_networks());
    let own = pods.union(&nodes);
    for rule in walk::rules(cluster) {
        let looked_at = rule.is_cilium() || (blind && matches!(rule.body, Body::Network(..)));
        if !looked_at {
            continue;
        }
        for block in rule.blocks() {
            let addresses = block.addresses();
            let name = rule.meta.full_name();
            let known_by = if rule.is_cilium() {
                "Cilium looks at the addresses of what is outside the cluster alone".to_owned()
            } else {
                cni.map(crate::facts::Cni::known_by).unwrap_or_default()
            };
            if !addresses.is_empty() && own.contains_set(&addresses) {
                let of_nodes = !addresses.is_disjoint(&nodes);
                let effect = if rule.action == Action::Deny { "denies nothing" } else { "allows nothing" };
                let what = if of_nodes { "nodes" } else { "pods" };
                let message = format!(
                    "`{name}` {effect} with `{}`: blocks do not match {what} of the cluster",
                    block.cidr
                );
                let help = if of_nodes {
                    "use the entities `host` and `remote-node` of a CiliumNetworkPolicy, or set `policyCIDRMatchMode: nodes`"
                } else {
                    "choose the pods by their labels and namespaces"
                };
                let finding = findings.report(block.place(&context.places), message);
                finding.label(known_by).help(help);
                if of_nodes {
                    finding.severity(Severity::Warning);
                }
            } else if block.cidr.prefix_len() == 0
                && block.except.is_empty()
                && rule.action == Action::Accept
                && matches!(rule.body, Body::Network(..))
                && rule.peers().len() == 1
            {
                let message = format!("`{name}` opens what is outside the cluster, not its pods and nodes");
                let help = "for pods add a peer `namespaceSelector: {}`, for nodes the entities of a CiliumNetworkPolicy";
                let finding = findings.report(block.place(&context.places), message);
                finding.label(known_by).help(help).severity(Severity::Info);
            }
        }
    }
}
