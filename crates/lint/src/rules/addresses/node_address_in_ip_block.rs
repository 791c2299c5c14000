//! The address of a node in an `ipBlock`.

use super::known::{Known, only_address};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk,
};

pub(super) static RULE: Rule = Rule {
    code: "RF203",
    name: "node-address-in-ip-block",
    severity: Severity::Info,
    since: "0.1.0",
    opt_in: false,
    summary: "a block with the address of one node does not follow when nodes come and go",
    what: "Reports blocks of NetworkPolicies and `networks` that are the address of a node of the input. It keeps silent about \
           nodes of the control plane and about endpoints of the API server, which a NetworkPolicy can name in no \
           other way, and about CNIs whose blocks never match nodes (RF703 says so).",
    why: "Nodes are replaced and added. What runs in a node's network cannot be chosen by labels, so a block is the \
          right means; the network of the nodes lasts longer than the address of one.",
    bad: Example::new(
        "
apiVersion: v1
kind: Node
metadata: {name: worker-1}
status: {addresses: [{type: InternalIP, address: 192.168.7.21}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - from:
        - ipBlock:
            cidr: 192.168.7.21/32
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Node
metadata: {name: worker-1}
status: {addresses: [{type: InternalIP, address: 192.168.7.21}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - from:
        - ipBlock:
            cidr: 192.168.7.0/24
",
    ),
    check,
};

/// Labels of nodes of the control plane.
const CONTROL_PLANE: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

fn check(context: &Context<'_>, findings: &mut Findings) {
    let cni = context.facts().cni.as_ref();
    if cni.is_some_and(|cni| !cni.profile.ip_block_matches_cluster) {
        return;
    }
    let known = Known::new(context);
    for rule in walk::rules(context.cluster).filter(|rule| !rule.is_cilium()) {
        for block in rule.blocks() {
            let Some(address) = only_address(&block.cidr) else { continue };
            let Some(node) = known.nodes.get(&address) else { continue };
            let control = CONTROL_PLANE.iter().any(|label| node.labels.get(label).is_some());
            if control || known.api_servers.iter().any(|at| at.ip() == address) {
                continue;
            }
            let message =
                format!("`{}` names the address of the node `{}`", rule.meta.full_name(), node.name);
            findings
                .report(block.place(&context.places), message)
                .label("another node has another address")
                .help("name the network of the nodes, or keep the block in step with the nodes")
                .related(node.origin, "the node");
        }
    }
}
