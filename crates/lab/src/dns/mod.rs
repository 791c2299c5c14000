//! DNS inside a lab. In: a topology and its namespaces. Out: a responder for Service names, pod names and the outside names that
//! policies mention, and what a pod's `resolv.conf` says.
//!
//! If the manifests hold the cluster's DNS (a Service `kube-dns`, or `coredns`, with port 53 and a pod that runs), it answers in
//! those pods, at their addresses, so that policies apply to DNS as to everything else. If not, it answers at
//! [`LOOPBACK`] in every namespace: the packets never leave the pod, so that no policy can be in the way.

mod answer;
mod presence;
mod server;
mod zone;

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use ringfence_model::{
    address::Family,
    cluster::Cluster,
    port::Protocol,
    service::{Service, ServicePort},
    workload::PodId,
};

use crate::{plan::Topology, service};

pub(crate) use answer::respond;
pub(crate) use presence::Presence;
pub use server::{Responder, ResponderError};
pub use zone::{DOMAIN, Entry, Zone};

/// Where every pod finds DNS if the manifests bring none: a loopback address of its own, port 53.
pub const LOOPBACK: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// The port of DNS.
pub(crate) const PORT: u16 = 53;

/// A socket that answers DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// In the namespace of this pod of the completed cluster.
    pub pod: PodId,
    /// UDP or TCP.
    pub protocol: Protocol,
    /// The address and port.
    pub at: SocketAddr,
}

/// The cluster's own DNS Service, if the manifests hold one with a pod that runs.
#[must_use]
pub fn own_service(cluster: &Cluster) -> Option<&Service> {
    let is = |service: &&Service| {
        matches!(&*service.name, "kube-dns" | "coredns")
            && !service.cluster_ips.is_empty()
            && ports(service).next().is_some()
            && service::selected(cluster, service).next().is_some()
    };
    cluster.services.iter().find(is)
}

fn ports(service: &Service) -> impl Iterator<Item = &ServicePort> {
    service
        .ports
        .iter()
        .filter(|port| port.port == PORT && matches!(port.protocol, Protocol::Udp | Protocol::Tcp))
}

/// Where the responder listens in the pods: at the targets of the cluster's DNS Service. Empty if it has none; then it is at
/// [`LOOPBACK`] in every namespace. A prober's own listeners leave these sockets alone.
#[must_use]
pub fn places(topology: &Topology) -> Vec<Place> {
    let cluster = &topology.cluster;
    let Some(service) = own_service(cluster) else { return Vec::new() };
    let mut places = Vec::new();
    for (port, family) in ports(service).flat_map(|port| Family::BOTH.map(|family| (port, family))) {
        for target in service::targets(cluster, service, port, family) {
            let pod = topology.pods.iter().find(|pod| pod.addresses.contains(&target.address));
            let at = SocketAddr::new(target.address, target.port);
            places.extend(pod.map(|pod| Place { pod: pod.id, protocol: port.protocol, at }));
        }
    }
    places.sort_unstable();
    places.dedup();
    places
}

/// What `/etc/resolv.conf` of a pod of this namespace says (`dnsPolicy: ClusterFirst`).
#[must_use]
pub fn resolv_conf(cluster: &Cluster, namespace: &str) -> String {
    let mut text = String::new();
    let servers =
        own_service(cluster).map_or_else(|| vec![IpAddr::V4(LOOPBACK)], |own| own.cluster_ips.clone());
    for server in servers {
        // Writing to a string does not fail.
        let _ = writeln!(text, "nameserver {server}");
    }
    let _ = writeln!(text, "search {namespace}.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}\noptions ndots:5");
    text
}

#[cfg(test)]
mod tests;
