//! AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy to a part. In: the policy.
//! Out: its subject and rules.

use std::sync::Arc;

use ringfence_model::{
    address::IpSet,
    tier::{Action, Tier, TierPeer, TierPolicy, TierRule, TierSubject},
    verdict::Direction,
};

use super::{Lowering, index, port_entry};
use crate::compiled::{
    matcher::{Matcher, MatcherId},
    rule::{Block, Layer, Part, Peer, PeerMatch, Rule},
};

pub(super) fn lower(lowering: &mut Lowering<'_>, policy: &TierPolicy) -> Part {
    let subject = lower_subject(lowering, policy);
    let mut rules = |direction, list: &[TierRule]| -> Vec<Arc<Rule>> {
        list.iter()
            .enumerate()
            .map(|(at, rule)| Arc::new(lower_rule(lowering, policy, direction, at, rule)))
            .collect()
    };
    let ingress = rules(Direction::Ingress, &policy.ingress);
    let egress = rules(Direction::Egress, &policy.egress);
    Part {
        meta: policy.meta.clone(),
        layer: match policy.tier {
            Tier::Admin => Layer::Admin,
            Tier::Baseline => Layer::Baseline,
        },
        priority: policy.priority,
        spec: 0,
        subject,
        isolates_ingress: false,
        isolates_egress: false,
        ingress,
        egress,
    }
}

/// The pods that it selects.
pub(super) fn lower_subject(lowering: &mut Lowering<'_>, policy: &TierPolicy) -> MatcherId {
    lowering.matcher(match &policy.subject {
        TierSubject::Namespaces(namespaces) => Matcher::pods(None, Some(namespaces), None),
        TierSubject::Pods { namespace, pod } => Matcher::pods(None, Some(namespace), Some(pod)),
    })
}

fn lower_rule(
    lowering: &mut Lowering<'_>,
    policy: &TierPolicy,
    direction: Direction,
    at: usize,
    rule: &TierRule,
) -> Rule {
    // Fail closed on a peer of a kind that this version does not know (v1alpha2 API, "unknown peer"): a rule that
    // accepts matches nothing, one that denies or passes becomes a denial of everything.
    let unknown = rule.peers.iter().any(|peer| matches!(peer, TierPeer::Unknown(_)));
    let (action, peers) = match (unknown, rule.action) {
        (false, action) => (
            action,
            Some(rule.peers.iter().flat_map(|peer| lower_peer(lowering, rule.action, peer)).collect()),
        ),
        (true, Action::Accept) => (Action::Accept, Some(Vec::new())),
        (true, Action::Deny | Action::Pass) => (Action::Deny, None),
    };
    let ports = if unknown { Vec::new() } else { rule.ports.iter().map(port_entry).collect() };
    Rule {
        policy: policy.meta.clone(),
        direction,
        index: index(at),
        action,
        origin: rule.origin,
        peers,
        requires: Vec::new(),
        ports,
    }
}

pub(super) fn lower_peer(lowering: &mut Lowering<'_>, action: Action, peer: &TierPeer) -> Vec<Peer> {
    let (what, origin) = match peer {
        TierPeer::Namespaces(namespaces, origin) => {
            (PeerMatch::Pods(lowering.selection(Matcher::pods(None, Some(namespaces), None))), *origin)
        }
        TierPeer::Pods { namespace, pod, origin } => {
            (PeerMatch::Pods(lowering.selection(Matcher::pods(None, Some(namespace), Some(pod)))), *origin)
        }
        TierPeer::Nodes(selector, origin) => (PeerMatch::Nodes(selector.clone()), *origin),
        // One peer: together the networks may hold every address that a pod can have. A near miss names the first.
        TierPeer::Networks(nets, origin) => {
            let Some(cidr) = nets.first().copied() else { return Vec::new() };
            let addresses = IpSet::from_nets(nets);
            (PeerMatch::Block(Block { addresses, cidr, except: Vec::new(), matches_cluster: true }), *origin)
        }
        // The API allows names with Accept only: elsewhere they match nothing.
        TierPeer::DomainNames(..) if action != Action::Accept => return Vec::new(),
        TierPeer::DomainNames(names, origin) => (PeerMatch::Domains(names.clone()), *origin),
        // The rule as a whole has been dealt with; beside known peers it adds none.
        TierPeer::Unknown(_) => return Vec::new(),
    };
    vec![Peer { what, origin }]
}
