//! What a cell and the addresses outside may open to each other. In: a cell. Out: disjoint sets of addresses with
//! their permits.

use std::{collections::BTreeSet, net::IpAddr};

use ringfence_model::{
    address::{Family, IpRange, IpSet, bits},
    cilium::Entity,
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
        rule::{PeerMatch, Rule, RuleSet},
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
        for range in ranges(compiled, set, *family) {
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

/// The ranges of a family within which no rule of the set can tell addresses apart.
fn ranges(compiled: &Compiled, set: &RuleSet, family: Family) -> Vec<IpRange> {
    let mut starts: BTreeSet<IpAddr> = BTreeSet::new();
    let whole: Vec<IpRange> = IpSet::family(family).ranges().collect();
    let Some(whole) = whole.first() else { return Vec::new() };
    starts.insert(whole.first);
    let mut add = |set: &IpSet| {
        for range in set.ranges().filter(|range| Family::of(range.first) == family) {
            starts.insert(range.first);
            starts.extend(after(range.last));
        }
    };
    for peer in set.rules().flat_map(|rule| rule.peers.iter().flatten()) {
        match &peer.what {
            PeerMatch::Block(block) | PeerMatch::World(block) => add(&block.addresses),
            PeerMatch::Services { addresses, .. } => add(addresses),
            PeerMatch::Entity(Entity::KubeApiserver) | PeerMatch::Reserved(_) => {
                compiled.facts.api_servers().into_iter().for_each(&mut add);
            }
            _ => {}
        }
    }
    let starts: Vec<IpAddr> = starts.into_iter().collect();
    let ends = starts.iter().skip(1).filter_map(|next| before(*next)).chain([whole.last]);
    starts.iter().copied().zip(ends).map(|(first, last)| IpRange { first, last }).collect()
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(_) => bits(address).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_sub(1).map(|last| IpAddr::V4(last.into())),
        IpAddr::V6(_) => bits(address).checked_sub(1).map(|last| IpAddr::V6(last.into())),
    }
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
