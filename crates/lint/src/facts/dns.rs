//! What answers DNS questions. In: Services, workloads and their arguments; what is stated. Out: the resolvers with their
//! pods and the ports that these listen on.

use std::net::{IpAddr, Ipv4Addr};

use ringfence_model::{
    port::Protocol,
    service::{Service, TargetPort},
    workload::{Pod, PodId},
};

use super::{
    Evidence,
    backends::{backends, number, pods_of},
    images, stated_workload,
};
use crate::context::Context;

/// The port of DNS.
pub(crate) const DNS_PORT: u16 = 53;

/// Namespaces in which distributions run their resolver.
pub(crate) const NAMESPACES: [&str; 2] = ["kube-system", "openshift-dns"];

/// Names of its Service.
const SERVICES: [&str; 4] = ["kube-dns", "coredns", "rke2-coredns", "dns-default"];

/// Something that answers the pods' DNS questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// What people call it: `kube-system/coredns`.
    pub name: String,
    /// Its pods, ascending.
    pub pods: Vec<PodId>,
    /// The ports that it listens on, on its pods.
    pub ports: Vec<(Protocol, TargetPort)>,
    /// How it is known.
    pub evidence: Evidence,
}

impl Resolver {
    /// The port at which one of its pods answers questions over a protocol.
    #[must_use]
    pub fn port(&self, pod: &Pod, protocol: Protocol) -> Option<u16> {
        let mut ports = self.ports.iter().filter(|(of, _)| *of == protocol);
        ports.find_map(|(_, target)| number(pod, target, protocol))
    }
}

/// An address at which a resolver listens on every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalResolver {
    /// The address.
    pub address: IpAddr,
    /// How it is known.
    pub evidence: Evidence,
}

pub(super) fn resolvers(context: &Context<'_>) -> Vec<Resolver> {
    let cluster = context.cluster;
    let stated = &context.settings.cluster.dns;
    if !stated.is_empty() {
        let found = stated.iter().filter_map(|name| {
            let (_, pods) = stated_workload(cluster, name)?;
            Some(Resolver {
                name: name.clone(),
                ports: declared(context, &pods),
                pods,
                evidence: Evidence::stated(),
            })
        });
        return found.collect();
    }
    let mut found: Vec<Resolver> = cluster
        .services
        .iter()
        .filter(|service| is_dns(service))
        .filter_map(|service| of_service(context, service))
        .collect();
    if found.is_empty() {
        found.extend(NAMESPACES.iter().filter_map(|namespace| of_pods(context, namespace)));
    }
    found
}

fn is_dns(service: &Service) -> bool {
    let named = SERVICES.contains(&&*service.name)
        || service.labels.get("k8s-app").is_some_and(|value| **value == *"kube-dns");
    NAMESPACES.contains(&&*service.namespace)
        && named
        && service.ports.iter().any(|port| port.port == DNS_PORT)
}

fn of_service(context: &Context<'_>, service: &Service) -> Option<Resolver> {
    let pods = backends(context.cluster, service);
    let ports = service.ports.iter().filter(|port| port.port == DNS_PORT);
    Some(Resolver {
        name: called(context, &pods)?,
        ports: ports.map(|port| (port.protocol, port.target.clone())).collect(),
        pods,
        evidence: Evidence::new(service.origin, format!("Service `{}/{}`", service.namespace, service.name)),
    })
}

/// The resolver's pods where its Service is not given.
fn of_pods(context: &Context<'_>, namespace: &str) -> Option<Resolver> {
    let labelled = |pod: &Pod| {
        pod.labels.get("k8s-app").is_some_and(|value| **value == *"kube-dns")
            || pod.labels.get("dns.operator.openshift.io/daemonset-dns").is_some()
    };
    let runs =
        |pod: &Pod| images::containers(pod).any(|container| images::last_name(container) == Some("coredns"));
    let pods: Vec<PodId> = pods_of(context.cluster, namespace)
        .filter(|(_, pod)| !pod.finished && !pod.host_network && (labelled(pod) || runs(pod)))
        .map(|(id, _)| id)
        .collect();
    let first = context.cluster.pod(*pods.first()?)?;
    let why = if labelled(first) { "its pods are labelled so" } else { "its image is `coredns`" };
    Some(Resolver {
        name: called(context, &pods)?,
        ports: declared(context, &pods),
        evidence: Evidence::new(first.origin, why),
        pods,
    })
}

/// The name of the workload of the first pod.
fn called(context: &Context<'_>, pods: &[PodId]) -> Option<String> {
    let pod = context.cluster.pod(*pods.first()?)?;
    let workload = context.cluster.workload(pod.workload)?;
    Some(format!("{}/{}", workload.namespace, workload.name))
}

/// The ports that a Service of the pods leads to for port 53, else those that their names or numbers say, else 53.
fn declared(context: &Context<'_>, pods: &[PodId]) -> Vec<(Protocol, TargetPort)> {
    let Some(pod) = pods.first().and_then(|id| context.cluster.pod(*id)) else { return Vec::new() };
    let selects = |service: &&Service| {
        service.namespace == pod.namespace
            && service
                .selector
                .as_ref()
                .is_some_and(|wanted| !wanted.is_empty() && pod.labels.contains_all(wanted))
    };
    let through: Vec<(Protocol, TargetPort)> = (context.cluster.services.iter().filter(selects))
        .flat_map(|service| &service.ports)
        .filter(|port| port.port == DNS_PORT)
        .map(|port| (port.protocol, port.target.clone()))
        .collect();
    if !through.is_empty() {
        return through;
    }
    let named = pod.ports.iter().filter(|port| {
        port.port == DNS_PORT
            || port.name.as_deref().is_some_and(|name| name == "dns" || name.starts_with("dns-"))
    });
    let mut ports: Vec<(Protocol, TargetPort)> =
        named.map(|port| (port.protocol, TargetPort::Number(port.port))).collect();
    if ports.is_empty() {
        ports =
            [Protocol::Udp, Protocol::Tcp].map(|protocol| (protocol, TargetPort::Number(DNS_PORT))).to_vec();
    }
    ports
}

/// The address that NodeLocal DNSCache takes where its arguments name none.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10));

/// The `-localip` arguments of NodeLocal DNSCache; those that are addresses of Services count too: on these nodes the cache
/// takes the questions to the cluster's resolver.
pub(super) fn local(context: &Context<'_>) -> Vec<LocalResolver> {
    let stated = &context.settings.cluster.node_local_dns;
    if !stated.is_empty() {
        return stated
            .iter()
            .map(|address| LocalResolver { address: *address, evidence: Evidence::stated() })
            .collect();
    }
    let mut found: Vec<LocalResolver> = Vec::new();
    let caches = NAMESPACES.iter().flat_map(|namespace| pods_of(context.cluster, namespace));
    for (_, pod) in caches.filter(|(_, pod)| !pod.finished && pod.host_network) {
        for container in images::containers(pod) {
            if images::last_name(container) != Some("k8s-dns-node-cache") {
                continue;
            }
            let mut stated = local_addresses(&container.arguments);
            let words = if stated.is_empty() {
                stated.push(LOCAL);
                format!("`{}/{}` is a resolver on every node", pod.namespace, pod.name)
            } else {
                format!("`-localip` of `{}/{}`", pod.namespace, pod.name)
            };
            for address in stated {
                let service =
                    context.cluster.services.iter().any(|service| service.cluster_ips.contains(&address));
                if service || found.iter().any(|known| known.address == address) {
                    continue;
                }
                let evidence = Evidence::new(container.origin, words.clone());
                found.push(LocalResolver { address, evidence });
            }
        }
    }
    found
}

/// The addresses after `-localip`, or after `=`, separated by commas.
fn local_addresses(arguments: &[ringfence_model::Text]) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let mut follows = false;
    for argument in arguments {
        let bare = argument.trim_start_matches('-');
        let value = match bare.strip_prefix("localip") {
            _ if follows => Some(&**argument),
            Some(rest) if argument.starts_with('-') => rest.strip_prefix('='),
            _ => None,
        };
        follows = argument.starts_with('-') && bare == "localip";
        addresses.extend(
            value
                .into_iter()
                .flat_map(|list| list.split(','))
                .filter_map(|one| one.trim().parse::<IpAddr>().ok()),
        );
    }
    addresses
}
