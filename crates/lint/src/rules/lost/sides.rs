//! Rules of one side that the other side defeats. In: the cluster. Out: rules, or peers or ports of rules, of which nothing passes
//! because the other end denies it.

use std::sync::Arc;

use ringfence_model::{
    cilium::{CiliumPeer, CiliumRule},
    flow::{Endpoint, Flow},
    label::{Operator, Selector},
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule, PolicyMeta},
    origin::Origin,
    port::{PortMatch, PortSet, PortSpec, Protocol},
    tier::{Action, TierPeer, TierRule},
    verdict::{Direction, Outcome},
    workload::{Pod, PodId},
};
use ringfence_policy::{
    compiled::{CellId, PodSet},
    permit::Permit,
};

use super::passage::{Cut, flow, pods};
use crate::context::Context;

/// Of more pairs nothing is said.
const MOST_PAIRS: usize = 2048;

/// So many denied pairs are looked at for who denies them.
const LOOKED_AT: usize = 4;

/// Something that a rule allows and the other end denies.
pub(crate) struct OneSided {
    /// The policy.
    pub(crate) policy: Arc<PolicyMeta>,
    /// Where the peer, the value of its selector, or the port is written.
    pub(crate) origin: Origin,
    /// The port that does not pass, if other ports of the rule do.
    pub(crate) port: Option<PortMatch>,
    /// Whether the peer names pods, or one of them declares a port that the rule names: a whole namespace or everybody was
    /// hardly meant as a whole.
    pub(crate) named: bool,
    /// Whether the peer is one of several values of a selector: somebody who may be on the list by mistake.
    pub(crate) listed: bool,
    /// The pods that the policy applies to.
    pub(crate) subjects: PodSet,
    /// The pods of the peer.
    pub(crate) others: PodSet,
    /// The ports of the rule.
    pub(crate) ports: Vec<PortMatch>,
    /// A sample.
    pub(crate) flow: Flow,
}

/// The rule of one side, if one is about the same gap: what is reported of it says the rest too.
pub(super) fn told_by_a_side<'c>(context: &'c Context<'_>, flow: &Flow) -> Option<&'c OneSided> {
    let has = |set: &PodSet, pod: Option<PodId>| pod.is_some_and(|pod| set.contains(pod));
    let mut ends = pods(flow);
    let (from, to) = (ends.next(), ends.next());
    let mut sides =
        [Direction::Egress, Direction::Ingress].into_iter().flat_map(|way| context.one_sided(way));
    sides.find(|side| {
        (has(&side.subjects, from) && has(&side.others, to))
            || (has(&side.others, from) && has(&side.subjects, to))
    })
}

/// A rule that allows, of any dialect.
struct Allow<'c> {
    policy: &'c Arc<PolicyMeta>,
    subjects: PodSet,
    units: Vec<Unit>,
    /// Whether it has peers that are no pods.
    more: bool,
    ports: Vec<PortMatch>,
}

/// Pods that a peer names.
struct Unit {
    pods: PodSet,
    origin: Origin,
    named: bool,
    listed: bool,
}

/// What one side allows and the other denies: `direction` is that of the rules.
pub(crate) fn one_sided(context: &Context<'_>, direction: Direction) -> Vec<OneSided> {
    let mut found = Vec::new();
    let mut each = |allow: Allow<'_>| judge(context, direction, &allow, &mut found);
    let cluster = context.cluster;
    for policy in cluster.network_policies.iter().filter(|policy| !policy.meta.audit) {
        let (isolates, rules) = match direction {
            Direction::Ingress => (policy.isolates_ingress, &policy.ingress),
            Direction::Egress => (policy.isolates_egress, &policy.egress),
        };
        let selecting =
            |rule: &&NetworkRule| rule.peers.iter().any(|peer| matches!(peer, NetworkPeer::Pods { .. }));
        for rule in rules.iter().filter(|rule| isolates && selecting(rule)) {
            each(network(context, policy, rule));
        }
    }
    for policy in cluster.tier_policies.iter().filter(|policy| !policy.meta.audit) {
        let rules = if direction == Direction::Ingress { &policy.ingress } else { &policy.egress };
        for rule in rules.iter().filter(|rule| rule.action == Action::Accept) {
            let subjects = context.scope.tier_subject(policy);
            each(Allow { policy: &policy.meta, subjects, ..tier(context, &policy.meta, rule) });
        }
    }
    for policy in cluster.cilium_policies.iter().filter(|policy| !policy.meta.audit) {
        for spec in &policy.specs {
            let rules = if direction == Direction::Ingress { &spec.ingress } else { &spec.egress };
            for rule in rules {
                let peer = |peer: &CiliumPeer| context.scope.cilium_peer(policy, peer);
                let subjects = context.scope.cilium_subject(policy, spec);
                each(Allow { subjects, ..cilium(&policy.meta, rule, peer) });
            }
        }
    }
    found
}

fn network<'c>(context: &Context<'_>, policy: &'c NetworkPolicy, rule: &NetworkRule) -> Allow<'c> {
    let mut units = Vec::new();
    for peer in &rule.peers {
        let NetworkPeer::Pods { namespace, pod, origin } = peer else { continue };
        // Every pod of the cluster: nobody in particular is meant.
        if namespace.as_ref().is_some_and(Selector::is_empty) && pod.as_ref().is_none_or(Selector::is_empty) {
            continue;
        }
        let pods = context.scope.network_peer(policy, peer);
        match pod.as_ref().and_then(values) {
            Some((key, values, list)) => units.extend(values.iter().enumerate().map(|(at, value)| {
                let has = |id: &PodId| {
                    context.cluster.pod(*id).is_some_and(|pod| pod.labels.get(key) == Some(value))
                };
                let origin = context.places.value(list, &["values".into(), at.into()]).unwrap_or(*origin);
                Unit { pods: pods.iter().filter(has).collect(), origin, named: true, listed: true }
            })),
            None => {
                let named = pod.as_ref().is_some_and(|selector| !selector.is_empty());
                units.push(Unit { pods, origin: *origin, named, listed: false });
            }
        }
    }
    Allow {
        policy: &policy.meta,
        subjects: context.scope.network_subject(policy),
        more: rule.peers.iter().any(|peer| matches!(peer, NetworkPeer::IpBlock { .. })),
        units,
        ports: rule.ports.clone(),
    }
}

/// The key, the values and the place of the one requirement that lists several values: each of them names somebody.
fn values(selector: &Selector) -> Option<(&str, &[ringfence_model::Text], Origin)> {
    let mut lists = (selector.requirements.iter())
        .filter(|requirement| requirement.operator == Operator::In && requirement.values.len() > 1);
    match (lists.next(), lists.next()) {
        (Some(one), None) => Some((&one.key, &one.values, one.origin)),
        _ => None,
    }
}

fn tier<'c>(context: &Context<'_>, policy: &'c Arc<PolicyMeta>, rule: &TierRule) -> Allow<'c> {
    let unit = |peer: &TierPeer| match peer {
        TierPeer::Namespaces(selector, origin) => (!selector.is_empty()).then_some((*origin, false)),
        TierPeer::Pods { pod, origin, .. } => Some((*origin, !pod.is_empty())),
        _ => None,
    };
    let units: Vec<Unit> = (rule.peers.iter())
        .filter_map(|peer| {
            unit(peer).map(|(origin, named)| Unit {
                pods: context.scope.tier_peer(peer),
                origin,
                named,
                listed: false,
            })
        })
        .collect();
    Allow {
        policy,
        subjects: PodSet::default(),
        more: units.len() < rule.peers.len(),
        units,
        ports: rule.ports.clone(),
    }
}

fn cilium<'c>(
    policy: &'c Arc<PolicyMeta>,
    rule: &CiliumRule,
    pods: impl Fn(&CiliumPeer) -> PodSet,
) -> Allow<'c> {
    let peers = rule.peers.as_deref().unwrap_or_default();
    let units: Vec<Unit> = (peers.iter())
        .filter_map(|peer| match peer {
            CiliumPeer::Endpoints(selector, origin) => {
                Some(Unit { pods: pods(peer), origin: *origin, named: !selector.is_empty(), listed: false })
            }
            CiliumPeer::Service(_, origin) => {
                Some(Unit { pods: pods(peer), origin: *origin, named: true, listed: false })
            }
            _ => None,
        })
        .collect();
    // A rule about ICMP alone is about no port.
    let only_icmp = rule.ports.is_empty() && !rule.icmps.is_empty();
    Allow {
        policy,
        subjects: PodSet::default(),
        more: units.len() < peers.len(),
        units: if only_icmp { Vec::new() } else { units },
        ports: rule.ports.iter().flat_map(|ports| &ports.ports).cloned().collect(),
    }
}

/// What becomes of the connections that a rule allows between its subjects and some pods.
enum Passing {
    /// Something may pass, or nothing can be said.
    Some,
    /// Nothing does, and the other end is what denies.
    Nothing(Flow),
}

fn judge(context: &Context<'_>, direction: Direction, allow: &Allow<'_>, found: &mut Vec<OneSided>) {
    let units: Vec<&Unit> = allow.units.iter().filter(|unit| !unit.pods.is_empty()).collect();
    if units.is_empty() || allow.subjects.is_empty() {
        return;
    }
    let ends = |unit: &Unit| match direction {
        Direction::Egress => (allow.subjects.clone(), unit.pods.clone()),
        Direction::Ingress => (unit.pods.clone(), allow.subjects.clone()),
    };
    // Somebody there declares a port that the rule names: those were meant.
    let declares = |unit: &Unit| {
        let mut pods = unit.pods.iter().filter_map(|id| context.cluster.pod(id));
        direction == Direction::Egress
            && !allow.ports.is_empty()
            && pods.any(|pod| !pod.ports.is_empty() && is_declared(pod, &allow.ports))
    };
    let report = |unit: &Unit, origin, port, flow| OneSided {
        policy: allow.policy.clone(),
        origin,
        port,
        named: unit.named || declares(unit),
        listed: unit.listed,
        subjects: allow.subjects.clone(),
        others: unit.pods.clone(),
        ports: allow.ports.clone(),
        flow,
    };
    let mut open = Vec::new();
    for unit in &units {
        let (from, to) = ends(unit);
        if is_resolver(context, &to) {
            return;
        }
        match passing(context, direction, &from, &to, &allow.ports) {
            Passing::Nothing(flow) => found.push(report(unit, unit.origin, None, flow)),
            Passing::Some => open.push(*unit),
        }
    }
    // A port that passes to nobody, where others do.
    if allow.more || allow.ports.len() < 2 {
        return;
    }
    for port in &allow.ports {
        let one = std::slice::from_ref(port);
        let mut cuts = open.iter().map(|unit| {
            let (from, to) = ends(unit);
            match passing(context, direction, &from, &to, one) {
                Passing::Nothing(flow) => Some((*unit, flow)),
                Passing::Some => None,
            }
        });
        let Some(Some((unit, flow))) = cuts.next() else { continue };
        if cuts.all(|cut| cut.is_some()) {
            found.push(report(unit, port.origin, Some(port.clone()), flow));
        }
    }
}

/// Whether these pods are the resolver's: what is cut off from it is for another rule to say.
fn is_resolver(context: &Context<'_>, pods: &PodSet) -> bool {
    let mut resolvers = context.facts().dns.iter().flat_map(|resolver| &resolver.pods);
    resolvers.any(|id| pods.contains(*id))
}

fn passing(
    context: &Context<'_>,
    direction: Direction,
    from: &PodSet,
    to: &PodSet,
    ports: &[PortMatch],
) -> Passing {
    let reach = context.reach();
    let cells = |pods: &PodSet| {
        let mut cells: Vec<CellId> = pods.iter().filter_map(|pod| reach.cell_of(pod)).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    };
    let (sources, targets) = (cells(from), cells(to));
    if sources.len().saturating_mul(targets.len()) > MOST_PAIRS {
        return Passing::Some;
    }
    let member = |cell: CellId, of: &PodSet, not: Option<PodId>| {
        let cell = reach.cells().get(cell.0 as usize)?;
        cell.pods.iter().copied().find(|pod| of.contains(*pod) && Some(*pod) != not)
    };
    let (mut first, mut looked_at, mut declared) = (None, 0, false);
    for target in &targets {
        for source in &sources {
            let Some(to) = member(*target, to, None) else { continue };
            let Some(from) = member(*source, from, Some(to)) else { continue };
            let Some(pod) = context.cluster.pod(to) else { continue };
            let permit = reach.permit(*source, *target);
            if (ports.is_empty() && !permit.is_empty())
                || ports.iter().any(|port| intersects(&permit, port, pod))
            {
                return Passing::Some;
            }
            let Some((protocol, port)) = sample_port(pod, ports) else { continue };
            declared |= is_declared(pod, ports);
            if looked_at == LOOKED_AT {
                continue;
            }
            looked_at += 1;
            let Some(flow) = sample(context, from, to, protocol, port) else { return Passing::Some };
            // The rule allows it at its own end: only a rule that denies can be stronger.
            let may_deny =
                !context.cluster.tier_policies.is_empty() || !context.cluster.cilium_policies.is_empty();
            if may_deny {
                let cut = Cut::of(context.compiled, flow.clone());
                let other =
                    if direction == Direction::Egress { Direction::Ingress } else { Direction::Egress };
                if cut.denies(direction) || !cut.denies(other) {
                    return Passing::Some;
                }
            }
            first.get_or_insert(flow);
        }
    }
    match first.filter(|_| declared) {
        Some(flow) => Passing::Nothing(flow),
        None => Passing::Some,
    }
}

fn sample(context: &Context<'_>, from: PodId, to: PodId, protocol: Protocol, port: u16) -> Option<Flow> {
    let families = &context.facts().families;
    families.iter().find_map(|family| {
        let flow = flow(Endpoint::Pod(from), Endpoint::Pod(to), *family, protocol, port);
        (context.compiled.outcome(&flow) == Outcome::Deny).then_some(flow)
    })
}

/// The protocols of an entry.
fn protocols(entry: &PortMatch) -> impl Iterator<Item = Protocol> {
    let own = entry.protocol;
    Protocol::WITH_PORTS.into_iter().filter(move |protocol| own.is_none_or(|own| own == *protocol))
}

/// The ports that an entry means on a pod.
fn on(pod: &Pod, entry: &PortMatch, protocol: Protocol) -> PortSet {
    match &entry.ports {
        PortSpec::All => PortSet::all(),
        PortSpec::Range(first, last) => PortSet::range(*first, *last),
        PortSpec::Named(name) => {
            PortSet::from_ranges(pod.named_ports(name, protocol).map(|port| (port, port)))
        }
    }
}

fn intersects(permit: &Permit, entry: &PortMatch, pod: &Pod) -> bool {
    let sets = (permit.allowed.iter().chain(&permit.maybe).map(|(protocol, ports)| (*protocol, ports)))
        .chain(permit.conditional.iter().map(|conditional| (conditional.protocol, &conditional.ports)));
    let mut sets = sets.filter(|(protocol, _)| entry.protocol.is_none_or(|own| own == *protocol));
    sets.any(|(protocol, ports)| !ports.intersection(&on(pod, entry, protocol)).is_empty())
}

/// A port to ask about: one that the pod declares, if the rule has one.
fn sample_port(pod: &Pod, ports: &[PortMatch]) -> Option<(Protocol, u16)> {
    let allowed = |protocol, port| {
        ports.is_empty()
            || ports.iter().any(|entry| {
                protocols(entry).any(|own| own == protocol) && on(pod, entry, protocol).contains(port)
            })
    };
    let own = pod.ports.iter().map(|port| (port.protocol, port.port));
    own.clone().find(|(protocol, port)| allowed(*protocol, *port)).or_else(|| {
        let any = ports.iter().find_map(|entry| {
            protocols(entry).find_map(|protocol| {
                on(pod, entry, protocol).ranges().first().map(|(first, _)| (protocol, *first))
            })
        });
        any.or_else(|| ports.is_empty().then_some((Protocol::Tcp, 1)))
    })
}

/// Whether the pod declares a port of the rule, or none at all: a rule for a port that nobody listens on is another fault.
fn is_declared(pod: &Pod, ports: &[PortMatch]) -> bool {
    pod.ports.is_empty()
        || ports.is_empty()
        || pod.ports.iter().any(|port| {
            ports.iter().any(|entry| {
                protocols(entry).any(|own| own == port.protocol)
                    && on(pod, entry, port.protocol).contains(port.port)
            })
        })
}
