//! Giving out addresses. In: what is taken and what policies mention. Out: free addresses and networks that do not collide.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ringfence_model::{
    IpNet,
    address::{Family, IpSet, bits},
};

use super::{Draft, Gateway, Obstacle, Outside};

/// Who has which address.
#[derive(Debug, Default)]
pub(super) struct Book {
    owners: BTreeMap<IpAddr, String>,
    /// Where the search in a network goes on.
    cursors: BTreeMap<IpNet, u128>,
    /// What went wrong.
    pub(super) obstacles: Vec<Obstacle>,
}

impl Book {
    /// Enters an address; an unusable or a taken one is an obstacle.
    pub(super) fn take(&mut self, address: IpAddr, owner: impl FnOnce() -> String) {
        if let Some(why) = unusable(address) {
            self.obstacles.push(Obstacle::Unusable { address, owner: owner(), why });
            return;
        }
        match self.owners.get(&address) {
            Some(first) => {
                self.obstacles.push(Obstacle::Shared { address, first: first.clone(), second: owner() });
            }
            None => {
                self.owners.insert(address, owner());
            }
        }
    }

    pub(super) fn is_taken(&self, address: IpAddr) -> bool {
        self.owners.contains_key(&address)
    }

    /// Whether any address of the network is taken.
    pub(super) fn touches(&self, net: &IpNet) -> bool {
        self.owners.range(net.network()..=net.broadcast()).next().is_some()
    }

    /// The first free address of a network that `avoid` does not hold, its network and gateway addresses (0 and 1) left out.
    pub(super) fn free(
        &mut self,
        net: &IpNet,
        avoid: &IpSet,
        owner: impl FnOnce() -> String,
    ) -> Option<IpAddr> {
        let (first, last) = (bits(net.network()), bits(net.broadcast()));
        let from = self.cursors.get(net).copied().unwrap_or(first.saturating_add(2));
        // An IPv4 network's last address is its broadcast address.
        let last = if net.addr().is_ipv4() { last.saturating_sub(1) } else { last };
        let mut number = from;
        while number <= last {
            let address = of_bits(Family::of_net(net), number);
            // An IPv6 network has too many addresses to look at each.
            if let Some(range) = avoid.ranges().find(|range| (range.first..=range.last).contains(&address)) {
                number = bits(range.last).checked_add(1)?;
                continue;
            }
            number = number.checked_add(1)?;
            if !self.is_taken(address) {
                self.cursors.insert(*net, number);
                self.take(address, owner);
                return Some(address);
            }
        }
        None
    }
}

/// Why no packet of the lab can have this destination; nothing if one can.
#[must_use]
pub fn unusable(address: IpAddr) -> Option<&'static str> {
    let why = match address {
        IpAddr::V4(v4) if v4.octets().first() == Some(&0) => "of this network only (0.0.0.0/8)",
        IpAddr::V4(v4) if v4.is_loopback() => "a loopback address",
        IpAddr::V4(v4) if v4.is_multicast() => "a multicast address",
        IpAddr::V4(v4) if v4.octets().first().is_some_and(|first| *first >= 240) => "reserved (240.0.0.0/4)",
        IpAddr::V6(v6) if v6.is_unspecified() => "unspecified",
        IpAddr::V6(v6) if v6.is_loopback() => "a loopback address",
        IpAddr::V6(v6) if v6.is_multicast() => "a multicast address",
        IpAddr::V6(v6) if v6.is_unicast_link_local() => "link-local, which is never routed",
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => "an IPv4 address in IPv6 form",
        _ => return None,
    };
    Some(why)
}

/// The address with this number in its family.
pub(super) fn of_bits(family: Family, bits: u128) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)).into(),
        Family::V6 => Ipv6Addr::from_bits(bits).into(),
    }
}

fn v4(a: u8, b: u8, length: u8) -> Option<IpNet> {
    IpNet::new(Ipv4Addr::new(a, b, 0, 0).into(), length).ok()
}

fn v6(groups: [u16; 4], length: u8) -> Option<IpNet> {
    let [a, b, c, d] = groups;
    IpNet::new(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into(), length).ok()
}

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Pods,
    Services,
    Nodes,
    /// Addresses of DNS names and of the outside host itself; public-looking.
    Outside,
}

/// The networks to choose from, the usual one first.
fn candidates(purpose: Purpose, family: Family) -> Vec<IpNet> {
    let nets: Vec<Option<IpNet>> = match (purpose, family) {
        (Purpose::Pods, Family::V4) => {
            vec![
                v4(10, 244, 16),
                v4(10, 42, 16),
                v4(10, 128, 16),
                v4(172, 29, 16),
                v4(100, 96, 16),
                v4(198, 18, 16),
            ]
        }
        (Purpose::Services, Family::V4) => {
            vec![
                v4(10, 96, 16),
                v4(10, 43, 16),
                v4(10, 152, 16),
                v4(172, 30, 16),
                v4(100, 64, 16),
                v4(198, 19, 16),
            ]
        }
        (Purpose::Nodes, Family::V4) => {
            vec![v4(172, 18, 16), v4(192, 168, 16), v4(10, 89, 16), v4(172, 31, 16), v4(100, 88, 16)]
        }
        (Purpose::Outside, Family::V4) => {
            vec![
                v4(203, 0, 16),
                v4(198, 51, 16),
                v4(192, 0, 16),
                v4(93, 184, 16),
                v4(45, 33, 16),
                v4(151, 101, 16),
            ]
        }
        (Purpose::Pods, Family::V6) => (0..8).map(|n| v6([0xfd00, 0x10, 0x244, n << 8], 56)).collect(),
        (Purpose::Services, Family::V6) => (0..8).map(|n| v6([0xfd00, 0x10, 0x96, n], 112)).collect(),
        (Purpose::Nodes, Family::V6) => (0..8).map(|n| v6([0xfd00, 0x10, 0x18, n], 64)).collect(),
        (Purpose::Outside, Family::V6) => (0..8).map(|n| v6([0x2001, 0xdb8, 0xcafe, n], 64)).collect(),
    };
    nets.into_iter().flatten().collect()
}

/// A network for a purpose: the first candidate that holds nothing that is taken and no network that a policy mentions and
/// that overlaps nothing but `0.0.0.0/0` and the like (for pods, a private one before any other); if every candidate is mentioned, one whose addresses are all alike
/// to policies; else the usual one.
pub(super) fn network(draft: &Draft<'_>, purpose: Purpose, family: Family) -> Option<IpNet> {
    let all = candidates(purpose, family);
    let own: Vec<IpNet> = own_networks(draft).collect();
    let apart = |net: &&IpNet| !own.iter().any(|known| overlap(known, net)) && !draft.book.touches(net);
    let overlaps = |net: &IpNet, mentioned: &IpNet| mentioned.prefix_len() > 0 && overlap(net, mentioned);
    let unmentioned = |net: &&IpNet| !draft.mentioned.nets.iter().any(|known| overlaps(net, known));
    let alike = |net: &&IpNet| !draft.mentioned.nets.iter().any(|known| net.contains(known));
    let best = |choices: &[&IpNet]| {
        let choices = || choices.iter().copied();
        let found = (choices().find(|net| apart(net) && unmentioned(net)))
            .or_else(|| choices().find(|net| apart(net) && alike(net)))
            .or_else(|| choices().find(apart));
        found.copied()
    };
    // Where manifests do not say it, the engine takes the address of a pod to be a private one.
    let usual = |net: &&IpNet| purpose != Purpose::Pods || is_private(net);
    let (usual, others): (Vec<&IpNet>, Vec<&IpNet>) = all.iter().partition(usual);
    best(&usual).or_else(|| best(&others)).or_else(|| all.first().copied())
}

/// Whether a network is for private use (RFC 1918, RFC 4193).
fn is_private(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.network().is_private(),
        IpNet::V6(net) => net.network().is_unique_local(),
    }
}

fn own_networks<'a>(draft: &'a Draft<'_>) -> impl Iterator<Item = IpNet> + 'a {
    let of_nodes = draft.cluster.nodes.iter().flat_map(|node| &node.pod_cidrs);
    of_nodes.chain(&draft.cluster.pod_cidrs).chain(&draft.cluster.service_cidrs).copied()
}

pub(super) fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// What policies single out within a network: addresses there are given out last.
pub(super) fn singled_out(draft: &Draft<'_>, net: &IpNet) -> IpSet {
    let inside = |known: &&IpNet| known.prefix_len() > net.prefix_len() && net.contains(*known);
    IpSet::from_nets(draft.mentioned.nets.iter().filter(inside))
}

/// A free address of a network, of those that policies single out only if there is no other.
pub(super) fn free(draft: &mut Draft<'_>, net: &IpNet, owner: &dyn Fn() -> String) -> Option<IpAddr> {
    let avoid = singled_out(draft, net);
    draft.book.free(net, &avoid, owner).or_else(|| draft.book.free(net, &IpSet::empty(), owner))
}

/// A next hop that is no address of anything.
pub(super) fn gateway(draft: &Draft<'_>, outside: &Outside) -> Gateway {
    let used = |address: &Ipv4Addr| {
        let address = IpAddr::V4(*address);
        draft.book.is_taken(address)
            || outside.addresses.iter().any(|known| known.address == address)
            || draft.mentioned.nets.contains(&IpNet::from(address))
    };
    let mut choices = (1..=u8::MAX).map(|last| Ipv4Addr::new(169, 254, 1, last));
    let v4 = choices.find(|choice| !used(choice)).unwrap_or(Ipv4Addr::new(169, 254, 1, 1));
    Gateway { v4, v6: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1) }
}
