//! A block of all addresses, which holds those of the cluster's pods too.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::{
    IpNet, address::IpSet, network_policy::NetworkPeer, port::Protocol, tier::Action, verdict::Direction,
};
use ringfence_policy::compiled::{Choice, PodSet};

use super::known::Known;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, AnyRule, Body, workload_names},
};

/// Ports of nodes that lead to their insides: the kubelet, etcd.
const KUBELET: [u16; 4] = [10_250, 10_255, 2_379, 2_380];

pub(super) static RULE: Rule = Rule {
    code: "RF207",
    name: "internet-includes-cluster",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "`0.0.0.0/0` is every pod of the cluster too, not only the internet",
    what: "Reports egress rules to `0.0.0.0/0` or `::/0` whose `except` leaves pods of the \
           input in, as far as the engine can tell, where no selector of the rule chooses them as well; or the nodes \
           of the input, or the networks that the settings state for them (info, unless a port is one of the kubelet or etcd). \
           It keeps silent under CNIs whose blocks never match pods, about rules of Cilium policies, which do not either, and where all \
           pods of the input are subjects of the policy. A rule for every port without `except` is left to \
           `egress-to-anywhere`.",
    why: "What was meant for the internet opens the databases of every namespace as well: a block matches the addresses \
          of pods and nodes like any other.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: worker, namespace: shop}
spec: {containers: [{name: worker, image: worker}]}
---
apiVersion: v1
kind: Pod
metadata: {name: reports, namespace: finance}
spec: {containers: [{name: reports, image: reports}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: external-apis, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [169.254.0.0/16]
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: worker, namespace: shop}
spec: {containers: [{name: worker, image: worker}]}
---
apiVersion: v1
kind: Pod
metadata: {name: reports, namespace: finance}
spec: {containers: [{name: reports, image: reports}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: external-apis, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let cni = context.facts().cni.as_ref();
    if cni.is_some_and(|cni| !cni.profile.ip_block_matches_cluster || !cni.profile.enforces) {
        return;
    }
    let accepting = walk::rules(context.cluster)
        .filter(|rule| rule.direction == Direction::Egress && rule.action == Action::Accept);
    let mut blocks: BTreeMap<(IpNet, &[IpNet]), PodSet> = BTreeMap::new();
    let nodes = Known::new(context).node_networks;
    for rule in accepting {
        let Body::Network(policy, network) = rule.body else { continue };
        let wide =
            |peer: &&NetworkPeer| matches!(peer, NetworkPeer::IpBlock { cidr, .. } if cidr.prefix_len() == 0);
        let Some(peer) = network.peers.iter().find(wide) else { continue };
        let chosen = |peer: &NetworkPeer| context.scope.chosen(Choice::NetworkPeer(policy, peer));
        let others = network.peers.iter().filter(|other| matches!(other, NetworkPeer::Pods { .. }));
        let others = others.map(chosen).fold(PodSet::default(), |all, set| all.union(&set));
        let subject = rule.subject(context);
        let NetworkPeer::IpBlock { cidr, except, .. } = peer else { continue };
        // Many policies have the same block: it is looked up once.
        let within = blocks.entry((*cidr, except)).or_insert_with(|| chosen(peer));
        let strangers = within.difference(&others).difference(&subject);
        if strangers.is_empty() {
            if !nodes.is_disjoint(&IpSet::block(cidr, except)) {
                includes_nodes(context, &rule, findings);
            }
            continue;
        }
        let namespaces: BTreeSet<&str> =
            strangers.iter().filter_map(|pod| Some(&*context.cluster.pod(pod)?.namespace)).collect();
        let Some(block) = rule.blocks().into_iter().find(|block| block.cidr.prefix_len() == 0) else {
            continue;
        };
        if block.except.is_empty() && network.ports.is_empty() {
            // Everything is open, and `egress-to-anywhere` says so.
            continue;
        }
        let message = format!(
            "`{}` opens pods of the cluster too: {}",
            rule.meta.full_name(),
            workload_names(context.cluster, &strangers)
        );
        findings
            .report(block.place(&context.places), message)
            .label(match namespaces.len() {
                1 => "the addresses of pods of another namespace are among these".to_owned(),
                count => format!("the addresses of pods of {count} namespaces are among these"),
            })
            .help(
                "if only the internet is meant, list the networks of pods, nodes and Services in `except`, or all \
                 private networks: `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`, and `fc00::/7` for IPv6",
            );
    }
}

/// Reports a block that leaves out pods, as far as there are any, and not the nodes.
fn includes_nodes(context: &Context<'_>, rule: &AnyRule<'_>, findings: &mut Findings) {
    let Some(block) = rule.blocks().into_iter().find(|block| block.cidr.prefix_len() == 0) else { return };
    let ports = rule.ports();
    if block.except.is_empty() && ports.is_empty() {
        return;
    }
    let message = format!("`{}` opens the nodes of the cluster too", rule.meta.full_name());
    let finding = findings.report(block.place(&context.places), message);
    finding.label("the addresses of nodes are among these").help(
        "if only the internet is meant, list the networks of the nodes in `except`, or all private networks: \
         `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`, and `fc00::/7` for IPv6",
    );
    if !ports.is_empty() && !KUBELET.iter().any(|port| rule.has_port(Protocol::Tcp, *port)) {
        finding.severity(Severity::Info);
    }
}
