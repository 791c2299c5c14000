//! What the evaluators ask about addresses and nodes, indexed. In: a cluster. Out: constant-time answers.

use std::{net::IpAddr, sync::OnceLock};

use ringfence_model::{
    Text,
    address::{Family, IpSet},
    cluster::Cluster,
    workload::{Node, Pod},
};
use rustc_hash::FxHashMap;

/// The name under which the API server's own endpoints are published.
const API_SERVER_SERVICE: (&str, &str) = ("default", "kubernetes");

/// Facts about a cluster that no policy changes.
#[derive(Debug, Default)]
pub(super) struct Facts {
    unknown_v4: IpSet,
    unknown_v6: IpSet,
    unknown_node_v4: IpSet,
    unknown_node_v6: IpSet,
    pod_networks: IpSet,
    services: IpSet,
    singles: FxHashMap<IpAddr, u32>,
    own: OnceLock<IpSet>,
    node_of_address: FxHashMap<IpAddr, u32>,
    node_of_name: FxHashMap<Text, u32>,
    api_servers: Option<IpSet>,
}

impl Facts {
    pub(super) fn new(cluster: &Cluster) -> Self {
        let mut facts = Self {
            unknown_v4: cluster.unknown_pod_addresses(Family::V4),
            unknown_v6: cluster.unknown_pod_addresses(Family::V6),
            unknown_node_v4: cluster.unknown_node_addresses(Family::V4),
            unknown_node_v6: cluster.unknown_node_addresses(Family::V6),
            pod_networks: cluster.pod_networks(),
            services: service_addresses(cluster),
            api_servers: api_servers(cluster),
            ..Self::default()
        };
        for (at, node) in (0..).zip(&cluster.nodes) {
            facts.node_of_name.insert(node.name.clone(), at);
            for address in &node.addresses {
                facts.node_of_address.entry(*address).or_insert(at);
                *facts.singles.entry(*address).or_default() += 1;
            }
        }
        for pod in &cluster.pods {
            facts.add_pod(pod);
        }
        facts
    }

    pub(super) fn add_pod(&mut self, pod: &Pod) {
        for address in &pod.addresses {
            *self.singles.entry(*address).or_default() += 1;
            self.own = OnceLock::new();
        }
    }

    pub(super) fn remove_pod(&mut self, pod: &Pod) {
        for address in &pod.addresses {
            if let Some(count) = self.singles.get_mut(address) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.singles.remove(address);
                }
            }
            self.own = OnceLock::new();
        }
    }

    /// Where a pod without a known address of the family can be.
    pub(super) fn unknown_pod_addresses(&self, family: Family) -> &IpSet {
        match family {
            Family::V4 => &self.unknown_v4,
            Family::V6 => &self.unknown_v6,
        }
    }

    /// Where a node without a known address of the family can be.
    pub(super) fn unknown_node_addresses(&self, family: Family) -> &IpSet {
        match family {
            Family::V4 => &self.unknown_node_v4,
            Family::V6 => &self.unknown_node_v6,
        }
    }

    /// Whether the address is a pod's or a node's, or in a pod network. (After DNAT no Service address is left.)
    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        self.singles.contains_key(&address) || self.pod_networks.contains(address)
    }

    /// The addresses for which [`Facts::is_own`] holds.
    pub(super) fn inside(&self) -> IpSet {
        let mut addresses: Vec<IpAddr> = self.singles.keys().copied().collect();
        addresses.sort_unstable();
        let singles =
            addresses.into_iter().map(|first| ringfence_model::address::IpRange { first, last: first });
        IpSet::from_ranges(singles).union(&self.pod_networks)
    }

    /// Every pod network that is known.
    pub(super) fn pod_networks(&self) -> &IpSet {
        &self.pod_networks
    }

    /// All addresses of the cluster's own: of pods, nodes and Services, and their networks.
    pub(super) fn own(&self) -> &IpSet {
        self.own.get_or_init(|| self.inside().union(&self.services))
    }

    pub(super) fn node_of_address<'a>(&self, cluster: &'a Cluster, address: IpAddr) -> Option<&'a Node> {
        self.node_of_address.get(&address).and_then(|at| cluster.nodes.get(*at as usize))
    }

    pub(super) fn node_of_name<'a>(&self, cluster: &'a Cluster, name: &str) -> Option<&'a Node> {
        self.node_of_name.get(name).and_then(|at| cluster.nodes.get(*at as usize))
    }

    /// The API server's addresses, if the input shows its EndpointSlice.
    pub(super) fn api_servers(&self) -> Option<&IpSet> {
        self.api_servers.as_ref()
    }
}

fn service_addresses(cluster: &Cluster) -> IpSet {
    let addresses = cluster.services.iter().flat_map(|service| &service.cluster_ips);
    let singles =
        addresses.map(|address| ringfence_model::address::IpRange { first: *address, last: *address });
    IpSet::from_ranges(singles).union(&IpSet::from_nets(&cluster.service_cidrs))
}

fn api_servers(cluster: &Cluster) -> Option<IpSet> {
    let (namespace, name) = API_SERVER_SERVICE;
    let mut slices = cluster
        .endpoint_slices
        .iter()
        .filter(|slice| *slice.namespace == *namespace && slice.service.as_deref() == Some(name))
        .peekable();
    slices.peek()?;
    let addresses = slices.flat_map(|slice| &slice.endpoints).flat_map(|endpoint| &endpoint.addresses);
    Some(addresses.fold(IpSet::empty(), |set, address| set.union(&IpSet::single(*address))))
}
