//! Where answers can change. In: the policies that can apply to a question. Out: the addresses and ports at which some
//! rule begins or ends, so that one representative between two of them answers for all.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ringfence_model::{
    IpNet,
    address::{Family, IpRange, IpSet, bits},
    cilium::{CiliumPeer, CiliumRule},
    cluster::Cluster,
    network_policy::NetworkPeer,
    port::{PortMatch, PortSet, PortSpec},
    tier::TierPeer,
    workload::Pod,
};

/// The first address or port of every stretch within which no rule tells two apart.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    addresses: BTreeSet<IpAddr>,
    ports: BTreeSet<u16>,
}

impl Cuts {
    /// The boundaries that matter to connections between these pods, and between them and anything outside.
    pub(super) fn of(cluster: &Cluster, from: &[&Pod], to: &[&Pod]) -> Self {
        let mut cuts = Self::default();
        let namespaces: BTreeSet<&str> = from.iter().chain(to).map(|pod| &*pod.namespace).collect();
        for policy in &cluster.network_policies {
            if !policy.meta.namespace.as_deref().is_some_and(|namespace| namespaces.contains(namespace)) {
                continue;
            }
            for rule in policy.ingress.iter().chain(&policy.egress) {
                cuts.add_ports(&rule.ports);
                for peer in &rule.peers {
                    if let NetworkPeer::IpBlock { cidr, except, .. } = peer {
                        cuts.add_nets([cidr].into_iter().chain(except));
                    }
                }
            }
        }
        for rule in
            cluster.tier_policies.iter().flat_map(|policy| policy.ingress.iter().chain(&policy.egress))
        {
            cuts.add_ports(&rule.ports);
            for peer in &rule.peers {
                if let TierPeer::Networks(nets, _) = peer {
                    cuts.add_nets(nets);
                }
            }
        }
        for policy in &cluster.cilium_policies {
            if policy.meta.namespace.as_deref().is_some_and(|namespace| !namespaces.contains(namespace)) {
                continue;
            }
            for spec in &policy.specs {
                let rules = spec
                    .ingress
                    .iter()
                    .chain(&spec.ingress_deny)
                    .chain(&spec.egress)
                    .chain(&spec.egress_deny);
                rules.for_each(|rule| cuts.add_cilium(rule));
            }
        }
        // Rules can name a Service whose endpoints are addresses, and the API server's addresses are told apart.
        for endpoint in cluster.endpoint_slices.iter().flat_map(|slice| &slice.endpoints) {
            endpoint.addresses.iter().for_each(|address| cuts.add_net(&IpNet::from(*address)));
        }
        // A named port of a rule is one of these numbers.
        for port in to.iter().flat_map(|pod| &pod.ports) {
            cuts.add_range(port.port, port.port);
        }
        cuts
    }

    fn add_cilium(&mut self, rule: &CiliumRule) {
        for peer in rule.peers.iter().flatten() {
            if let CiliumPeer::Cidr { cidr, except, .. } = peer {
                self.add_nets([cidr].into_iter().chain(except));
            }
        }
        for ports in &rule.ports {
            self.add_ports(&ports.ports);
        }
        for icmp in &rule.icmps {
            self.add_range(u16::from(icmp.kind), u16::from(icmp.kind));
        }
    }

    fn add_nets<'a>(&mut self, nets: impl IntoIterator<Item = &'a IpNet>) {
        nets.into_iter().for_each(|net| self.add_net(net));
    }

    fn add_net(&mut self, net: &IpNet) {
        self.addresses.insert(net.network());
        self.addresses.extend(after(net.broadcast()));
    }

    fn add_ports(&mut self, ports: &[PortMatch]) {
        for port in ports {
            if let PortSpec::Range(first, last) = port.ports {
                self.add_range(first, last);
            }
        }
    }

    fn add_range(&mut self, first: u16, last: u16) {
        self.ports.insert(first);
        // The profile may honour the first port of a range only.
        self.ports.extend(first.checked_add(1));
        self.ports.extend(last.checked_add(1));
    }

    /// The stretches of a set of addresses within which no rule tells two apart.
    pub(super) fn split_addresses(&self, set: &IpSet) -> Vec<IpRange> {
        let mut cells = Vec::new();
        for IpRange { first, last } in set.ranges() {
            let mut start = first;
            for cut in self.addresses.range(first..=last) {
                if let Some(end) = before(*cut).filter(|_| *cut > start) {
                    cells.push(IpRange { first: start, last: end });
                    start = *cut;
                }
            }
            cells.push(IpRange { first: start, last });
        }
        cells
    }

    /// The stretches of a set of ports within which no rule tells two apart.
    pub(super) fn split_ports(&self, set: &PortSet) -> Vec<(u16, u16)> {
        let mut cells = Vec::new();
        for (first, last) in set.ranges() {
            let mut start = *first;
            for cut in self.ports.range(first..=last).filter(|cut| *cut > first) {
                cells.push((start, cut - 1));
                start = *cut;
            }
            cells.push((start, *last));
        }
        cells
    }

    /// The number of the stretch that an address lies in.
    pub(super) fn stretch(&self, address: IpAddr) -> usize {
        self.addresses.range(..=address).count()
    }
}

fn of_bits(family: Family, bits: u128) -> Option<IpAddr> {
    match family {
        Family::V4 => u32::try_from(bits).ok().map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        Family::V6 => Some(IpAddr::V6(Ipv6Addr::from_bits(bits))),
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    bits(address).checked_sub(1).and_then(|bits| of_bits(Family::of(address), bits))
}

fn after(address: IpAddr) -> Option<IpAddr> {
    bits(address).checked_add(1).and_then(|bits| of_bits(Family::of(address), bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_begin_and_end_where_rules_do() {
        let mut cuts = Cuts::default();
        cuts.add_net(&"203.0.113.0/25".parse().unwrap());
        cuts.add_range(80, 90);
        let set = IpSet::from_nets(&["203.0.113.0/24".parse().unwrap()]);
        let cells: Vec<String> = cuts.split_addresses(&set).iter().map(ToString::to_string).collect();
        assert_eq!(cells, ["203.0.113.0-203.0.113.127", "203.0.113.128-203.0.113.255"]);
        assert_eq!(cuts.split_ports(&PortSet::all()), [(1, 79), (80, 80), (81, 90), (91, 65535)]);
        assert_eq!(cuts.split_ports(&PortSet::range(80, 80)), [(80, 80)]);
        let all = IpSet::all();
        let cells = cuts.split_addresses(&all);
        assert_eq!(IpSet::from_ranges(cells.iter().copied()), all);
        assert_eq!(cells.len(), 4);
    }
}
