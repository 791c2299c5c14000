//! Everything that an input says about one cluster. In: decoded objects. Out: plain values, and the facts that
//! follow from them (whose address it is, which families there are, where pods without an address can be).

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    address::{self, Family, IpRange, IpSet},
    caller::ServiceCaller,
    cilium::CiliumPolicy,
    monitor::Monitor,
    network_policy::NetworkPolicy,
    origin::Sources,
    profile::Profile,
    service::{EndpointSlice, EntryPoint, Service},
    tier::TierPolicy,
    workload::{Namespace, Node, Pod, PodId, Workload, WorkloadId},
};

/// One cluster. Namespaces, nodes, workloads, pods, Services and policies are sorted by their names, so that the
/// order of files never matters.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// The texts that origins refer to.
    pub sources: Sources,
    /// Sorted by name, without repeats; every namespace that something uses is among them.
    pub namespaces: Vec<Namespace>,
    /// Sorted by name.
    pub nodes: Vec<Node>,
    /// Sorted by namespace, name, kind.
    pub workloads: Vec<Workload>,
    /// Sorted by namespace and name, so that the pods of a namespace are neighbours.
    pub pods: Vec<Pod>,
    /// Sorted by namespace and name.
    pub services: Vec<Service>,
    /// Sorted by namespace and name.
    pub endpoint_slices: Vec<EndpointSlice>,
    /// Sorted by namespace, name, kind.
    pub entry_points: Vec<EntryPoint>,
    /// Sorted by namespace and name.
    pub network_policies: Vec<NetworkPolicy>,
    /// Sorted by tier, priority, name, kind.
    pub tier_policies: Vec<TierPolicy>,
    /// Sorted by namespace (cluster-wide ones first) and name.
    pub cilium_policies: Vec<CiliumPolicy>,
    /// Services that the API server calls, where details were asked for. Sorted by namespace, Service, port, kind, name.
    pub callers: Vec<ServiceCaller>,
    /// What Prometheus scrapes, where details were asked for. Sorted by namespace, name, kind.
    pub monitors: Vec<Monitor>,
    /// Pod networks stated by the user, beside those of the nodes.
    pub pod_cidrs: Vec<IpNet>,
    /// Service networks stated by the user.
    pub service_cidrs: Vec<IpNet>,
    /// The CNI dialect.
    pub profile: Profile,
}

impl Cluster {
    /// A pod by its number.
    #[must_use]
    pub fn pod(&self, id: PodId) -> Option<&Pod> {
        self.pods.get(id.0 as usize)
    }

    /// A workload by its number.
    #[must_use]
    pub fn workload(&self, id: WorkloadId) -> Option<&Workload> {
        self.workloads.get(id.0 as usize)
    }

    /// A namespace by its name.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        let at = self.namespaces.binary_search_by(|known| (*known.name).cmp(name)).ok()?;
        self.namespaces.get(at)
    }

    /// A node by its name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        let at = self.nodes.binary_search_by(|known| (*known.name).cmp(name)).ok()?;
        self.nodes.get(at)
    }

    /// The node that has an address.
    #[must_use]
    pub fn node_of_address(&self, address: IpAddr) -> Option<&Node> {
        self.nodes.iter().find(|node| node.addresses.contains(&address))
    }

    /// A Service by its name.
    #[must_use]
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| *service.namespace == *namespace && *service.name == *name)
    }

    /// Every pod network that is known: of the nodes, and as stated.
    #[must_use]
    pub fn pod_networks(&self) -> IpSet {
        IpSet::from_nets(self.nodes.iter().flat_map(|node| &node.pod_cidrs).chain(&self.pod_cidrs))
    }

    /// Whether some policy only reports ([`AUDIT_ANNOTATION`](crate::network_policy::AUDIT_ANNOTATION)).
    #[must_use]
    pub fn has_audit_policies(&self) -> bool {
        let network = self.network_policies.iter().map(|policy| &policy.meta);
        let tiers = self.tier_policies.iter().map(|policy| &policy.meta);
        let cilium = self.cilium_policies.iter().map(|policy| &policy.meta);
        network.chain(tiers).chain(cilium).any(|policy| policy.audit)
    }

    /// The families of which the input shows an address of a pod, a node or a Service, or a pod or Service network;
    /// IPv4 if it shows none.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let addresses = (self.pods.iter().flat_map(|pod| &pod.addresses))
            .chain(self.nodes.iter().flat_map(|node| &node.addresses))
            .chain(self.services.iter().flat_map(|service| &service.cluster_ips));
        let nets = (self.nodes.iter().flat_map(|node| &node.pod_cidrs))
            .chain(&self.pod_cidrs)
            .chain(&self.service_cidrs);
        let mut families: Vec<Family> = (addresses.map(|address| Family::of(*address)))
            .chain(nets.map(Family::of_net))
            .chain(self.services.iter().flat_map(|service| service.families.iter().copied()))
            .collect();
        families.sort_unstable();
        families.dedup();
        if families.is_empty() {
            families.push(Family::V4);
        }
        families
    }

    /// Where a pod without a known address of a family can be: in the pod networks of that family where one is
    /// known, else in the private ranges.
    #[must_use]
    pub fn unknown_pod_addresses(&self, family: Family) -> IpSet {
        let known = self.pod_networks().only(family);
        if known.is_empty() { address::private().only(family) } else { known }
    }

    /// Where a host-network pod whose node is not known can be: at the addresses of the family that nodes of the input
    /// have where one is known, else anywhere. (A pod on a node that is named and not given can be anywhere.)
    #[must_use]
    pub fn unknown_node_addresses(&self, family: Family) -> IpSet {
        let addresses = self.nodes.iter().flat_map(|node| &node.addresses);
        let known = IpSet::from_ranges(addresses.map(|at| IpRange { first: *at, last: *at })).only(family);
        if known.is_empty() { IpSet::family(family) } else { known }
    }

    /// The cluster's own ranges: pod networks, Service networks, and the addresses of nodes, pods and Services.
    #[must_use]
    pub fn own_addresses(&self) -> IpSet {
        let singles = (self.pods.iter().flat_map(|pod| &pod.addresses))
            .chain(self.nodes.iter().flat_map(|node| &node.addresses))
            .chain(self.services.iter().flat_map(|service| &service.cluster_ips));
        let singles: Vec<IpNet> = singles.map(|address| IpNet::from(*address)).collect();
        IpSet::from_nets(&singles).union(&self.pod_networks()).union(&IpSet::from_nets(&self.service_cidrs))
    }

    /// All public addresses of one family outside the cluster's ranges: what `internet` means.
    #[must_use]
    pub fn internet(&self, family: Family) -> IpSet {
        IpSet::family(family).difference(&address::not_public()).difference(&self.own_addresses())
    }
}
