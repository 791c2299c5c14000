//! What a connection's destination turns into. In: an end and the ports asked for. Out: the pods, addresses or names that
//! the packets reach and the ports they reach them on, or why they reach nothing: Services are resolved to their backends
//! as kube-proxy does.

use std::collections::BTreeMap;

use ringfence_model::{
    Text,
    address::Family,
    cluster::Cluster,
    port::{PortSet, Protocol},
    service::{Service, ServicePort, ServiceType, TargetPort},
    workload::{Pod, PodId},
};

use super::{
    Problem,
    answer::Refusal,
    name::{End, Resolver, Role, full_name},
    place::running,
    port::{PortAsk, PortItem, PortName},
};
use crate::nearest::one_of;

/// Where some of the asked ports lead.
#[derive(Debug)]
pub(super) struct Leg {
    /// What is reached, or why nothing is.
    pub(super) reach: Result<Reach, Refusal>,
    /// The protocol.
    pub(super) protocol: Protocol,
    /// The ports asked for.
    pub(super) asked: PortSet,
    /// The ports reached: as asked, or one that all of them lead to.
    pub(super) target: PortSet,
    /// The families of the Service's own addresses; empty if any will do.
    pub(super) families: Vec<Family>,
}

/// What is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Pods.
    Pods(Vec<PodId>),
    /// The end as asked, outside the pods.
    Outside(OutsideEnd),
}

/// An end that is no pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OutsideEnd {
    /// The question's own destination (an address, a network, the internet).
    Asked,
    /// An address that a Service leads to.
    Address(std::net::IpAddr),
    /// A DNS name.
    Name(Text),
}

/// Where a question's ports lead.
pub(super) fn legs(cluster: &Cluster, end: &End, ports: &PortAsk) -> Result<Vec<Leg>, Problem> {
    match end {
        End::Workload(_) | End::Pod(_) => {
            pods(cluster, &running(cluster, end), ports, &full_name(cluster, end))
        }
        End::Service(at, family) => match cluster.services.get(*at) {
            Some(found) => service(cluster, found, *family, ports),
            None => Ok(Vec::new()),
        },
        End::Address(_) | End::Network(_) | End::Internet => {
            as_asked(&Reach::Outside(OutsideEnd::Asked), ports, &[])
        }
        End::Name(name) => as_asked(&Reach::Outside(OutsideEnd::Name(name.clone())), ports, &[]),
    }
}

/// The ports as asked; names have no meaning there.
fn as_asked(reach: &Reach, ports: &PortAsk, families: &[Family]) -> Result<Vec<Leg>, Problem> {
    let leg = |protocol, set: PortSet| Leg {
        reach: Ok(reach.clone()),
        protocol,
        asked: set.clone(),
        target: set,
        families: families.to_vec(),
    };
    match ports {
        PortAsk::All => Ok(Protocol::WITH_PORTS.into_iter().map(|protocol| leg(protocol, PortSet::all())).collect()),
        PortAsk::Some(items) => items
            .iter()
            .map(|item| match &item.port {
                PortName::Range(first, last) => {
                    Ok(leg(item.protocol.unwrap_or(Protocol::Tcp), PortSet::range(*first, *last)))
                }
                PortName::Name(name) => Err(Problem::new(format!(
                    "`{name}` is a port's name, and the destination is no pod or Service that could have a port of that name"
                ))
                .help("write the port's number")),
            })
            .collect(),
    }
}

/// Pods, with named ports resolved per pod.
fn pods(cluster: &Cluster, pods: &[PodId], ports: &PortAsk, called: &str) -> Result<Vec<Leg>, Problem> {
    let PortAsk::Some(items) = ports else {
        return as_asked(&Reach::Pods(pods.to_vec()), ports, &[]);
    };
    let mut legs = Vec::new();
    for item in items {
        match &item.port {
            PortName::Range(..) => {
                let one = PortAsk::Some(vec![item.clone()]);
                legs.extend(as_asked(&Reach::Pods(pods.to_vec()), &one, &[])?);
            }
            PortName::Name(name) => legs.extend(named(cluster, pods, item.protocol, name, called)?),
        }
    }
    Ok(legs)
}

/// A port by its name: a leg for each number that it has on some of the pods.
fn named(
    cluster: &Cluster,
    pods: &[PodId],
    protocol: Option<Protocol>,
    name: &str,
    called: &str,
) -> Result<Vec<Leg>, Problem> {
    let mut by_number: BTreeMap<(Protocol, u16), Vec<PodId>> = BTreeMap::new();
    let mut without = Vec::new();
    for id in pods {
        let Some(pod) = cluster.pod(*id) else { continue };
        let mut found = false;
        for protocol in
            Protocol::WITH_PORTS.into_iter().filter(|known| protocol.is_none_or(|asked| asked == *known))
        {
            for number in pod.named_ports(name, protocol) {
                by_number.entry((protocol, number)).or_default().push(*id);
                found = true;
            }
        }
        if !found {
            without.push(full_name(cluster, &End::Pod(*id)));
        }
    }
    if by_number.is_empty() {
        let mut known: Vec<String> = pods
            .iter()
            .filter_map(|id| cluster.pod(*id))
            .flat_map(|pod| pod.ports.iter().filter_map(|port| port.name.as_ref()).map(ToString::to_string))
            .collect();
        known.sort_unstable();
        known.dedup();
        let problem = Problem::new(format!("`{called}` has no container port called `{name}`"));
        return Err(if known.is_empty() {
            problem.help("write the port's number")
        } else {
            problem.help(format!("its named ports are {}", one_of(&known)))
        });
    }
    let mut legs: Vec<Leg> = by_number
        .into_iter()
        .map(|((protocol, number), pods)| Leg {
            reach: Ok(Reach::Pods(pods)),
            protocol,
            asked: PortSet::range(number, number),
            target: PortSet::range(number, number),
            families: Vec::new(),
        })
        .collect();
    if !without.is_empty() {
        legs.push(refused(
            Refusal::NoNamedPort { pods: without, name: name.to_owned() },
            protocol.unwrap_or(Protocol::Tcp),
            PortSet::empty(),
        ));
    }
    Ok(legs)
}

fn refused(refusal: Refusal, protocol: Protocol, asked: PortSet) -> Leg {
    Leg { reach: Err(refusal), protocol, target: asked.clone(), asked, families: Vec::new() }
}

/// A Service: an alias is the name that it stands for; a headless one its backends at the port as given; any other its
/// ready backends at the target port.
fn service(
    cluster: &Cluster,
    service: &Service,
    by_address: Option<Family>,
    ports: &PortAsk,
) -> Result<Vec<Leg>, Problem> {
    let families: Vec<Family> = match by_address {
        Some(family) => vec![family],
        None if service.families.is_empty() => service.cluster_ips.iter().map(|ip| Family::of(*ip)).collect(),
        None => service.families.clone(),
    };
    if let ServiceType::ExternalName(name) = &service.kind {
        return alias(cluster, name, ports);
    }
    let called = format!("{}/{}", service.namespace, service.name);
    if service.headless {
        return headless(cluster, service, &called, &families, ports);
    }
    let mut legs = Vec::new();
    for (protocol, asked, found) in asked_ports(service, &called, ports)? {
        match found {
            Some(port) => legs.extend(through(cluster, service, &called, &families, port)),
            None => {
                let offered =
                    service.ports.iter().map(|port| format!("{}/{}", port.port, port.protocol)).collect();
                legs.push(refused(Refusal::NoSuchPort { service: called.clone(), offered }, protocol, asked));
            }
        }
    }
    Ok(legs)
}

/// `ExternalName`: the Service that the name stands for if the cluster answers it, else an outside name. An alias of an
/// alias is not followed: the cluster's DNS answers it with a name that clients must ask for again.
fn alias(cluster: &Cluster, name: &Text, ports: &PortAsk) -> Result<Vec<Leg>, Problem> {
    let resolved = Resolver::new(cluster, None).resolve(name, Role::Destination);
    match resolved.map(|named| named.end) {
        Ok(End::Service(at, family)) => match cluster.services.get(at) {
            Some(target) if !matches!(target.kind, ServiceType::ExternalName(_)) => {
                service(cluster, target, family, ports)
            }
            _ => as_asked(&Reach::Outside(OutsideEnd::Name(name.clone())), ports, &[]),
        },
        _ => as_asked(&Reach::Outside(OutsideEnd::Name(name.clone())), ports, &[]),
    }
}

fn headless(
    cluster: &Cluster,
    service: &Service,
    called: &str,
    families: &[Family],
    ports: &PortAsk,
) -> Result<Vec<Leg>, Problem> {
    let backends = backends(cluster, service);
    let mut legs = Vec::new();
    if !backends.pods.is_empty() {
        // A name can be that of the Service's port, which has no number of its own here.
        legs.extend(pods(cluster, &backends.pods, &service_port_names(service, ports), called)?);
    }
    for address in &backends.addresses {
        legs.extend(as_asked(&Reach::Outside(OutsideEnd::Address(*address)), ports, &[])?);
    }
    if legs.is_empty() {
        let all = as_asked(&Reach::Pods(Vec::new()), ports, &[])?;
        legs.extend(all.into_iter().map(|leg| refused(backends.none(called), leg.protocol, leg.asked)));
    }
    for leg in &mut legs {
        leg.families = families.to_vec();
    }
    Ok(legs)
}

/// Replaces the names of a headless Service's ports by what they lead to.
fn service_port_names(service: &Service, ports: &PortAsk) -> PortAsk {
    let PortAsk::Some(items) = ports else { return ports.clone() };
    let translate = |item: &PortItem| {
        let PortName::Name(name) = &item.port else { return item.clone() };
        let mut of_service = service.ports.iter();
        let Some(port) = of_service.find(|port| port.name.as_deref() == Some(name.as_str())) else {
            return item.clone();
        };
        let target = match &port.target {
            TargetPort::Number(number) => PortName::Range(*number, *number),
            TargetPort::Name(name) => PortName::Name(name.to_string()),
        };
        PortItem { protocol: Some(port.protocol), port: target }
    };
    PortAsk::Some(items.iter().map(translate).collect())
}

/// A port that a question asks a Service for: its protocol and numbers, and the Service's port if it has one.
type AskedPort<'a> = (Protocol, PortSet, Option<&'a ServicePort>);

/// The ports of the Service that a question asks for; all of them if it names none.
fn asked_ports<'a>(
    service: &'a Service,
    called: &str,
    ports: &PortAsk,
) -> Result<Vec<AskedPort<'a>>, Problem> {
    let own = |port: &'a ServicePort| (port.protocol, PortSet::range(port.port, port.port), Some(port));
    let PortAsk::Some(items) = ports else { return Ok(service.ports.iter().map(own).collect()) };
    let mut asked = Vec::new();
    for item in items {
        match &item.port {
            PortName::Range(first, last) => {
                let protocol = item.protocol.unwrap_or(Protocol::Tcp);
                let found: Vec<AskedPort<'a>> = (service.ports.iter())
                    .filter(|port| port.protocol == protocol && (*first..=*last).contains(&port.port))
                    .map(own)
                    .collect();
                if found.is_empty() {
                    asked.push((protocol, PortSet::range(*first, *last), None));
                }
                asked.extend(found);
            }
            PortName::Name(name) => {
                let is = |port: &&ServicePort| {
                    port.name.as_deref() == Some(name.as_str())
                        && item.protocol.is_none_or(|asked| asked == port.protocol)
                };
                let found = service.ports.iter().find(is).ok_or_else(|| {
                    let known: Vec<String> =
                        service.ports.iter().filter_map(|p| p.name.as_deref().map(str::to_owned)).collect();
                    let problem = Problem::new(format!("the Service `{called}` has no port called `{name}`"));
                    if known.is_empty() {
                        problem
                    } else {
                        problem.help(format!("its ports are {}", one_of(&known)))
                    }
                })?;
                asked.push(own(found));
            }
        }
    }
    Ok(asked)
}

/// One port of a Service, after DNAT.
fn through(
    cluster: &Cluster,
    service: &Service,
    called: &str,
    families: &[Family],
    port: &ServicePort,
) -> Vec<Leg> {
    let asked = PortSet::range(port.port, port.port);
    let backends = backends(cluster, service);
    let leg = |reach, target: u16| Leg {
        reach: Ok(reach),
        protocol: port.protocol,
        asked: asked.clone(),
        target: PortSet::range(target, target),
        families: families.to_vec(),
    };
    if backends.from_slices {
        return from_slices(cluster, service, called, families, port);
    }
    if backends.pods.is_empty() {
        return vec![refused(backends.none(called), port.protocol, asked)];
    }
    match &port.target {
        TargetPort::Number(number) => vec![leg(Reach::Pods(backends.pods), *number)],
        TargetPort::Name(name) => {
            let mut by_number: BTreeMap<u16, Vec<PodId>> = BTreeMap::new();
            for id in &backends.pods {
                let number = cluster.pod(*id).and_then(|pod| pod.named_ports(name, port.protocol).next());
                if let Some(number) = number {
                    by_number.entry(number).or_default().push(*id);
                }
            }
            if by_number.is_empty() {
                let refusal = Refusal::NoTargetPort { service: called.to_owned(), name: name.to_string() };
                return vec![refused(refusal, port.protocol, asked)];
            }
            by_number.into_iter().map(|(number, pods)| leg(Reach::Pods(pods), number)).collect()
        }
    }
}

/// A Service whose endpoints are written by hand: the ports are those of its EndpointSlices.
fn from_slices(
    cluster: &Cluster,
    service: &Service,
    called: &str,
    families: &[Family],
    port: &ServicePort,
) -> Vec<Leg> {
    let mut legs = Vec::new();
    for slice in slices(cluster, service) {
        let number = slice.ports.iter().find(|(name, protocol, _)| {
            *protocol == port.protocol
                && name.as_deref().unwrap_or_default() == port.name.as_deref().unwrap_or_default()
        });
        let Some((_, _, Some(number))) = number else { continue };
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready || service.publish_not_ready)
        {
            for reach in endpoint_reach(cluster, service, endpoint) {
                legs.push(Leg {
                    reach: Ok(reach),
                    protocol: port.protocol,
                    asked: PortSet::range(port.port, port.port),
                    target: PortSet::range(*number, *number),
                    families: families.to_vec(),
                });
            }
        }
    }
    if legs.is_empty() {
        let refusal = Refusal::NoEndpoints { service: called.to_owned(), not_ready: 0 };
        legs.push(refused(refusal, port.protocol, PortSet::range(port.port, port.port)));
    }
    legs
}

/// The pod that an endpoint is, or its addresses.
fn endpoint_reach(
    cluster: &Cluster,
    service: &Service,
    endpoint: &ringfence_model::service::SliceEndpoint,
) -> Vec<Reach> {
    let named = |pod: &Pod| {
        endpoint.pod.as_ref().is_some_and(|name| pod.name == *name) && pod.namespace == service.namespace
    };
    let has = |pod: &Pod| endpoint.addresses.iter().any(|address| pod.addresses.contains(address));
    let found =
        cluster.pods.iter().position(|pod| !pod.finished && (named(pod) || (!pod.host_network && has(pod))));
    match found {
        Some(at) => vec![Reach::Pods(vec![PodId(u32::try_from(at).unwrap_or(u32::MAX))])],
        None => {
            endpoint.addresses.iter().map(|address| Reach::Outside(OutsideEnd::Address(*address))).collect()
        }
    }
}

fn slices<'a>(
    cluster: &'a Cluster,
    service: &'a Service,
) -> impl Iterator<Item = &'a ringfence_model::service::EndpointSlice> {
    let own = |slice: &&ringfence_model::service::EndpointSlice| {
        slice.namespace == service.namespace && slice.service.as_ref() == Some(&service.name)
    };
    cluster.endpoint_slices.iter().filter(own)
}

/// What backs a Service.
struct Backends {
    pods: Vec<PodId>,
    addresses: Vec<std::net::IpAddr>,
    not_ready: usize,
    from_slices: bool,
}

impl Backends {
    fn none(&self, called: &str) -> Refusal {
        Refusal::NoEndpoints { service: called.to_owned(), not_ready: self.not_ready }
    }
}

/// The ready pods that the selector selects, or what the EndpointSlices list where there is no selector (or the input
/// holds none of its pods).
fn backends(cluster: &Cluster, service: &Service) -> Backends {
    let mut backends = Backends { pods: Vec::new(), addresses: Vec::new(), not_ready: 0, from_slices: false };
    let mut selected = false;
    if let Some(wanted) = &service.selector {
        for (at, pod) in cluster.pods.iter().enumerate() {
            if pod.finished || pod.namespace != service.namespace || !pod.labels.contains_all(wanted) {
                continue;
            }
            selected = true;
            if pod.ready || service.publish_not_ready {
                backends.pods.push(PodId(u32::try_from(at).unwrap_or(u32::MAX)));
            } else {
                backends.not_ready += 1;
            }
        }
    }
    if !selected && slices(cluster, service).next().is_some() {
        backends.from_slices = true;
        let endpoints = slices(cluster, service).flat_map(|slice| &slice.endpoints);
        for endpoint in endpoints.filter(|endpoint| endpoint.ready || service.publish_not_ready) {
            for reach in endpoint_reach(cluster, service, endpoint) {
                match reach {
                    Reach::Pods(pods) => backends.pods.extend(pods),
                    Reach::Outside(OutsideEnd::Address(address)) => backends.addresses.push(address),
                    Reach::Outside(_) => {}
                }
            }
        }
    }
    backends
}
