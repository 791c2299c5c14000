//! Which ports of a pod are worth a packet. In: a cluster. Out: for each pod the declared ports, those that Services lead
//! to, and a few that nobody declared: some that policies name, and one that none does.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::{
    cluster::Cluster,
    network_policy::NetworkPolicy,
    port::{PortMatch, PortSpec, Protocol},
    service::TargetPort,
    workload::PodId,
};

/// Undeclared ports that policies name, of which a pod gets as many as this for each protocol.
const NAMED_BY_POLICIES: usize = 2;

/// Where to look for a port that nothing mentions.
const UNMENTIONED: u16 = 20_099;

/// The ports to probe and to listen on, by pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    of_pod: BTreeMap<PodId, BTreeSet<(Protocol, u16)>>,
}

impl Ports {
    /// Of every pod that runs.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        let mentioned = mentioned(cluster);
        let mut ports = Self::default();
        for (at, pod) in (0..).zip(&cluster.pods) {
            if pod.finished {
                continue;
            }
            let set = ports.of_pod.entry(PodId(at)).or_default();
            set.extend(pod.ports.iter().map(|port| (port.protocol, port.port)));
            for (protocol, numbers) in &mentioned {
                let undeclared = numbers.iter().filter(|port| !set.contains(&(*protocol, **port)));
                let some: Vec<_> =
                    undeclared.take(NAMED_BY_POLICIES).map(|port| (*protocol, *port)).collect();
                set.extend(some);
            }
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                set.insert((protocol, unmentioned(mentioned.get(&protocol))));
            }
        }
        ports.add_service_targets(cluster);
        ports
    }

    fn add_service_targets(&mut self, cluster: &Cluster) {
        for service in &cluster.services {
            let Some(selector) = &service.selector else { continue };
            for (at, pod) in (0..).zip(&cluster.pods) {
                if pod.finished || pod.namespace != service.namespace || !selects(selector, pod) {
                    continue;
                }
                let set = self.of_pod.entry(PodId(at)).or_default();
                for port in &service.ports {
                    if let TargetPort::Number(number) = port.target {
                        set.insert((port.protocol, number));
                    }
                }
            }
        }
    }

    /// Adds a port of a pod, because somebody asks about it.
    pub fn add(&mut self, pod: PodId, protocol: Protocol, port: u16) {
        self.of_pod.entry(pod).or_default().insert((protocol, port));
    }

    /// The ports of a pod, sorted.
    pub fn of_pod(&self, pod: PodId) -> impl Iterator<Item = (Protocol, u16)> + '_ {
        self.of_pod.get(&pod).into_iter().flatten().copied()
    }

    /// All pods with their ports.
    pub fn iter(&self) -> impl Iterator<Item = (PodId, Protocol, u16)> + '_ {
        self.of_pod
            .iter()
            .flat_map(|(pod, ports)| ports.iter().map(|(protocol, port)| (*pod, *protocol, *port)))
    }
}

fn selects(selector: &ringfence_model::label::Labels, pod: &ringfence_model::workload::Pod) -> bool {
    selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
}

/// The ports that policies name by number, both ends of a range, those of most policies first.
fn mentioned(cluster: &Cluster) -> BTreeMap<Protocol, Vec<u16>> {
    let mut counts: BTreeMap<(Protocol, u16), usize> = BTreeMap::new();
    let mut add = |protocol: Option<Protocol>, spec: &PortSpec| {
        let protocol = protocol.unwrap_or(Protocol::Tcp);
        if let PortSpec::Range(first, last) = spec {
            for port in [*first, *last] {
                if port > 0 {
                    *counts.entry((protocol, port)).or_default() += 1;
                }
            }
        }
    };
    for policy in &cluster.network_policies {
        network_ports(policy).for_each(|port| add(port.protocol, &port.ports));
    }
    for policy in &cluster.tier_policies {
        let rules = policy.ingress.iter().chain(&policy.egress);
        rules.flat_map(|rule| &rule.ports).for_each(|port| add(port.protocol, &port.ports));
    }
    for spec in cluster.cilium_policies.iter().flat_map(|policy| &policy.specs) {
        let rules =
            [&spec.ingress, &spec.ingress_deny, &spec.egress, &spec.egress_deny].into_iter().flatten();
        let ports = rules.flat_map(|rule| &rule.ports).flat_map(|entry| &entry.ports);
        ports.for_each(|port| add(port.protocol, &port.ports));
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by_key(|((protocol, port), count)| (*protocol, std::cmp::Reverse(*count), *port));
    let mut by_protocol: BTreeMap<Protocol, Vec<u16>> = BTreeMap::new();
    for ((protocol, port), _) in sorted {
        by_protocol.entry(protocol).or_default().push(port);
    }
    by_protocol
}

fn network_ports(policy: &NetworkPolicy) -> impl Iterator<Item = &PortMatch> {
    policy.ingress.iter().chain(&policy.egress).flat_map(|rule| &rule.ports)
}

/// A port that no policy names, the same for every pod.
fn unmentioned(mentioned: Option<&Vec<u16>>) -> u16 {
    let taken = |port: u16| mentioned.is_some_and(|numbers| numbers.contains(&port));
    (UNMENTIONED..u16::MAX).find(|port| !taken(*port)).unwrap_or(UNMENTIONED)
}
