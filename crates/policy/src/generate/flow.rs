//! Random questions to a judge. In: a cluster. Out: flows between its ends, on the ports, addresses and names that its
//! policies mention, and just beside them.

use std::net::IpAddr;

use ipnet::IpNet;
use ringfence_model::{
    Text,
    address::{Family, IpSet, bits},
    cilium::CiliumPeer,
    cluster::Cluster,
    flow::{Endpoint, Flow, Request},
    network_policy::NetworkPeer,
    port::{PortMatch, PortSpec, Protocol},
    tier::TierPeer,
    workload::PodId,
};

use super::{
    cilium::{ICMP_TYPES, NAMES},
    dice::{Dice, Rng},
    parts,
};

/// One connection of the cluster, near to what its policies mention.
#[must_use]
pub fn flow(cluster: &Cluster, rng: &mut Rng) -> Flow {
    let mut dice = Dice::with(rng);
    let dice = &mut dice;
    let (from, to) = match dice.number(0, 19) {
        0..=11 => (pod(dice, cluster), pod(dice, cluster)),
        12..=15 => (pod(dice, cluster), outside(dice, cluster)),
        16..=18 => (outside(dice, cluster), pod(dice, cluster)),
        _ => (outside(dice, cluster), outside(dice, cluster)),
    };
    let of_address = [&to, &from].into_iter().find_map(|end| match end {
        Endpoint::Address(address) => Some(Family::of(*address)),
        _ => None,
    });
    let mut family = of_address.unwrap_or_else(|| dice.pick(&cluster.families()));
    if dice.chance(3) {
        family = dice.pick(&Family::BOTH);
    }
    let protocol = match dice.number(0, 19) {
        0..=11 => Protocol::Tcp,
        12..=15 => Protocol::Udp,
        16 | 17 => Protocol::Sctp,
        18 => Protocol::Icmp,
        _ => Protocol::Icmpv6,
    };
    let port = port(dice, cluster, &to, protocol);
    let request = request(dice, protocol);
    Flow { from, to, family, protocol, port, request }
}

fn pod(dice: &mut Dice, cluster: &Cluster) -> Endpoint {
    let count = cluster.pods.len();
    // Now and then a pod that is not there.
    let last = if dice.chance(2) { count } else { count.saturating_sub(1) };
    Endpoint::Pod(PodId(u32::try_from(dice.number(0, last)).unwrap_or(u32::MAX)))
}

/// An address or a name; never the address of a pod, which a front end would have resolved.
fn outside(dice: &mut Dice, cluster: &Cluster) -> Endpoint {
    if dice.chance(25) {
        let more = ["www.example.com", "a.b.example.com", "apiserver.example.com", "example.org"];
        let name = if dice.chance(50) { dice.pick(&NAMES) } else { dice.pick(&more) };
        return Endpoint::Name(name.trim_end_matches('.').to_ascii_lowercase().into());
    }
    let mut pool: Vec<IpAddr> = Vec::new();
    for net in networks(cluster) {
        let (first, last) = (net.network(), net.broadcast());
        pool.extend([first, last]);
        pool.extend(beside(first, -1));
        pool.extend(beside(last, 1));
    }
    let given = (cluster.nodes.iter().flat_map(|node| node.addresses.iter())).chain(
        cluster.endpoint_slices.iter().flat_map(|slice| &slice.endpoints).flat_map(|end| &end.addresses),
    );
    // Nodes are worth more than one in a hundred.
    for address in given {
        pool.extend([*address; 4]);
    }
    pool.extend([IpAddr::from([203, 0, 113, 7]), IpAddr::from([10, 244, 1, 250])]);
    pool.retain(|address| {
        !cluster.pods.iter().any(|pod| !pod.host_network && pod.addresses.contains(address))
    });
    Endpoint::Address(dice.maybe_pick(&pool).unwrap_or_else(|| IpAddr::from([203, 0, 113, 7])))
}

/// The address before or after another, if there is one.
fn beside(address: IpAddr, step: i128) -> Option<IpAddr> {
    let next = bits(address).checked_add_signed(step)?;
    match address {
        IpAddr::V4(_) => u32::try_from(next).ok().map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(_) => Some(IpAddr::V6(next.into())),
    }
}

/// Every network that a policy mentions, exceptions too.
fn networks(cluster: &Cluster) -> Vec<IpNet> {
    let mut all = Vec::new();
    let network_rules =
        cluster.network_policies.iter().flat_map(|policy| policy.ingress.iter().chain(&policy.egress));
    for peer in network_rules.flat_map(|rule| &rule.peers) {
        if let NetworkPeer::IpBlock { cidr, except, .. } = peer {
            all.push(*cidr);
            all.extend(except);
        }
    }
    for rule in cluster.tier_policies.iter().flat_map(|policy| &policy.egress) {
        for peer in &rule.peers {
            if let TierPeer::Networks(networks, _) = peer {
                all.extend(networks);
            }
        }
    }
    for spec in cluster.cilium_policies.iter().flat_map(|policy| &policy.specs) {
        let rules =
            [&spec.ingress, &spec.ingress_deny, &spec.egress, &spec.egress_deny].into_iter().flatten();
        for peer in rules.flat_map(|rule| rule.peers.iter().flatten()) {
            if let CiliumPeer::Cidr { cidr, except, .. } = peer {
                all.push(*cidr);
                all.extend(except);
            }
        }
    }
    // Only the borders that are not those of the whole space say something.
    all.retain(|net| IpSet::from_nets([net]) != IpSet::family(Family::of_net(net)));
    all
}

/// Every entry of a list of ports.
fn entries(cluster: &Cluster) -> Vec<&PortMatch> {
    let network =
        cluster.network_policies.iter().flat_map(|policy| policy.ingress.iter().chain(&policy.egress));
    let tier = cluster.tier_policies.iter().flat_map(|policy| policy.ingress.iter().chain(&policy.egress));
    let cilium = (cluster.cilium_policies.iter().flat_map(|policy| &policy.specs))
        .flat_map(|spec| [&spec.ingress, &spec.ingress_deny, &spec.egress, &spec.egress_deny])
        .flatten();
    (network.flat_map(|rule| &rule.ports))
        .chain(tier.flat_map(|rule| &rule.ports))
        .chain(cilium.flat_map(|rule| &rule.ports).flat_map(|rule| &rule.ports))
        .collect()
}

fn port(dice: &mut Dice, cluster: &Cluster, to: &Endpoint, protocol: Protocol) -> u16 {
    if matches!(protocol, Protocol::Icmp | Protocol::Icmpv6) {
        return dice.pick(&ICMP_TYPES).into();
    }
    let mut pool: Vec<u16> = parts::PORTS.to_vec();
    if let Endpoint::Pod(id) = to
        && let Some(pod) = cluster.pod(*id)
    {
        for port in &pod.ports {
            pool.extend([port.port; 3]);
        }
    }
    for entry in entries(cluster) {
        if let PortSpec::Range(first, last) = entry.ports {
            pool.extend([first, first, last, last, first.saturating_sub(1), last.saturating_add(1)]);
        }
    }
    pool.retain(|port| *port > 0);
    dice.pick(&pool)
}

fn request(dice: &mut Dice, protocol: Protocol) -> Option<Request> {
    match (protocol, dice.number(0, 9)) {
        (Protocol::Tcp, 0 | 1) => {
            let headers: Vec<(Text, Text)> = match dice.number(0, 3) {
                0 => vec![("x-token".into(), "secret".into())],
                1 => vec![("X-Token".into(), "other".into())],
                _ => Vec::new(),
            };
            Some(Request::Http {
                method: dice.pick(&["GET", "POST", "DELETE"]).into(),
                path: dice.pick(&["/", "/api", "/api/v1", "/health", "/x/api/"]).into(),
                host: dice.chance(50).then(|| dice.pick(&["api.example.com", "example.com"]).into()),
                headers,
            })
        }
        (Protocol::Tcp | Protocol::Udp, 2) => {
            let names = ["api.example.com", "example.com", "a.b.example.com", "db.internal.example.com"];
            Some(Request::Dns(dice.pick(&names).into()))
        }
        _ => None,
    }
}
