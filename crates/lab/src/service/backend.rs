//! Where a Service's port leads. In: a completed cluster and a Service's port. Out: the addresses and ports of its ready
//! backends, by the rules of kube-proxy: what the selector selects, or what EndpointSlices list where it selects nothing.

use std::net::IpAddr;

use ringfence_model::{
    address::Family,
    cluster::Cluster,
    service::{EndpointSlice, Service, ServicePort, SliceEndpoint, TargetPort},
    workload::Pod,
};

/// An address and port that connections end at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

/// The targets of a Service's port in one family, sorted, without repeats. None for a port whose connections are refused.
#[must_use]
pub fn targets(cluster: &Cluster, service: &Service, port: &ServicePort, family: Family) -> Vec<Target> {
    let selected: Vec<&Pod> = selected(cluster, service).collect();
    let mut targets: Vec<Target> = if selected.is_empty() {
        listed(cluster, service, port, family)
    } else {
        let ready = selected.into_iter().filter(|pod| pod.ready || service.publish_not_ready);
        ready.filter_map(|pod| of_pod(pod, port, family)).collect()
    };
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// The pods that the Service's selector selects, ready or not.
pub(crate) fn selected<'a>(cluster: &'a Cluster, service: &'a Service) -> impl Iterator<Item = &'a Pod> {
    let wanted = service.selector.as_ref();
    cluster.pods.iter().filter(move |pod| {
        !pod.finished
            && pod.namespace == service.namespace
            && wanted.is_some_and(|wanted| pod.labels.contains_all(wanted))
    })
}

/// The EndpointSlices of a Service.
pub(crate) fn slices<'a>(
    cluster: &'a Cluster,
    service: &'a Service,
) -> impl Iterator<Item = &'a EndpointSlice> {
    let own = |slice: &&EndpointSlice| {
        slice.namespace == service.namespace && slice.service.as_ref() == Some(&service.name)
    };
    cluster.endpoint_slices.iter().filter(own)
}

/// The pod's address and the port that the Service's port means there; nothing if it lacks either.
fn of_pod(pod: &Pod, port: &ServicePort, family: Family) -> Option<Target> {
    let number = port_of(pod, port)?;
    address(pod, family).map(|address| Target { address, port: number })
}

/// What a Service's port is on a pod.
pub(crate) fn port_of(pod: &Pod, port: &ServicePort) -> Option<u16> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => pod.named_ports(name, port.protocol).next(),
    }
}

fn address(pod: &Pod, family: Family) -> Option<IpAddr> {
    pod.addresses.iter().copied().find(|address| Family::of(*address) == family)
}

/// What EndpointSlices written by hand list: their ports, matched by name and protocol.
fn listed(cluster: &Cluster, service: &Service, port: &ServicePort, family: Family) -> Vec<Target> {
    let mut targets = Vec::new();
    for slice in slices(cluster, service) {
        let same = |name: &Option<ringfence_model::Text>| {
            name.as_deref().unwrap_or_default() == port.name.as_deref().unwrap_or_default()
        };
        let number = slice.ports.iter().find(|(name, protocol, _)| *protocol == port.protocol && same(name));
        let Some((_, _, Some(number))) = number else { continue };
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready || service.publish_not_ready)
        {
            let addresses = reached(cluster, service, endpoint);
            let of_family = addresses.into_iter().filter(|address| Family::of(*address) == family);
            targets.extend(of_family.map(|address| Target { address, port: *number }));
        }
    }
    targets
}

/// The addresses of the pod that an endpoint is, or the endpoint's own.
pub(crate) fn reached(cluster: &Cluster, service: &Service, endpoint: &SliceEndpoint) -> Vec<IpAddr> {
    let named = |pod: &Pod| {
        endpoint.pod.as_ref().is_some_and(|name| pod.name == *name) && pod.namespace == service.namespace
    };
    let has = |pod: &Pod| endpoint.addresses.iter().any(|address| pod.addresses.contains(address));
    let found =
        cluster.pods.iter().find(|pod| !pod.finished && (named(pod) || (!pod.host_network && has(pod))));
    found.map_or_else(|| endpoint.addresses.clone(), |pod| pod.addresses.clone())
}
