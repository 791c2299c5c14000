//! Random NetworkPolicies. In: dice and a cluster. Out: the cluster with policies.

use ringfence_model::{
    cluster::Cluster,
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule, PolicyKind},
    port::{PortMatch, PortSpec},
};

use super::{dice::Dice, parts};

/// Adds at most so many.
pub(super) fn fill(dice: &mut Dice, most: usize, cluster: &mut Cluster) {
    for number in 0..dice.number(1, most) {
        let policy = policy(dice, cluster, &format!("np{number}"));
        cluster.network_policies.push(policy);
    }
}

fn policy(dice: &mut Dice, cluster: &Cluster, name: &str) -> NetworkPolicy {
    let namespace = parts::a_namespace(dice, cluster);
    let meta = parts::meta(dice, PolicyKind::NetworkPolicy, Some(namespace), name);
    // At least one direction; rules of the other one may be there and have no effect.
    let (isolates_ingress, isolates_egress) = dice.pick(&[(true, false), (false, true), (true, true)]);
    NetworkPolicy {
        meta,
        subject: parts::pod_selector(dice),
        isolates_ingress,
        isolates_egress,
        ingress: if isolates_ingress || dice.chance(10) { rules(dice, cluster) } else { Vec::new() },
        egress: if isolates_egress || dice.chance(10) { rules(dice, cluster) } else { Vec::new() },
    }
}

fn rules(dice: &mut Dice, cluster: &Cluster) -> Vec<NetworkRule> {
    dice.several(0, 3, |dice| NetworkRule {
        peers: dice.several(0, 3, |dice| peer(dice, cluster)),
        ports: dice.several(0, 2, port),
        origin: dice.origin(),
    })
}

fn peer(dice: &mut Dice, cluster: &Cluster) -> NetworkPeer {
    if dice.chance(40) {
        let (cidr, except) = parts::block(dice, cluster);
        return NetworkPeer::IpBlock { cidr, except, origin: dice.origin() };
    }
    let (with_namespace, with_pod) = dice.pick(&[(true, false), (false, true), (true, true)]);
    NetworkPeer::Pods {
        namespace: with_namespace.then(|| parts::namespace_selector(dice, cluster)),
        pod: with_pod.then(|| parts::pod_selector(dice)),
        origin: dice.origin(),
    }
}

fn port(dice: &mut Dice) -> PortMatch {
    let protocol = parts::protocol(dice);
    let ports = match dice.number(0, 9) {
        0 | 1 => PortSpec::All,
        2..=4 => parts::named(dice),
        _ => parts::port_range(dice, false),
    };
    parts::entry(dice, Some(protocol), ports)
}
