//! Who can ask a resolver. In: the cluster, and what is known about its resolver. Out: the pods that cannot, and the policies at
//! which that lies.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use ringfence_model::{
    address::Family,
    cilium::Entity,
    flow::{Endpoint, Flow},
    network_policy::PolicyMeta,
    origin::Origin,
    port::Protocol,
    tier::Action,
    verdict::{Direction, Outcome, Reason},
    workload::{Pod, PodId},
};
use ringfence_policy::compiled::CellId;

use super::{
    openings::{Opening, Policies, Who},
    passage::{Cut, denied, flow},
    references::{Services, outside, references},
};
use crate::{
    context::Context,
    facts::{
        Resolver,
        backends::pods_of,
        dns::{DNS_PORT, NAMESPACES},
    },
};

/// Ports at which resolvers' pods listen: the well-known one, and OpenShift's.
const POD_PORTS: [u16; 2] = [DNS_PORT, 5353];

/// Addresses at which node-local resolvers listen by default: NodeLocal DNSCache, that of Kubespray, that of AKS.
const LOCAL: [Ipv4Addr; 3] =
    [Ipv4Addr::new(169, 254, 20, 10), Ipv4Addr::new(169, 254, 25, 10), Ipv4Addr::new(169, 254, 10, 10)];

/// A policy, or a rule that denies, at which it lies that something does not pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Culprit {
    /// Where it is written.
    pub(super) origin: Origin,
    /// The name of the policy.
    pub(super) name: String,
    /// Whether a rule of the policy denies outright.
    pub(super) denies: bool,
    /// The side.
    pub(super) direction: Direction,
}

/// What a pod's questions come to.
#[derive(Clone)]
pub(super) enum Asking {
    /// They pass, or it is not known whether they do.
    Passes,
    /// They are dropped, and what drops them. Nothing passes to the sample, where the resolver's pods are known.
    Cut(Arc<[Culprit]>, Option<Flow>),
}

/// The questions of pods.
pub(super) struct Questions<'c, 'a> {
    context: &'c Context<'a>,
    pub(super) policies: Policies<'c>,
    services: Services<'c>,
    /// Whether the pods of a namespace show that they could answer questions.
    answering: BTreeMap<&'c str, bool>,
    /// What the questions of pods come to that no policy can tell apart; nothing where their nodes may matter.
    known: Option<RefCell<Known>>,
}

type Known = BTreeMap<(CellId, Protocol), Asking>;

impl<'c, 'a> Questions<'c, 'a> {
    pub(super) fn new(context: &'c Context<'a>) -> Self {
        let mut answering: BTreeMap<&str, bool> = BTreeMap::new();
        for pod in &context.cluster.pods {
            let answers = pod.ports.iter().any(|port| POD_PORTS.contains(&port.port));
            *answering.entry(&pod.namespace).or_default() |= answers;
        }
        let resolvers = context.facts().dns.iter().flat_map(|resolver| &resolver.pods);
        let on_nodes =
            resolvers.filter_map(|id| context.cluster.pod(*id)).any(|resolver| resolver.host_network);
        let known = (!on_nodes && context.cluster.cilium_policies.is_empty()).then(RefCell::default);
        Self {
            context,
            policies: Policies::new(context),
            services: Services::new(context.cluster),
            answering,
            known,
        }
    }

    /// The pods that ask the cluster's resolver.
    pub(super) fn askers(&self) -> impl Iterator<Item = (PodId, &'c Pod)> {
        let dns = &self.context.facts().dns;
        let asks = move |(id, pod): &(PodId, &Pod)| {
            let policy = pod.details.as_ref().and_then(|details| details.dns_policy.as_deref());
            !pod.finished
                && !pod.host_network
                && !matches!(policy, Some("None" | "Default"))
                && !dns.iter().any(|resolver| resolver.pods.binary_search(id).is_ok())
        };
        (0..).map(PodId).zip(&self.context.cluster.pods).filter(asks)
    }

    /// What becomes of the questions that a pod asks over a protocol.
    pub(super) fn ask(&self, id: PodId, protocol: Protocol) -> Asking {
        let cell = self.known.as_ref().and_then(|known| Some((known, self.context.reach().cell_of(id)?)));
        let Some((known, cell)) = cell else { return self.ask_anew(id, protocol) };
        let asked = known.borrow().get(&(cell, protocol)).cloned();
        match asked {
            Some(Asking::Cut(culprits, sample)) => {
                Asking::Cut(culprits, sample.map(|flow| Flow { from: Endpoint::Pod(id), ..flow }))
            }
            Some(Asking::Passes) => Asking::Passes,
            None => {
                let asking = self.ask_anew(id, protocol);
                known.borrow_mut().insert((cell, protocol), asking.clone());
                asking
            }
        }
    }

    fn ask_anew(&self, id: PodId, protocol: Protocol) -> Asking {
        let resolvers = &self.context.facts().dns;
        let mut culprits = Vec::new();
        let mut sample = None;
        if resolvers.is_empty() {
            let isolating = self.policies.isolating(id, Direction::Egress);
            if isolating.is_empty() || !self.to_resolvers(id, protocol).is_empty() {
                return Asking::Passes;
            }
            culprits.extend(isolating.iter().map(|meta| self::isolating(meta, Direction::Egress)));
        }
        for resolver in resolvers {
            let Some(flow) = self.denied_from(id, resolver, protocol) else { return Asking::Passes };
            culprits.extend(self.culprits(id, resolver, &flow));
            sample.get_or_insert(flow);
        }
        let local = self.context.facts().node_local_dns.iter().map(|local| local.address);
        // Where nothing isolates the pod, every address is open to it: that does not show that a resolver answers there.
        let isolated = !self.policies.isolating(id, Direction::Egress).is_empty();
        let usual = LOCAL.map(IpAddr::V4).into_iter().filter(|_| isolated);
        if local.chain(usual).any(|address| self.passes_to(id, address, protocol)) {
            return Asking::Passes;
        }
        culprits.sort();
        culprits.dedup();
        Asking::Cut(culprits.into(), sample)
    }

    /// A sample of what is denied between a pod and a resolver; nothing if anything passes.
    fn denied_from(&self, id: PodId, resolver: &Resolver, protocol: Protocol) -> Option<Flow> {
        let cluster = self.context.cluster;
        let target = |to: &PodId| Some((*to, resolver.port(cluster.pod(*to)?, protocol)?));
        let targets: Vec<(PodId, u16)> = resolver.pods.iter().filter_map(target).collect();
        denied(self.context, &[id], &targets, protocol)
    }

    /// What denies the questions of a pod: mostly plain to see, else the engine is asked why.
    fn culprits(&self, id: PodId, resolver: &Resolver, flow: &Flow) -> Vec<Culprit> {
        let cluster = self.context.cluster;
        let own = self.policies.isolating(id, Direction::Egress);
        let mut theirs = resolver.pods.iter().map(|id| self.policies.isolating(*id, Direction::Ingress));
        let no_denials = cluster.tier_policies.is_empty() && cluster.cilium_policies.is_empty();
        if no_denials && !own.is_empty() && theirs.all(<[_]>::is_empty) {
            return own.iter().map(|meta| isolating(meta, Direction::Egress)).collect();
        }
        culprits(&Cut::of(self.context.compiled, flow.clone()))
    }

    /// Whether a question to an address may pass.
    pub(super) fn passes_to(&self, id: PodId, address: IpAddr, protocol: Protocol) -> bool {
        let ends = (Endpoint::Pod(id), Endpoint::Address(address));
        let flow = flow(ends.0, ends.1, Family::of(address), protocol, DNS_PORT);
        self.context.compiled.outcome(&flow) != Outcome::Deny
    }

    /// The peers of a pod's rules that could be a resolver of which the input shows nothing.
    pub(super) fn to_resolvers(&self, id: PodId, protocol: Protocol) -> Vec<Opening<'c>> {
        let openings = POD_PORTS
            .iter()
            .flat_map(|port| self.policies.openings(id, Direction::Egress, Some((protocol, *port))));
        openings.filter(|opening| self.may_resolve(opening)).collect()
    }

    /// The rules of a pod that name the port of DNS.
    pub(super) fn for_dns(&self, id: PodId) -> Vec<Opening<'c>> {
        let openings = [Protocol::Udp, Protocol::Tcp]
            .into_iter()
            .flat_map(|protocol| self.policies.openings(id, Direction::Egress, Some((protocol, DNS_PORT))));
        openings.filter(|opening| opening.port.is_some()).collect()
    }

    fn may_resolve(&self, opening: &Opening<'_>) -> bool {
        let answers = |namespace: &str| {
            NAMESPACES.contains(&namespace) || self.answering.get(namespace).copied().unwrap_or(true)
        };
        match opening.who {
            Who::Everyone | Who::Addresses | Who::Address | Who::Other => true,
            Who::Name => false,
            Who::Entity(entity) => entity != Entity::None,
            Who::Pods { own: Some(own), .. } => answers(own),
            Who::Pods { own: None, namespaces: None } => true,
            Who::Pods { own: None, namespaces: Some(selector) } => {
                let mut selected = self.context.scope.namespaces(selector).into_iter().peekable();
                NAMESPACES.iter().any(|name| self.policies.may_select(selector, name))
                    || selected.peek().is_none()
                    || selected.any(|namespace| answers(&namespace.name))
            }
        }
    }

    /// Whether rules let a pod out to what it asks for by a name: pods, and names. Addresses, and with them the API server, whose
    /// address every pod is told, are not.
    pub(super) fn needs_names(&self, id: PodId) -> bool {
        let openings = self.policies.openings(id, Direction::Egress, None);
        openings.iter().any(|opening| matches!(opening.who, Who::Pods { .. } | Who::Name))
    }

    /// Whether a pod's environment or arguments name Services, or hosts outside to which rules may let it out.
    pub(super) fn is_told_names(&self, id: PodId) -> bool {
        self.context.cluster.pod(id).is_some_and(|pod| {
            !references(self.context, &self.services, pod).is_empty()
                || (self.is_let_out(id) && !outside(&self.services, pod).is_empty())
        })
    }

    /// Whether rules let a pod out to anything that may have a name: one address is more likely to be known itself.
    pub(super) fn is_let_out(&self, id: PodId) -> bool {
        let openings = self.policies.openings(id, Direction::Egress, None);
        openings.iter().any(|opening| !matches!(opening.who, Who::Entity(Entity::None) | Who::Address))
    }

    /// Whether a namespace shows a pod that runs.
    pub(super) fn pods_in(&self, namespace: &str) -> usize {
        pods_of(self.context.cluster, namespace).filter(|(_, pod)| !pod.finished && !pod.host_network).count()
    }
}

/// A policy that isolates.
fn isolating(meta: &PolicyMeta, direction: Direction) -> Culprit {
    Culprit { origin: meta.origin, name: meta.full_name(), denies: false, direction }
}

/// What denies a sample: the egress side comes first, since nobody looks at the other as long as it denies.
fn culprits(cut: &Cut) -> Vec<Culprit> {
    let direction = if cut.denies(Direction::Egress) { Direction::Egress } else { Direction::Ingress };
    let reasons = cut.side(direction).reasons.iter();
    let culprit = |reason: &Reason| match reason {
        Reason::Rule(rule) if rule.action == Action::Deny => {
            Some(Culprit { origin: rule.origin, name: rule.policy.full_name(), denies: true, direction })
        }
        Reason::Isolated(meta) => Some(isolating(meta, direction)),
        _ => None,
    };
    reasons.filter_map(culprit).collect()
}

/// Pods that the same cuts off.
type Alike<T> = (Vec<T>, Arc<[Culprit]>);

/// Pods by what cuts them off: of several policies that cut off the same pods, the one that cuts off most pods of their
/// namespace.
pub(super) fn attribute<'a, T: Copy + Ord>(
    cut: impl IntoIterator<Item = (&'a str, T, Arc<[Culprit]>)>,
) -> BTreeMap<Culprit, Vec<T>> {
    // Pods that no policy can tell apart share their culprits, which can be thousands.
    let mut by_namespace: BTreeMap<&str, Vec<Alike<T>>> = BTreeMap::new();
    for (namespace, pod, culprits) in cut {
        let alike = by_namespace.entry(namespace).or_default();
        match alike.iter_mut().find(|(_, known)| Arc::ptr_eq(known, &culprits)) {
            Some((pods, _)) => pods.push(pod),
            None => alike.push((vec![pod], culprits)),
        }
    }
    let mut attributed: BTreeMap<Culprit, Vec<T>> = BTreeMap::new();
    for mut alike in by_namespace.into_values() {
        let mut count: BTreeMap<&Culprit, usize> = BTreeMap::new();
        for (pods, culprits) in &alike {
            for culprit in culprits.iter() {
                *count.entry(culprit).or_default() += pods.len();
            }
        }
        let mut order: Vec<(usize, Culprit)> =
            count.into_iter().map(|(culprit, pods)| (pods, culprit.clone())).collect();
        order.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (_, culprit) in order {
            if alike.is_empty() {
                break;
            }
            // Culprits are sorted.
            let (of_it, rest): (Vec<_>, Vec<_>) =
                alike.into_iter().partition(|(_, culprits)| culprits.binary_search(&culprit).is_ok());
            alike = rest;
            if !of_it.is_empty() {
                let pods = of_it.into_iter().flat_map(|(pods, _)| pods);
                attributed.entry(culprit).or_default().extend(pods);
            }
        }
    }
    for pods in attributed.values_mut() {
        pods.sort();
    }
    attributed
}
