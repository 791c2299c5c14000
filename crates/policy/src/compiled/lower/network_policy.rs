//! `networking.k8s.io/v1` NetworkPolicy to a part. In: the policy. Out: its subject and rules.

use std::sync::Arc;

use ringfence_model::{
    address::IpSet,
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule},
    tier::Action,
    verdict::Direction,
};

use super::{Lowering, index, port_entry, without_end_port};
use crate::compiled::{
    matcher::{Matcher, MatcherId},
    rule::{Block, Layer, Part, Peer, PeerMatch, Rule},
};

pub(super) fn lower(lowering: &mut Lowering<'_>, policy: &NetworkPolicy) -> Part {
    let subject = lower_subject(lowering, policy);
    let mut rules = |direction, list: &[NetworkRule], isolates: bool| -> Vec<Arc<Rule>> {
        // Rules of a direction that policyTypes omits have no effect.
        let list = if isolates { list } else { &[] };
        list.iter()
            .enumerate()
            .map(|(at, rule)| Arc::new(lower_rule(lowering, policy, direction, at, rule)))
            .collect()
    };
    let ingress = rules(Direction::Ingress, &policy.ingress, policy.isolates_ingress);
    let egress = rules(Direction::Egress, &policy.egress, policy.isolates_egress);
    Part {
        meta: policy.meta.clone(),
        layer: Layer::Network,
        priority: 0,
        spec: 0,
        subject,
        isolates_ingress: policy.isolates_ingress,
        isolates_egress: policy.isolates_egress,
        ingress,
        egress,
    }
}

/// The pods that it selects.
pub(super) fn lower_subject(lowering: &mut Lowering<'_>, policy: &NetworkPolicy) -> MatcherId {
    lowering.matcher(Matcher::pods(policy.meta.namespace.clone(), None, Some(&policy.subject)))
}

fn lower_rule(
    lowering: &mut Lowering<'_>,
    policy: &NetworkPolicy,
    direction: Direction,
    at: usize,
    rule: &NetworkRule,
) -> Rule {
    let peers: Vec<Peer> = rule.peers.iter().map(|peer| lower_peer(lowering, policy, peer)).collect();
    let end_port = lowering.cluster.profile.end_port;
    let ports = rule.ports.iter().map(port_entry);
    Rule {
        policy: policy.meta.clone(),
        direction,
        index: index(at),
        action: Action::Accept,
        origin: rule.origin,
        // An empty list of peers means everyone in this API.
        peers: (!peers.is_empty()).then_some(peers),
        requires: Vec::new(),
        ports: if end_port { ports.collect() } else { ports.map(without_end_port).collect() },
    }
}

pub(super) fn lower_peer(lowering: &mut Lowering<'_>, policy: &NetworkPolicy, peer: &NetworkPeer) -> Peer {
    match peer {
        NetworkPeer::Pods { namespace, pod, origin } => {
            let own = if namespace.is_none() { policy.meta.namespace.clone() } else { None };
            let matcher = Matcher::pods(own, namespace.as_ref(), pod.as_ref());
            Peer { what: PeerMatch::Pods(lowering.selection(matcher)), origin: *origin }
        }
        NetworkPeer::IpBlock { cidr, except, origin } => {
            let block = Block {
                addresses: IpSet::block(cidr, except),
                cidr: *cidr,
                except: except.clone(),
                matches_cluster: lowering.cluster.profile.ip_block_matches_cluster,
            };
            Peer { what: PeerMatch::Block(block), origin: *origin }
        }
    }
}
