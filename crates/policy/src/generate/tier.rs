//! Random policies of the Admin and Baseline tiers. In: dice and a cluster. Out: the cluster with policies.

use ringfence_model::{
    Text,
    cluster::Cluster,
    network_policy::PolicyKind,
    port::{PortMatch, PortSpec},
    tier::{Action, Tier, TierPeer, TierPolicy, TierRule, TierSubject},
};

use super::{dice::Dice, parts};

/// Domain names as the policies of these tiers write them.
pub(super) const DOMAINS: [&str; 5] =
    ["api.example.com", "example.com", "*.example.com", "*.internal.example.com", "API.example.com."];

/// Adds at most so many; at most one of them a BaselineAdminNetworkPolicy.
pub(super) fn fill(dice: &mut Dice, most: usize, cluster: &mut Cluster) {
    for number in 0..dice.number(1, most) {
        let policy = match dice.number(0, 9) {
            0..=3 => policy(dice, cluster, PolicyKind::AdminNetworkPolicy, Tier::Admin, number),
            4..=6 => policy(dice, cluster, PolicyKind::ClusterNetworkPolicy, Tier::Admin, number),
            _ => policy(dice, cluster, PolicyKind::ClusterNetworkPolicy, Tier::Baseline, number),
        };
        cluster.tier_policies.push(policy);
    }
    if most > 1 && dice.chance(35) {
        let policy = policy(dice, cluster, PolicyKind::BaselineAdminNetworkPolicy, Tier::Baseline, 0);
        cluster.tier_policies.push(policy);
    }
}

fn policy(dice: &mut Dice, cluster: &Cluster, kind: PolicyKind, tier: Tier, number: usize) -> TierPolicy {
    let baseline = kind == PolicyKind::BaselineAdminNetworkPolicy;
    let name = if baseline { "default".to_owned() } else { format!("tier{number}") };
    let subject = if dice.chance(50) {
        TierSubject::Namespaces(parts::namespace_selector(dice, cluster))
    } else {
        let namespace = parts::namespace_selector(dice, cluster);
        TierSubject::Pods { namespace, pod: parts::pod_selector(dice) }
    };
    TierPolicy {
        meta: parts::meta(dice, kind, None, &name),
        tier,
        // Few priorities, so that some are equal.
        priority: if baseline { 0 } else { dice.pick(&[0, 0, 1, 2, 1000]) },
        subject,
        ingress: dice.several(0, 3, |dice| rule(dice, cluster, kind, false)),
        egress: dice.several(0, 3, |dice| rule(dice, cluster, kind, true)),
    }
}

fn rule(dice: &mut Dice, cluster: &Cluster, kind: PolicyKind, egress: bool) -> TierRule {
    let action = match kind {
        PolicyKind::BaselineAdminNetworkPolicy => dice.pick(&[Action::Accept, Action::Deny]),
        _ => dice.pick(&[Action::Accept, Action::Deny, Action::Pass]),
    };
    // Decoders turn names in a rule that does not accept into an unknown peer.
    let domains = egress && kind != PolicyKind::BaselineAdminNetworkPolicy && action == Action::Accept;
    let peers = dice.several(1, 3, |dice| peer(dice, cluster, egress, domains));
    // The API refuses named ports beside peers that have none.
    let pods_only = peers.iter().all(|peer| matches!(peer, TierPeer::Namespaces(..) | TierPeer::Pods { .. }));
    let longer = kind == PolicyKind::ClusterNetworkPolicy;
    TierRule {
        name: dice.chance(30).then(|| "a-rule".into()),
        action,
        peers,
        ports: dice.several(0, 2, |dice| port(dice, pods_only, longer)),
        origin: dice.origin(),
    }
}

fn peer(dice: &mut Dice, cluster: &Cluster, egress: bool, domains: bool) -> TierPeer {
    let kind = dice.number(0, if egress { 99 } else { 60 });
    match kind {
        0..=28 => TierPeer::Namespaces(parts::namespace_selector(dice, cluster), dice.origin()),
        29..=58 => {
            let namespace = parts::namespace_selector(dice, cluster);
            TierPeer::Pods { namespace, pod: parts::pod_selector(dice), origin: dice.origin() }
        }
        59 | 60 => TierPeer::Unknown(dice.origin()),
        61..=70 => TierPeer::Nodes(parts::node_selector(dice), dice.origin()),
        71..=88 if domains => {
            let mut names: Vec<Text> = dice.several(1, 2, |dice| dice.pick(&DOMAINS).into());
            names.sort();
            names.dedup();
            TierPeer::DomainNames(names, dice.origin())
        }
        _ => {
            let mut networks = dice.several(1, 3, |dice| parts::network(dice, cluster));
            networks.sort();
            networks.dedup();
            TierPeer::Networks(networks, dice.origin())
        }
    }
}

/// `longer`: a range of v1alpha2 has at least two ports.
fn port(dice: &mut Dice, may_be_named: bool, longer: bool) -> PortMatch {
    if may_be_named && dice.chance(30) {
        let ports = parts::named(dice);
        return parts::entry(dice, None, ports);
    }
    let protocol = parts::protocol(dice);
    let range = dice.chance(40);
    let ports = match parts::port_range(dice, range && longer) {
        PortSpec::Range(first, _) if !range => PortSpec::Range(first, first),
        ports => ports,
    };
    parts::entry(dice, Some(protocol), ports)
}
