//! What a cell and the addresses outside may open to each other. In: a cell. Out: disjoint sets of addresses with
//! their permits.

use std::net::IpAddr;

use ringfence_model::{
    address::{Family, IpRange, IpSet},
    origin::Origin,
    port::Protocol,
    verdict::{Direction, Reason},
};

use super::{
    Cell,
    half::{Half, join},
};
use crate::{
    compiled::{
        Compiled,
        decide::{Probe, decide},
        matching::{Context, End, ports},
        rule::{Rule, RuleSet},
        runs::regions,
        truth::Match,
    },
    permit::Permit,
};

/// See [`super::Reach::external`].
pub(super) fn permits(compiled: &Compiled, cell: &Cell, direction: Direction) -> Vec<(IpSet, Permit)> {
    let Some(subject) = compiled.pod_end(cell.representative) else { return Vec::new() };
    let End::Pod(_, pod, shape) = &subject else { return Vec::new() };
    let families = if pod.addresses.is_empty() { &Family::BOTH[..] } else { &cell.families };
    let everywhere =
        || families.iter().fold(IpSet::empty(), |set, family| set.union(&IpSet::family(*family)));
    let free = cell.host_network || !compiled.cluster.profile.enforces;
    let Some(set) = compiled.rules_of(*shape, direction).filter(|_| !free) else {
        return vec![(everywhere(), Permit::all())];
    };
    let mut found: Vec<(Half, Vec<IpRange>)> = Vec::new();
    for family in families {
        for range in regions(compiled, set, *family, &IpSet::empty()) {
            let half = half(compiled, set, *family, direction, &subject, range.first);
            match found.iter_mut().find(|(known, _)| *known == half) {
                Some((_, ranges)) => ranges.push(range),
                None => found.push((half, vec![range])),
            }
        }
    }
    let everything = Half::everything();
    let permit = |half: &Half| match direction {
        Direction::Egress => join(half, &everything),
        Direction::Ingress => join(&everything, half),
    };
    let parts = found.into_iter().map(|(half, ranges)| (IpSet::from_ranges(ranges), permit(&half)));
    parts.filter(|(_, permit)| !permit.is_empty()).collect()
}

fn half(
    compiled: &Compiled,
    set: &RuleSet,
    family: Family,
    direction: Direction,
    subject: &End<'_>,
    address: IpAddr,
) -> Half {
    let other = End::Address { address, node: None, own: false };
    let to = if direction == Direction::Egress { &other } else { subject };
    let apart = Match::No;
    let probe = |protocol, port| {
        let context = Context {
            cluster: &compiled.cluster,
            facts: &compiled.facts,
            matchers: &compiled.matchers,
            shapes: &compiled.shapes,
            family,
            own_node: &apart,
        };
        OutsideProbe { context, other: &other, to, protocol, port }
    };
    let reference = probe(Protocol::Tcp, 1);
    let relevant: Vec<&Rule> = set
        .rules()
        .map(|rule| &**rule)
        .filter(|rule| reference.context.peers(rule, reference.other) != Match::No)
        .collect();
    Half::of(&relevant.iter().copied(), to, |protocol, port| decide(set, &probe(protocol, port)))
}

/// How rules match an address outside the cluster.
struct OutsideProbe<'a> {
    context: Context<'a>,
    other: &'a End<'a>,
    to: &'a End<'a>,
    protocol: Protocol,
    port: u16,
}

impl Probe for OutsideProbe<'_> {
    const REASONS: bool = false;

    fn matches(&self, rule: &Rule) -> Match {
        ports(rule, self.protocol, self.port, self.to, None).and(|| self.context.peers(rule, self.other))
    }

    fn peer(&self, _: &Rule) -> Origin {
        Origin::NONE
    }

    fn own_node(&self) -> &Match {
        self.context.own_node
    }

    fn near_miss(&self, _: &RuleSet) -> Option<Reason> {
        None
    }
}
