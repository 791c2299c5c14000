//! Which connections are tried. In: a completed cluster, ports, addresses outside. Out: trials with the engine's verdicts,
//! in an order that depends on nothing else.

use std::net::IpAddr;

use ringfence_analysis::question::{self, End, Named, Place, PortAsk, PortItem, PortName, Question, Ruling};
use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    port::Protocol,
    service::{ServicePort, ServiceType},
    workload::{Pod, PodId},
};
use ringfence_policy::Judge;

use super::{Backend, Expected, Ports, Target, Trial};
use crate::service::targets;

/// The type of message that asks for an answer.
fn echo(family: Family) -> (Protocol, u16) {
    match family {
        Family::V4 => (Protocol::Icmp, 8),
        Family::V6 => (Protocol::Icmpv6, 128),
    }
}

/// What to try beside every ordered pair of pods.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Addresses outside the cluster, from and to which connections are tried.
    pub outside: Vec<IpAddr>,
    /// Ports that are tried outside.
    pub outside_ports: Vec<(Protocol, u16)>,
    /// Whether the addresses of Services are tried.
    pub services: bool,
    /// Whether connections from nodes are tried.
    pub nodes: bool,
    /// Whether echo requests are tried.
    pub icmp: bool,
}

/// The pods that run, with their numbers.
fn running(cluster: &Cluster) -> impl Iterator<Item = (PodId, &Pod)> {
    (0..).map(PodId).zip(&cluster.pods).filter(|(_, pod)| !pod.finished)
}

/// All trials of a scope.
#[must_use]
pub fn trials(cluster: &Cluster, judge: &impl Judge, ports: &Ports, scope: &Scope) -> Vec<Trial> {
    let mut all = Trials { judge, list: Vec::new() };
    let pods: Vec<(PodId, &Pod)> = running(cluster).collect();
    let mut sources: Vec<(Endpoint, Vec<IpAddr>)> =
        pods.iter().map(|(id, pod)| (Endpoint::Pod(*id), pod.addresses.clone())).collect();
    if scope.nodes {
        let addresses = cluster.nodes.iter().flat_map(|node| &node.addresses);
        sources.extend(addresses.map(|address| (Endpoint::Address(*address), vec![*address])));
    }
    sources.extend(scope.outside.iter().map(|address| (Endpoint::Address(*address), vec![*address])));
    for (from, from_addresses) in &sources {
        for (id, pod) in &pods {
            let to = Endpoint::Pod(*id);
            if *from == to {
                continue;
            }
            for family in common(from_addresses, &pod.addresses) {
                for (protocol, port) in ports.of_pod(*id) {
                    all.add(from, &to, family, protocol, port);
                }
                if scope.icmp {
                    let (protocol, kind) = echo(family);
                    all.add(from, &to, family, protocol, kind);
                }
            }
        }
    }
    for (id, pod) in &pods {
        for address in &scope.outside {
            for family in common(&pod.addresses, &[*address]) {
                for (protocol, port) in &scope.outside_ports {
                    all.add(&Endpoint::Pod(*id), &Endpoint::Address(*address), family, *protocol, *port);
                }
            }
        }
    }
    if scope.services {
        all.services(cluster, &pods);
    }
    all.list
}

/// The families in which both ends have an address.
fn common(a: &[IpAddr], b: &[IpAddr]) -> Vec<Family> {
    let has = |list: &[IpAddr], family| list.iter().any(|address| Family::of(*address) == family);
    Family::BOTH.into_iter().filter(|family| has(a, *family) && has(b, *family)).collect()
}

struct Trials<'a, J> {
    judge: &'a J,
    list: Vec<Trial>,
}

impl<J: Judge> Trials<'_, J> {
    fn add(&mut self, from: &Endpoint, to: &Endpoint, family: Family, protocol: Protocol, port: u16) {
        let flow = Flow { from: from.clone(), to: to.clone(), family, protocol, port, request: None };
        let expected = Expected::One(Box::new(self.judge.verdict(&flow)));
        let Flow { from, to, .. } = flow;
        self.list.push(Trial { from, to: Target::End(to), family, protocol, port, expected });
    }

    /// Every Service's address from every pod.
    fn services(&mut self, cluster: &Cluster, pods: &[(PodId, &Pod)]) {
        for (at, service) in cluster.services.iter().enumerate() {
            if service.headless || matches!(service.kind, ServiceType::ExternalName(_)) {
                continue;
            }
            for address in &service.cluster_ips {
                let family = Family::of(*address);
                for port in &service.ports {
                    for (id, _) in
                        pods.iter().filter(|(_, pod)| !common(&pod.addresses, &[*address]).is_empty())
                    {
                        let Some(expected) =
                            self.of_service(cluster, *id, at, *address, port.protocol, port.port)
                        else {
                            continue;
                        };
                        self.list.push(Trial {
                            from: Endpoint::Pod(*id),
                            to: Target::Service {
                                namespace: service.namespace.clone(),
                                name: service.name.clone(),
                                address: *address,
                            },
                            family,
                            protocol: port.protocol,
                            port: port.port,
                            expected,
                        });
                    }
                }
            }
        }
    }

    /// What the engine says of a Service's address, backend by backend.
    fn of_service(
        &self,
        cluster: &Cluster,
        from: PodId,
        service: usize,
        address: IpAddr,
        protocol: Protocol,
        port: u16,
    ) -> Option<Expected> {
        let named = |end, given: String| Named { full: given.clone(), given, end, note: None };
        let question = Question {
            from: named(End::Pod(from), String::new()),
            to: named(End::Service(service, Some(Family::of(address))), address.to_string()),
            ports: PortAsk::Some(vec![PortItem {
                port: PortName::Range(port, port),
                protocol: Some(protocol),
            }]),
            request: None,
        };
        let answer = question::answer(&question, cluster, self.judge).ok()?;
        let family = Family::of(address);
        let found = cluster.services.get(service)?;
        let of_port = |known: &&ServicePort| known.protocol == protocol && known.port == port;
        let known = found.ports.iter().find(of_port)?;
        let targets = targets(cluster, found, known, family);
        let mut backends = Vec::new();
        for part in answer.parts {
            let Ruling::Judged { verdict, sample } = part.ruling else { continue };
            let ends: Vec<Endpoint> = match part.to {
                Place::Pods(pods) => pods.into_iter().map(Endpoint::Pod).collect(),
                Place::Addresses(set) => {
                    let listed = targets.iter().map(|target| target.address);
                    listed.filter(|address| set.contains(*address)).map(Endpoint::Address).collect()
                }
                Place::Name(name) => vec![Endpoint::Name(name)],
            };
            let port = sample.port;
            backends.extend(ends.into_iter().map(|end| Backend { end, port, verdict: verdict.clone() }));
        }
        // The answer leaves out what a Service sends back to the pod itself.
        let own = cluster.pod(from).map_or(&[][..], |pod| &pod.addresses);
        let end = Endpoint::Pod(from);
        for target in targets.iter().filter(|target| own.contains(&target.address)) {
            if !backends.iter().any(|backend| backend.end == end && backend.port == target.port) {
                let (to, port) = (end.clone(), target.port);
                let flow = Flow { from: end.clone(), to, family, protocol, port, request: None };
                let verdict = Box::new(self.judge.verdict(&flow));
                backends.push(Backend { end: end.clone(), port, verdict });
            }
        }
        Some(Expected::Backends(backends))
    }
}
