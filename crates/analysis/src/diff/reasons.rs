//! Why a connection changed. In: two states and the ports that changed. Out: the lines of policy that decided a sample
//! connection in each, on the sides that decided differently.

use std::sync::Arc;

use ringfence_model::{
    address::{Family, IpSet},
    flow::{Endpoint, Flow},
    network_policy::PolicyMeta,
    origin::Origin,
    port::{PortSet, Protocol},
    tier::Action,
    verdict::{Direction, Outcome, Reason, Side, Verdict},
};
use ringfence_policy::{Judge as _, permit::Permit};
use rustc_hash::FxHashMap;

use super::{Both, ends::Pair, gained};
use crate::connections::Map;

/// So many pairs of kinds of workloads are explained. A difference with more of them (no policy is left, say) has one
/// cause, which the first ones show; the reasons of all would fill the memory.
const MOST_EXPLAINED: usize = 20_000;

/// Which of the two states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The old one.
    Before,
    /// The new one.
    After,
}

impl State {
    /// `before` or `after`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// What a policy did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A rule of it let the connection through.
    Allows(Arc<PolicyMeta>),
    /// A rule of it dropped the connection.
    Denies(Arc<PolicyMeta>),
    /// It isolates the pod, and no rule lets the connection through.
    Isolates(Arc<PolicyMeta>),
    /// No policy isolates the pod.
    NotIsolated,
    /// A fact is missing.
    Unknown,
}

impl What {
    /// In words: `NetworkPolicy shop/api allows`.
    #[must_use]
    pub fn words(&self) -> String {
        let name = |policy: &PolicyMeta| format!("{} {}", policy.kind.as_str(), policy.full_name());
        match self {
            Self::Allows(policy) => format!("{} allows", name(policy)),
            Self::Denies(policy) => format!("{} denies", name(policy)),
            Self::Isolates(policy) => format!("{} isolates", name(policy)),
            Self::NotIsolated => "no policy isolates".to_owned(),
            Self::Unknown => "a fact is missing".to_owned(),
        }
    }
}

/// One reason for a change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Because {
    /// In which state it holds.
    pub state: State,
    /// On which side of the connection.
    pub direction: Direction,
    /// What it is.
    pub what: What,
    /// `file:line` of the rule or the policy, if a text holds it.
    pub place: Option<String>,
}

/// Reasons by classes: workloads that no policy can tell apart have the same.
pub(super) struct Reasons<'b, 'a> {
    both: &'b Both<'a>,
    known: FxHashMap<(usize, usize, bool), Arc<[Because]>>,
}

impl<'b, 'a> Reasons<'b, 'a> {
    pub(super) fn new(both: &'b Both<'a>) -> Self {
        Self { both, known: FxHashMap::default() }
    }

    /// Why the connections between two workloads changed.
    pub(super) fn inside(
        &mut self,
        from: &Pair,
        to: &Pair,
        before: &Permit,
        after: &Permit,
    ) -> Arc<[Because]> {
        let key = (from.class, to.class, from.key == to.key);
        let both = self.both;
        let made = || {
            // Replicas that reach each other are two pods.
            let of_each = if key.2 { 2 } else { 1 };
            let pods = |map, unit| pods(map, unit, of_each);
            let old = Sample::of(&both.old, pods(&both.old, from.old), pods(&both.old, to.old));
            let new = Sample::of(&both.new, pods(&both.new, from.new), pods(&both.new, to.new));
            explain(&old, &new, before, after)
        };
        let full = self.known.len() >= MOST_EXPLAINED;
        match self.known.get(&key) {
            Some(known) => known.clone(),
            None if full => Arc::default(),
            None => self.known.entry(key).or_insert_with(made).clone(),
        }
    }

    /// Why the connections between a workload and addresses outside changed.
    pub(super) fn outside(
        &self,
        pair: &Pair,
        addresses: &IpSet,
        direction: Direction,
        before: &Permit,
        after: &Permit,
    ) -> Arc<[Because]> {
        let sample = |map: &'b Map<'a>, unit: Option<usize>| {
            let (pods, address) = (pods(map, unit, 1), address(map, addresses));
            match direction {
                Direction::Egress => Sample::of(map, pods, address),
                Direction::Ingress => Sample::of(map, address, pods),
            }
        };
        explain(&sample(&self.both.old, pair.old), &sample(&self.both.new, pair.new), before, after)
    }
}

/// Some pods of a unit that stand for all of them.
fn pods(map: &Map<'_>, unit: Option<usize>, of_each: u32) -> Vec<Endpoint> {
    unit.map(|unit| map.samples(unit, of_each)).unwrap_or_default().into_iter().map(Endpoint::Pod).collect()
}

/// An address of a set, one that is no node's or Service's if there is one.
fn address(map: &Map<'_>, addresses: &IpSet) -> Vec<Endpoint> {
    let foreign = addresses.difference(&map.cluster().own_addresses());
    let first = foreign.ranges().next().or_else(|| addresses.ranges().next());
    first.map(|range| Endpoint::Address(range.first)).into_iter().collect()
}

/// Ends to ask about in one state; none if a workload does not exist in it.
struct Sample<'b, 'a> {
    map: &'b Map<'a>,
    sources: Vec<Endpoint>,
    targets: Vec<Endpoint>,
}

impl<'b, 'a> Sample<'b, 'a> {
    fn of(map: &'b Map<'a>, sources: Vec<Endpoint>, targets: Vec<Endpoint>) -> Self {
        Self { map, sources, targets }
    }

    /// The verdict for one port that lets the most through, of all ends and families.
    fn verdict(&self, protocol: Protocol, port: u16) -> Option<Verdict> {
        let mut best: Option<Verdict> = None;
        for from in &self.sources {
            for to in self.targets.iter().filter(|to| *to != from) {
                for family in Family::BOTH {
                    if let (Endpoint::Pod(from), Endpoint::Pod(to)) = (from, to)
                        && !(self.map.has_family(*from, family) && self.map.has_family(*to, family))
                    {
                        continue;
                    }
                    let flow =
                        Flow { from: from.clone(), to: to.clone(), family, protocol, port, request: None };
                    let verdict = self.map.compiled().verdict(&flow);
                    let lacks_address =
                        |side: &Side| side.reasons.iter().any(|r| matches!(r, Reason::NoAddress(_)));
                    if lacks_address(&verdict.egress) || lacks_address(&verdict.ingress) {
                        continue;
                    }
                    if best.as_ref().is_none_or(|best| verdict.outcome < best.outcome) {
                        best = Some(verdict);
                    }
                }
            }
        }
        best
    }
}

/// Compares the verdicts for the first port that opened and the first that was cut.
fn explain(old: &Sample<'_, '_>, new: &Sample<'_, '_>, before: &Permit, after: &Permit) -> Arc<[Because]> {
    let mut found = Vec::new();
    let first = |ports: Vec<(Protocol, PortSet)>| {
        ports.first().and_then(|(protocol, ports)| Some((*protocol, ports.ranges().first()?.0)))
    };
    let conditional = after.conditional.iter().chain(&before.conditional);
    let conditional = conditional.map(|entry| (entry.protocol, entry.ports.clone())).collect();
    let (opened, cut) = (first(gained(before, after)), first(gained(after, before)));
    let samples = opened.into_iter().chain(cut);
    let samples: Vec<_> =
        samples.chain(first(conditional).filter(|_| opened.is_none() && cut.is_none())).collect();
    for (protocol, port) in samples {
        let (was, is) = (old.verdict(protocol, port), new.verdict(protocol, port));
        for direction in [Direction::Egress, Direction::Ingress] {
            let side = |verdict: &Option<Verdict>| {
                verdict.as_ref().map(|verdict| match direction {
                    Direction::Egress => verdict.egress.clone(),
                    Direction::Ingress => verdict.ingress.clone(),
                })
            };
            let (was, is) = (side(&was), side(&is));
            let changed = match (&was, &is) {
                (Some(was), Some(is)) => was.outcome != is.outcome || was.conditions != is.conditions,
                _ => true,
            };
            if changed {
                found.extend(was.iter().flat_map(|side| because(old.map, State::Before, direction, side)));
                found.extend(is.iter().flat_map(|side| because(new.map, State::After, direction, side)));
            }
        }
    }
    found.sort();
    found.dedup();
    found.into()
}

/// The reasons of one side of one verdict.
fn because(map: &Map<'_>, state: State, direction: Direction, side: &Side) -> Vec<Because> {
    let sources = &map.cluster().sources;
    let reason =
        |what: What, origin: Origin| Because { state, direction, what, place: sources.place(origin) };
    let found = side.reasons.iter().filter_map(|found| match found {
        Reason::Rule(rule) => {
            let what = match rule.action {
                Action::Deny => What::Denies(rule.policy.clone()),
                Action::Accept | Action::Pass => What::Allows(rule.policy.clone()),
            };
            Some(reason(what, if rule.peer.is_some() { rule.peer } else { rule.origin }))
        }
        Reason::Isolated(policy) => Some(reason(What::Isolates(policy.clone()), policy.origin)),
        Reason::NotIsolated => Some(reason(What::NotIsolated, Origin::NONE)),
        _ => None,
    });
    let mut found: Vec<Because> = found.collect();
    if side.outcome == Outcome::Unknown {
        found.push(reason(What::Unknown, Origin::NONE));
    }
    found
}
