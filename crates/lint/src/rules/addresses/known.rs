//! Whose address it is. In: a cluster and what is stated. Out: the addresses of Services, pods, nodes and the API server, and the
//! networks that they are from.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use ringfence_model::{
    IpNet,
    address::IpSet,
    cluster::Cluster,
    flow::Endpoint,
    port::Protocol,
    service::{Service, TargetPort},
    workload::{Node, PodId},
};

use crate::context::Context;

/// Known addresses of a cluster.
pub(super) struct Known<'a> {
    /// ClusterIPs.
    pub(super) services: BTreeMap<IpAddr, &'a Service>,
    /// Addresses of pods that are not in their nodes' network.
    pub(super) pods: BTreeMap<IpAddr, PodId>,
    /// Addresses of nodes.
    pub(super) nodes: BTreeMap<IpAddr, &'a Node>,
    /// Where the API server answers: stated, or the endpoints of `default/kubernetes`.
    pub(super) api_servers: Vec<SocketAddr>,
    /// Pod networks.
    pub(super) pod_networks: IpSet,
    /// Networks of nodes, as stated, and the addresses of nodes.
    pub(super) node_networks: IpSet,
    /// Service networks, as stated.
    pub(super) service_networks: IpSet,
}

impl<'a> Known<'a> {
    pub(super) fn new(context: &Context<'a>) -> Self {
        let cluster = context.cluster;
        let services = cluster.services.iter();
        let services: BTreeMap<_, _> =
            services.flat_map(|service| service.cluster_ips.iter().map(move |ip| (*ip, service))).collect();
        let pods = (0..).map(PodId).zip(&cluster.pods).filter(|(_, pod)| !pod.host_network && !pod.finished);
        let pods = pods.flat_map(|(id, pod)| pod.addresses.iter().map(move |ip| (*ip, id))).collect();
        let nodes: BTreeMap<_, _> =
            cluster.nodes.iter().flat_map(|node| node.addresses.iter().map(move |ip| (*ip, node))).collect();
        let singles: Vec<IpNet> = nodes.keys().map(|ip| IpNet::from(*ip)).collect();
        let stated = &context.settings.cluster;
        let api_servers = context.facts().api_server.iter().map(|server| server.address).collect();
        Self {
            services,
            pods,
            node_networks: IpSet::from_nets(singles.iter().chain(&stated.node_cidrs)),
            nodes,
            api_servers,
            pod_networks: cluster.pod_networks(),
            service_networks: IpSet::from_nets(&cluster.service_cidrs),
        }
    }

    /// Everything that is known to be the cluster's own, Services excepted.
    pub(super) fn cluster(&self) -> IpSet {
        let pods: Vec<IpNet> = self.pods.keys().map(|ip| IpNet::from(*ip)).collect();
        self.pod_networks.union(&self.node_networks).union(&IpSet::from_nets(&pods))
    }
}

/// A known address that a set holds: the only one, if the set is that address.
pub(super) fn only_address(net: &IpNet) -> Option<IpAddr> {
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
}

/// Where a Service leads: its endpoints with protocol and port, after translation. Empty if the input does not say.
pub(super) fn endpoints(cluster: &Cluster, service: &Service) -> Vec<(Endpoint, Protocol, u16)> {
    let Some(selector) = &service.selector else {
        let written = written(cluster, service).into_iter();
        return written
            .map(|(address, protocol, port)| (Endpoint::Address(address), protocol, port))
            .collect();
    };
    let from = cluster.pods.partition_point(|pod| pod.namespace < service.namespace);
    let pods = (0..).map(PodId).zip(&cluster.pods).skip(from);
    let own = pods.take_while(|(_, pod)| pod.namespace == service.namespace);
    let backends = own.filter(|(_, pod)| !pod.finished && pod.labels.contains_all(selector));
    backends
        .flat_map(|(id, pod)| {
            service.ports.iter().flat_map(move |port| {
                let numbers: Vec<u16> = match &port.target {
                    TargetPort::Number(number) => vec![*number],
                    TargetPort::Name(name) => pod.named_ports(name, port.protocol).collect(),
                };
                numbers.into_iter().map(move |number| (Endpoint::Pod(id), port.protocol, number))
            })
        })
        .collect()
}

/// The endpoints that EndpointSlices of a Service list.
pub(super) fn written(cluster: &Cluster, service: &Service) -> Vec<(IpAddr, Protocol, u16)> {
    let slices = cluster.endpoint_slices.iter().filter(|slice| {
        slice.namespace == service.namespace && slice.service.as_deref() == Some(&*service.name)
    });
    let mut found: Vec<(IpAddr, Protocol, u16)> = Vec::new();
    for slice in slices {
        for address in slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses) {
            let ports = slice.ports.iter().filter_map(|(_, protocol, port)| Some((*protocol, (*port)?)));
            found.extend(ports.map(|(protocol, port)| (*address, protocol, port)));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}
