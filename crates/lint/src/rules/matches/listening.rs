//! On which ports pods listen, as far as the input shows. In: pods, Services and what containers are told. Out: whether
//! something says that a pod listens on a port.

use std::collections::BTreeMap;

use ringfence_model::{
    Text,
    cluster::Cluster,
    details::ProbeAction,
    origin::Origin,
    port::{PortMatch, PortSpec, Protocol},
    service::{Service, ServicePort, TargetPort},
    verdict::Direction,
    workload::Pod,
};
use ringfence_policy::compiled::PodSet;

use crate::{
    context::Context,
    selection::{Part, RuleView},
};

/// The Services of each namespace.
pub(super) struct Listening<'a> {
    cluster: &'a Cluster,
    services: BTreeMap<&'a Text, Vec<&'a Service>>,
}

/// A port of a Service that leads to another port of the pods behind it.
pub(super) struct Translated<'a> {
    /// The Service.
    pub(super) service: &'a Service,
    /// Its port.
    pub(super) port: &'a ServicePort,
    /// The port of the pods.
    pub(super) target: u16,
    /// One of the pods.
    pub(super) pod: &'a Pod,
    /// Whether all pods behind it declare the port that it leads to.
    pub(super) declared: bool,
}

impl<'a> Listening<'a> {
    pub(super) fn new(context: &Context<'a>) -> Self {
        let mut services: BTreeMap<&'a Text, Vec<&'a Service>> = BTreeMap::new();
        for service in &context.cluster.services {
            services.entry(&service.namespace).or_default().push(service);
        }
        Self { cluster: context.cluster, services }
    }

    /// One pod for each workload and each set of labels and ports of it.
    pub(super) fn kinds(&self, pods: &PodSet) -> Vec<&'a Pod> {
        let mut kinds: Vec<&'a Pod> = Vec::new();
        for pod in pods.iter().filter_map(|id| self.cluster.pod(id)) {
            // Pods of a workload are neighbours.
            let known = kinds.last().is_some_and(|last| {
                last.workload == pod.workload && last.labels == pod.labels && last.ports == pod.ports
            });
            if !known {
                kinds.push(pod);
            }
        }
        kinds
    }

    /// Whether something says that the pod listens on one of the ports: a declared port, a probe, the target of a Service, an
    /// argument or a variable with the number in it.
    pub(super) fn listens(&self, pod: &Pod, protocol: Option<Protocol>, first: u16, last: u16) -> bool {
        let range = first..=last;
        let of = |known: Protocol| protocol.is_none_or(|wanted| wanted == known);
        pod.ports.iter().any(|port| of(port.protocol) && range.contains(&port.port))
            || self.behind(pod).flat_map(|service| &service.ports).any(|port| {
                of(port.protocol)
                    && matches!(port.target, TargetPort::Number(target) if range.contains(&target))
            })
            || pod.details.iter().flat_map(|details| &details.containers).any(|container| {
                let probes = container.probes.iter().any(|probe| match &probe.action {
                    ProbeAction::Http { port: TargetPort::Number(port), .. }
                    | ProbeAction::Tcp { port: TargetPort::Number(port) }
                    | ProbeAction::Grpc { port } => range.contains(port),
                    ProbeAction::Http { .. } | ProbeAction::Tcp { .. } | ProbeAction::Exec => false,
                });
                let values = container.env.iter().filter_map(|variable| variable.value.as_deref());
                let told = container.arguments.iter().map(|argument| &**argument).chain(values);
                probes || told.into_iter().any(|text| mentions(text, first, last))
            })
    }

    /// The Services that lead to a pod.
    fn behind(&self, pod: &Pod) -> impl Iterator<Item = &'a Service> {
        let services = self.services.get(&pod.namespace).map(Vec::as_slice).unwrap_or_default();
        services.iter().copied().filter(|service| {
            service
                .selector
                .as_ref()
                .is_some_and(|wanted| !wanted.is_empty() && pod.labels.contains_all(wanted))
        })
    }

    /// A Service with this port that leads to another one of some of the pods.
    pub(super) fn translated(
        &self,
        kinds: &[&'a Pod],
        protocol: Protocol,
        wanted: u16,
    ) -> Option<Translated<'a>> {
        kinds.iter().find_map(|pod| {
            // Clients of a headless Service connect to the port that they name.
            let services = self.behind(pod).filter(|service| !service.headless);
            services.into_iter().find_map(|service| {
                let mut ports = service.ports.iter();
                let port = ports.find(|port| port.port == wanted && port.protocol == protocol)?;
                let target = resolve(pod, port)?;
                let declares = |pod: &Pod| {
                    pod.ports.iter().any(|known| known.protocol == protocol && known.port == target)
                };
                (target != wanted).then(|| Translated { service, port, target, pod, declared: declares(pod) })
            })
        })
    }
}

fn resolve(pod: &Pod, port: &ServicePort) -> Option<u16> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => pod.named_ports(name, port.protocol).next(),
    }
}

/// Whether a text has a number of the range in it.
fn mentions(text: &str, first: u16, last: u16) -> bool {
    let numbers = text.split(|letter: char| !letter.is_ascii_digit());
    numbers
        .into_iter()
        .filter_map(|digits| digits.parse::<u16>().ok())
        .any(|port| (first..=last).contains(&port))
}

/// A port entry of a rule with the pods that it is about.
pub(super) struct Aimed<'p, 'a> {
    pub(super) part: &'p Part<'a>,
    pub(super) rule: &'p RuleView<'a>,
    pub(super) port: &'a PortMatch,
    pub(super) pods: PodSet,
}

/// Every port entry of a rule about some pods.
pub(super) fn aimed<'p, 'a>(context: &'p Context<'a>) -> impl Iterator<Item = Aimed<'p, 'a>> {
    let rules =
        context.selections().parts.iter().flat_map(|part| part.rules.iter().map(move |rule| (part, rule)));
    let rules = rules.filter(|(_, rule)| rule.ports.iter().any(|port| port.ports != PortSpec::All));
    rules
        .filter_map(|(part, rule)| {
            let pods = part.destinations(rule).filter(|pods| !pods.is_empty())?;
            Some(rule.ports.iter().map(move |port| Aimed { part, rule, port, pods: pods.clone() }))
        })
        .flatten()
}

impl Aimed<'_, '_> {
    /// Whether labels choose the pods, not a namespace as a whole.
    pub(super) fn is_chosen_by_labels(&self) -> bool {
        match self.rule.direction {
            Direction::Ingress => self.part.subject.asks_pods(),
            Direction::Egress => self.rule.places().all(|place| place.asks_pods()),
        }
    }

    /// Where the port is written: its value, else the whole entry.
    pub(super) fn origin(&self, context: &Context<'_>) -> Origin {
        let path = [&["port".into()][..], &["portNumber".into(), "port".into()], &["namedPort".into()]];
        let value = path.into_iter().find_map(|path| context.places.value(self.port.origin, path));
        value.unwrap_or(self.port.origin)
    }

    /// Whether another entry of the rule leads to a port that a pod listens on: this one may be there for other settings.
    pub(super) fn is_beside_a_good_one(&self, listening: &Listening<'_>, pods: &[&Pod]) -> bool {
        self.rule.ports.iter().any(|entry| match &entry.ports {
            PortSpec::All => true,
            PortSpec::Range(first, last) => {
                pods.iter().any(|pod| listening.listens(pod, entry.protocol, *first, *last))
            }
            PortSpec::Named(name) => pods.iter().flat_map(|pod| &pod.ports).any(|port| {
                port.name.as_ref() == Some(name) && entry.protocol.is_none_or(|one| one == port.protocol)
            }),
        })
    }

    /// Whether another entry of the rule lets a port through.
    pub(super) fn rule_has(&self, protocol: Protocol, port: u16) -> bool {
        self.rule.ports.iter().any(|entry| {
            entry.protocol.is_none_or(|known| known == protocol)
                && match entry.ports {
                    PortSpec::All => true,
                    PortSpec::Range(first, last) => (first..=last).contains(&port),
                    PortSpec::Named(_) => false,
                }
        })
    }
}
