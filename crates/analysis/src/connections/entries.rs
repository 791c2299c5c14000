//! Where connections enter the cluster. In: Services of the types NodePort and LoadBalancer, Ingress and Gateway
//! routes. Out: for each, the workloads and target ports that it leads to, and whether policy lets those in that would
//! come through it. What the input does not say (the controller behind an Ingress class) is not guessed.

use ringfence_model::{
    Text,
    address::IpSet,
    cluster::Cluster,
    port::{PortSet, Protocol},
    service::{Backend, BackendPort, EntryPointKind, Service, ServicePort, ServiceType, TargetPort},
    verdict::Direction,
    workload::{Pod, PodId},
};
use ringfence_policy::permit::Permit;

use super::{Map, Row, Unit, permits::of};

/// An object that lets connections in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `NodePort`, `LoadBalancer`, `Ingress`, `HTTPRoute`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// Host names that it serves.
    pub hosts: Vec<Text>,
    /// Where it leads, sorted.
    pub leads: Vec<Lead>,
}

/// One workload and port behind an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lead {
    /// The position of the unit in [`Map::units`].
    pub unit: usize,
    /// The protocol.
    pub protocol: Protocol,
    /// The port that clients use at the entry, if the entry names one.
    pub port: Option<u16>,
    /// The port on every node, if there is one.
    pub node_port: Option<u16>,
    /// The port on the pods.
    pub target: u16,
    /// Who gets through.
    pub gate: Gate,
}

/// Who gets through an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// Connections come from outside with their own address: whether policy lets the internet in.
    Internet(Access),
    /// Connections come from a controller in the cluster, which the object does not name: the units with an own entry
    /// from outside that policy lets in.
    Units(Vec<(usize, Access)>),
}

/// Whether policy lets connections in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// All of them.
    Allow,
    /// All, under conditions of layer 7.
    AllowIf,
    /// From some addresses.
    Part,
    /// A fact is missing.
    Unknown,
    /// None.
    Deny,
}

impl Access {
    /// `allow`, `allow-if`, `part`, `unknown` or `deny`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::AllowIf => "allow-if",
            Self::Part => "part",
            Self::Unknown => "unknown",
            Self::Deny => "deny",
        }
    }
}

/// Every entry of the cluster that leads to a workload of the input: Services first, then routes, by namespace and
/// name.
#[must_use]
pub fn entries(map: &Map<'_>) -> Vec<Entry> {
    let cluster = map.cluster();
    let mut found: Vec<Entry> =
        cluster.services.iter().filter_map(|service| of_service(map, service)).collect();
    let mut doors: Vec<usize> =
        found.iter().flat_map(|entry| entry.leads.iter().map(|lead| lead.unit)).collect();
    doors.sort_unstable();
    doors.dedup();
    let doors: Vec<(usize, Row)> =
        doors.into_iter().filter_map(|at| Some((at, map.row(map.units().get(at)?.class)))).collect();
    for point in &cluster.entry_points {
        // A Gateway names no Services; the routes that hang from it do.
        if point.kind == EntryPointKind::Gateway {
            continue;
        }
        let mut leads: Vec<Lead> =
            point.backends.iter().flat_map(|backend| of_backend(map, backend, &doors)).collect();
        leads.sort();
        leads.dedup();
        if !leads.is_empty() {
            found.push(Entry {
                kind: point.kind.as_str(),
                namespace: point.namespace.clone(),
                name: point.name.clone(),
                hosts: point.hosts.clone(),
                leads,
            });
        }
    }
    found
}

fn of_service(map: &Map<'_>, service: &Service) -> Option<Entry> {
    let kind = match service.kind {
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
        ServiceType::ClusterIp | ServiceType::ExternalName(_) => return None,
    };
    let mut leads = Vec::new();
    for port in &service.ports {
        for (unit, target) in targets(map, service, port) {
            let gate = Gate::Internet(from_internet(map, unit, port.protocol, target));
            let node_port = port.node_port;
            leads.push(Lead {
                unit,
                protocol: port.protocol,
                port: Some(port.port),
                node_port,
                target,
                gate,
            });
        }
    }
    leads.sort();
    leads.dedup();
    let (namespace, name) = (service.namespace.clone(), service.name.clone());
    (!leads.is_empty()).then_some(Entry { kind, namespace, name, hosts: Vec::new(), leads })
}

fn of_backend(map: &Map<'_>, backend: &Backend, doors: &[(usize, Row)]) -> Vec<Lead> {
    let Some(service) = map.cluster().service(&backend.namespace, &backend.service) else {
        return Vec::new();
    };
    let ports = service.ports.iter().filter(|port| match &backend.port {
        Some(BackendPort::Number(number)) => port.port == *number,
        Some(BackendPort::Name(name)) => port.name.as_ref() == Some(name),
        None => true,
    });
    let mut leads = Vec::new();
    for port in ports {
        for (unit, target) in targets(map, service, port) {
            let gate = Gate::Units(from_doors(map, unit, port.protocol, target, doors));
            leads.push(Lead { unit, protocol: port.protocol, port: None, node_port: None, target, gate });
        }
    }
    leads
}

/// The units behind a Service's port, with the port on their pods.
fn targets(map: &Map<'_>, service: &Service, port: &ServicePort) -> Vec<(usize, u16)> {
    let cluster = map.cluster();
    let mut found = Vec::new();
    for (at, unit) in map.units().iter().enumerate() {
        for (id, pod) in unit.pods.iter().filter_map(|id| Some((*id, cluster.pod(*id)?))) {
            if is_backend(cluster, service, id, pod) {
                match &port.target {
                    TargetPort::Number(number) => found.push((at, *number)),
                    TargetPort::Name(name) => {
                        found.extend(pod.named_ports(name, port.protocol).map(|port| (at, port)));
                    }
                }
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a Service sends connections to a pod: by its selector, else by the EndpointSlices written for it.
fn is_backend(cluster: &Cluster, service: &Service, id: PodId, pod: &Pod) -> bool {
    if pod.namespace != service.namespace {
        return false;
    }
    if let Some(selector) = &service.selector {
        return pod.labels.contains_all(selector) && (pod.ready || service.publish_not_ready);
    }
    let slices = cluster.endpoint_slices.iter();
    let slices = slices.filter(|slice| {
        slice.namespace == service.namespace && slice.service.as_ref() == Some(&service.name)
    });
    slices.flat_map(|slice| &slice.endpoints).filter(|endpoint| endpoint.ready).any(|endpoint| {
        let by_name =
            endpoint.pod.as_ref().is_some_and(|name| cluster.pod(id).is_some_and(|pod| pod.name == *name));
        by_name || endpoint.addresses.iter().any(|address| pod.addresses.contains(address))
    })
}

fn from_internet(map: &Map<'_>, unit: usize, protocol: Protocol, port: u16) -> Access {
    let Some(unit) = map.units().get(unit) else { return Access::Deny };
    let cluster = map.cluster();
    let internet = cluster
        .families()
        .into_iter()
        .fold(IpSet::empty(), |set, family| set.union(&cluster.internet(family)))
        .intersection(&map.outside_space(unit.class));
    let (mut allowed, mut conditional, mut unknown) = (IpSet::empty(), IpSet::empty(), IpSet::empty());
    for (addresses, permit) in map.outside(unit.class, Direction::Ingress) {
        let addresses = addresses.intersection(&internet);
        let set = match access(&permit, protocol, port) {
            Access::Allow => &mut allowed,
            Access::AllowIf => &mut conditional,
            Access::Unknown => &mut unknown,
            Access::Part | Access::Deny => continue,
        };
        *set = set.union(&addresses);
    }
    if allowed.contains_set(&internet) {
        Access::Allow
    } else if allowed.union(&conditional).contains_set(&internet) {
        Access::AllowIf
    } else if !unknown.is_empty() {
        Access::Unknown
    } else if allowed.is_empty() && conditional.is_empty() {
        Access::Deny
    } else {
        Access::Part
    }
}

fn from_doors(
    map: &Map<'_>,
    unit: usize,
    protocol: Protocol,
    port: u16,
    doors: &[(usize, Row)],
) -> Vec<(usize, Access)> {
    let class = map.units().get(unit).map(|Unit { class, .. }| *class);
    let through = doors.iter().filter(|(door, _)| *door != unit).filter_map(|(door, row)| {
        let at = row.to.binary_search_by_key(&class?, |(class, _)| *class).ok()?;
        let (_, permit) = row.to.get(at)?;
        let access = access(row.permits.get(*permit as usize)?, protocol, port);
        (access != Access::Deny).then_some((*door, access))
    });
    through.collect()
}

/// What a permit says about one port.
fn access(permit: &Permit, protocol: Protocol, port: u16) -> Access {
    let conditional = |ports: &PortSet| ports.contains(port);
    if of(&permit.allowed, protocol).contains(port) {
        Access::Allow
    } else if permit.conditional.iter().any(|entry| entry.protocol == protocol && conditional(&entry.ports)) {
        Access::AllowIf
    } else if of(&permit.maybe, protocol).contains(port) {
        Access::Unknown
    } else {
        Access::Deny
    }
}
