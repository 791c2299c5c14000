//! What policies (and aliases) say about the world outside. In: a cluster. Out: the networks and DNS names that they mention.

use std::collections::BTreeSet;

use ringfence_model::{
    IpNet,
    cilium::{CiliumPeer, CiliumRule, FqdnMatch, L7Match},
    cluster::Cluster,
    network_policy::NetworkPeer,
    service::ServiceType,
    tier::TierPeer,
};

/// The networks and names that policies mention.
#[derive(Debug, Default)]
pub(super) struct Mentioned {
    /// CIDRs, exceptions and endpoint addresses, without host bits.
    pub(super) nets: BTreeSet<IpNet>,
    /// DNS names, lower case, without a final dot; patterns as written.
    pub(super) names: BTreeSet<String>,
}

impl Mentioned {
    pub(super) fn of(cluster: &Cluster) -> Self {
        let mut found = Self::default();
        for rule in
            cluster.network_policies.iter().flat_map(|policy| policy.ingress.iter().chain(&policy.egress))
        {
            for peer in &rule.peers {
                if let NetworkPeer::IpBlock { cidr, except, .. } = peer {
                    found.add_nets([cidr].into_iter().chain(except));
                }
            }
        }
        for rule in
            cluster.tier_policies.iter().flat_map(|policy| policy.ingress.iter().chain(&policy.egress))
        {
            for peer in &rule.peers {
                match peer {
                    TierPeer::Networks(nets, _) => found.add_nets(nets),
                    TierPeer::DomainNames(names, _) => names.iter().for_each(|name| found.add_name(name)),
                    _ => {}
                }
            }
        }
        for spec in cluster.cilium_policies.iter().flat_map(|policy| &policy.specs) {
            let rules =
                spec.ingress.iter().chain(&spec.ingress_deny).chain(&spec.egress).chain(&spec.egress_deny);
            rules.for_each(|rule| found.add_cilium(rule));
        }
        for service in &cluster.services {
            if let ServiceType::ExternalName(name) = &service.kind
                && !plain(name).ends_with(".cluster.local")
            {
                found.add_name(name);
            }
        }
        for endpoint in cluster.endpoint_slices.iter().flat_map(|slice| &slice.endpoints) {
            found.nets.extend(endpoint.addresses.iter().map(|address| IpNet::from(*address)));
        }
        found
    }

    fn add_cilium(&mut self, rule: &CiliumRule) {
        for peer in rule.peers.iter().flatten() {
            match peer {
                CiliumPeer::Cidr { cidr, except, .. } => self.add_nets([cidr].into_iter().chain(except)),
                CiliumPeer::Fqdn(name, _) => self.add_match(name),
                _ => {}
            }
        }
        for l7 in rule.ports.iter().flat_map(|ports| &ports.l7) {
            if let L7Match::Dns(name) = l7 {
                self.add_match(name);
            }
        }
    }

    fn add_match(&mut self, name: &FqdnMatch) {
        match name {
            FqdnMatch::Name(name) | FqdnMatch::Pattern(name) => self.add_name(name),
        }
    }

    fn add_name(&mut self, name: &str) {
        self.names.insert(plain(name));
    }

    fn add_nets<'a>(&mut self, nets: impl IntoIterator<Item = &'a IpNet>) {
        self.nets.extend(nets.into_iter().map(IpNet::trunc));
    }
}

/// A DNS name as the lab compares names: lower case, without a final dot.
#[must_use]
pub fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
