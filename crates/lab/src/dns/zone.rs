//! What every name means. In: a topology. Out: addresses, ports and aliases by name, as the Kubernetes DNS specification (version
//! 1.1.0) has them for Services and pods, and the outside addresses of names that policies mention. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ringfence_model::{
    Text,
    address::Family,
    cluster::Cluster,
    port::Protocol,
    service::{Service, ServiceType},
    workload::{Pod, WorkloadKind},
};

use crate::{plan::Topology, service};

/// The cluster's domain.
pub const DOMAIN: &str = "cluster.local";

/// What a name means. A name that is there without what was asked for has an empty answer; one that is not is no name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Addresses of both families, sorted.
    pub addresses: BTreeSet<IpAddr>,
    /// Ports and the names of the hosts that have them (SRV), sorted.
    pub ports: BTreeSet<(u16, String)>,
    /// The name that it is another one for, with whatever is known of that one.
    pub alias: Option<String>,
}

impl Entry {
    /// The addresses of a family.
    pub fn of(&self, family: Family) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied().filter(move |address| Family::of(*address) == family)
    }
}

/// All names, lower case, without a final dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    names: BTreeMap<String, Entry>,
}

impl Zone {
    /// The names of a topology.
    #[must_use]
    pub fn of(topology: &Topology) -> Self {
        let mut zone = Self::default();
        let cluster = &topology.cluster;
        for (name, addresses) in &topology.names {
            zone.entry(name).addresses.extend(addresses);
        }
        for place in &topology.pods {
            let Some(pod) = cluster.pod(place.id) else { continue };
            for address in &place.addresses {
                let name = format!("{}.{}.pod.{DOMAIN}", dashed(*address), pod.namespace);
                zone.entry(&name).addresses.insert(*address);
            }
        }
        for service in &cluster.services {
            let name = format!("{}.{}.svc.{DOMAIN}", service.name, service.namespace);
            match &service.kind {
                ServiceType::ExternalName(target) => {
                    zone.entry(&name).alias = Some(crate::plan::plain_name(target));
                }
                _ if service.headless => zone.headless(cluster, service, &name),
                _ => zone.with_address(service, &name),
            }
        }
        zone
    }

    /// What a name means; nothing if there is no such name. Below the `any` that stands for a pattern's `*` every name means
    /// the same.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        let name = crate::plan::plain_name(name);
        let pattern = || self.names.get(&format!("any.{}", name.split_once('.')?.1));
        self.names.get(&name).or_else(pattern)
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        self.names.entry(name.to_ascii_lowercase()).or_default()
    }

    /// `service.namespace.svc` has the ClusterIPs; `_port._protocol` below it the port.
    fn with_address(&mut self, service: &Service, name: &str) {
        self.entry(name).addresses.extend(&service.cluster_ips);
        for port in &service.ports {
            self.port(port.name.as_ref(), port.protocol, name, port.port, name);
        }
    }

    fn port(&mut self, port: Option<&Text>, protocol: Protocol, below: &str, number: u16, host: &str) {
        let Some(port) = port else { return };
        let name = format!("_{port}._{}.{below}", protocol.as_str().to_ascii_lowercase());
        self.entry(&name).ports.insert((number, host.to_ascii_lowercase()));
    }

    /// `service.namespace.svc` has the addresses of the ready pods, and each pod has a name below it.
    fn headless(&mut self, cluster: &Cluster, service: &Service, name: &str) {
        self.entry(name);
        let selected: Vec<&Pod> = service::selected(cluster, service).collect();
        let ready = |pod: &&Pod| pod.ready || service.publish_not_ready;
        let mut ordinals: BTreeMap<&str, u32> = BTreeMap::new();
        let mut hosts: Vec<(String, Vec<IpAddr>, Option<&Pod>)> = Vec::new();
        for pod in selected.iter().copied().filter(ready) {
            let ordinal = ordinals.entry(&*pod.name).or_default();
            hosts.push((host_name(cluster, pod, *ordinal), pod.addresses.clone(), Some(pod)));
            *ordinal += 1;
        }
        if selected.is_empty() {
            for endpoint in service::slices(cluster, service).flat_map(|slice| &slice.endpoints) {
                if endpoint.ready || service.publish_not_ready {
                    for address in service::reached(cluster, service, endpoint) {
                        hosts.push((dashed(address), vec![address], None));
                    }
                }
            }
        }
        for (host, addresses, pod) in hosts {
            let host = format!("{host}.{name}");
            self.entry(name).addresses.extend(&addresses);
            self.entry(&host).addresses.extend(&addresses);
            for port in &service.ports {
                let number = pod.map_or(Some(port.port), |pod| service::port_of(pod, port));
                if let Some(number) = number {
                    self.port(port.name.as_ref(), port.protocol, name, number, &host);
                }
            }
        }
    }
}

/// A pod's host name below its headless Service: its own name. The stand-ins of a StatefulSet are called as its pods will be.
fn host_name(cluster: &Cluster, pod: &Pod, ordinal: u32) -> String {
    let stateful =
        cluster.workload(pod.workload).is_some_and(|owner| owner.kind == WorkloadKind::StatefulSet);
    if pod.stand_in && stateful { format!("{}-{ordinal}", pod.name) } else { pod.name.to_string() }
}

/// An address as a label: `10-1-2-3`, `fd00--1`.
fn dashed(address: IpAddr) -> String {
    address.to_string().replace(['.', ':'], "-")
}
