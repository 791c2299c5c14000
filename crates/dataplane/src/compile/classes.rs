//! Chains for peers that are treated alike. In: a behaviour. Out: the verdict for packets of such a peer, and, where it
//! depends on ports or types, a chain with a port map; for packets of replies, its mirror.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ringfence_model::{address::Family, port::Protocol, verdict::Direction};
use ringfence_policy::compiled::{Behaviour, Decision, Run};
use rustc_hash::FxHashMap;

use super::{
    names::Names,
    verdicts::{Purpose, Verdicts, go, is, rule},
};
use crate::{
    interpret::{ICMP, ICMPV6, SCTP, TCP, UDP},
    nft::{Chain, Element, Field, KeyType, Map, Name, Rule, Set, Statement, Value, Verdict},
};

/// The set of the protocols that have ports.
pub(super) const PORTED: &str = "ported";

/// Where packets of a class go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// Packets in the direction of the connection's first.
    pub(super) original: Verdict,
    /// Packets against it, by the ports and types of the first.
    pub(super) reply: Verdict,
}

impl Target {
    fn both(verdict: Verdict) -> Self {
        Self { original: verdict.clone(), reply: verdict }
    }

    /// A part of names: what it does.
    pub(super) fn label(&self) -> &str {
        match &self.original {
            Verdict::Goto(name) | Verdict::Jump(name) => name,
            _ => "pass",
        }
    }
}

/// Whether a behaviour means the same in both families, or is of one.
type Scope = Option<Family>;

/// The classes made so far.
#[derive(Default)]
pub(super) struct Classes {
    known: FxHashMap<(Purpose, Direction, Scope, Behaviour), Target>,
    pub(super) chains: BTreeMap<Name, Chain>,
    pub(super) maps: BTreeMap<Name, Map>,
    pub(super) sets: BTreeMap<Name, Set>,
}

/// The number of a protocol.
pub(super) fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
        Protocol::Sctp => SCTP,
        Protocol::Icmp => ICMP,
        Protocol::Icmpv6 => ICMPV6,
    }
}

/// The type of the message that answers one of this type, if connection tracking knows such a pair.
fn answer(family: Family, kind: u8) -> Option<u8> {
    let pairs: &[(u8, u8)] = match family {
        Family::V4 => &[(8, 0), (13, 14), (15, 16), (17, 18)],
        Family::V6 => &[(128, 129), (139, 140)],
    };
    pairs.iter().find_map(|(asks, answers)| match kind {
        kind if kind == *asks => Some(*answers),
        kind if kind == *answers => Some(*asks),
        _ => None,
    })
}

/// The decision on most of the runs.
fn widest<'r>(runs: impl Iterator<Item = &'r Run>, first: &Arc<Decision>) -> Arc<Decision> {
    let mut sums: Vec<(&Arc<Decision>, u32)> = vec![(first, 0)];
    for run in runs {
        let width = u32::from(run.last) - u32::from(run.first) + 1;
        match sums.iter_mut().find(|(known, _)| **known == run.decision) {
            Some((_, sum)) => *sum += width,
            None => sums.push((&run.decision, width)),
        }
    }
    let best = sums.iter().map(|(_, sum)| *sum).max().unwrap_or(0);
    sums.iter()
        .find(|(_, sum)| *sum == best)
        .map_or_else(|| first.clone(), |(decision, _)| (*decision).clone())
}

/// One behaviour with its verdicts, ready to be written as rules.
struct Parts {
    /// Ports with other decisions than the rest, as elements of a map.
    ports: BTreeMap<Element, Verdict>,
    ranges: bool,
    /// Protocols all of whose ports have one other decision.
    protocols: Vec<(Protocol, Verdict)>,
    /// Types of messages with other decisions than most.
    types: Vec<(Verdict, BTreeSet<u8>)>,
    /// The decision on most types, if it is not that on other protocols.
    icmp: Option<Verdict>,
    /// The decision on protocols without ports, if it is not that on the rest.
    other: Option<Verdict>,
    rest: Verdict,
}

impl Parts {
    fn new(behaviour: &Behaviour, mut verdict: impl FnMut(&Decision) -> Verdict) -> Self {
        let rest = widest(behaviour.ports.iter().flatten(), &behaviour.other);
        let (mut ports, mut ranges, mut protocols) = (BTreeMap::new(), false, Vec::new());
        for (protocol, runs) in Protocol::WITH_PORTS.into_iter().zip(&behaviour.ports) {
            if let [only] = runs.as_slice() {
                if only.decision != rest {
                    protocols.push((protocol, verdict(&only.decision)));
                }
                continue;
            }
            for run in runs.iter().filter(|run| run.decision != rest) {
                let single = run.first == run.last;
                ranges |= !single;
                let value =
                    if single { Value::Port(run.first) } else { Value::PortRange(run.first, run.last) };
                ports.insert(vec![Value::Protocol(number(protocol)), value], verdict(&run.decision));
            }
        }
        let most = widest(behaviour.icmp.iter(), &behaviour.other);
        let mut types: BTreeMap<Verdict, BTreeSet<u8>> = BTreeMap::new();
        for run in behaviour.icmp.iter().filter(|run| run.decision != most) {
            let kinds = (run.first..=run.last).filter_map(|kind| u8::try_from(kind).ok());
            types.entry(verdict(&run.decision)).or_default().extend(kinds);
        }
        Self {
            ports,
            ranges,
            protocols,
            types: types.into_iter().collect(),
            icmp: (most != behaviour.other).then(|| verdict(&most)),
            other: (behaviour.other != rest).then(|| verdict(&behaviour.other)),
            rest: verdict(&rest),
        }
    }

    /// What it does, in a text that depends on nothing else.
    fn content(&self, scope: Scope) -> String {
        let Self { ports, protocols, types, icmp, other, rest, .. } = self;
        format!("{scope:?} {ports:?} {protocols:?} {types:?} {icmp:?} {other:?} {rest:?}")
    }
}

impl Classes {
    /// Where packets of peers with this behaviour go.
    pub(super) fn target(
        &mut self,
        names: &mut Names,
        verdicts: &mut Verdicts<'_>,
        (purpose, direction, family): (Purpose, Direction, Family),
        behaviour: &Behaviour,
    ) -> Target {
        if let Some(only) = behaviour.uniform() {
            return Target::both(verdicts.of(purpose, direction, only));
        }
        let no_types = behaviour.icmp.iter().all(|run| run.decision == behaviour.other);
        let scope = (!no_types).then_some(family);
        let key = (purpose, direction, scope, behaviour.clone());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let parts = Parts::new(behaviour, |decision| verdicts.of(purpose, direction, decision));
        let (name, _) = names.of("c", &parts.content(scope));
        let mirror: Name = format!("{name}_r").into();
        let (map, types) = (self.port_map(names, &parts), !parts.types.is_empty());
        let original = self.rules(names, &parts, map.as_ref(), family, false);
        self.chains.insert(name.clone(), Chain { hook: None, rules: original });
        // Without ports and types, both directions are alike.
        let reply = if map.is_some() || types {
            let rules = self.rules(names, &parts, map.as_ref(), family, true);
            self.chains.insert(mirror.clone(), Chain { hook: None, rules });
            mirror
        } else {
            name.clone()
        };
        let target = Target { original: Verdict::Goto(name), reply: Verdict::Goto(reply) };
        self.known.insert(key, target.clone());
        target
    }

    fn port_map(&mut self, names: &mut Names, parts: &Parts) -> Option<Name> {
        if parts.ports.is_empty() {
            return None;
        }
        let (name, new) = names.of("pp", &format!("{:?}", parts.ports));
        if new {
            let key = vec![KeyType::Protocol, KeyType::Port];
            let map = Map { key, interval: parts.ranges, size: None, elements: parts.ports.clone() };
            self.maps.insert(name.clone(), map);
        }
        Some(name)
    }

    fn rules(
        &mut self,
        names: &mut Names,
        parts: &Parts,
        map: Option<&Name>,
        family: Family,
        mirrored: bool,
    ) -> Vec<Rule> {
        let mut rules = Vec::new();
        let port = if mirrored { Field::SourcePort } else { Field::DestinationPort };
        if let Some(map) = map {
            let fields = vec![Field::Protocol, port];
            rules.push(rule(vec![Statement::VerdictMap { fields, map: map.clone() }]));
        }
        for (protocol, verdict) in &parts.protocols {
            let matches = is(Field::Protocol, Value::Protocol(number(*protocol)));
            rules.push(rule(vec![matches, go(verdict.clone())]));
        }
        let (field, key, icmp) = match family {
            Family::V4 => (Field::IcmpType, KeyType::Icmp, ICMP),
            Family::V6 => (Field::Icmpv6Type, KeyType::Icmpv6, ICMPV6),
        };
        for (verdict, kinds) in &parts.types {
            let kinds: BTreeSet<u8> = if mirrored {
                kinds.iter().filter_map(|kind| answer(family, *kind)).collect()
            } else {
                kinds.clone()
            };
            let matches = match kinds.first() {
                None => continue,
                Some(only) if kinds.len() == 1 => is(field, Value::Icmp(*only)),
                Some(_) => {
                    let set = self.type_set(names, key, &kinds);
                    Statement::In { fields: vec![field], set, negated: false }
                }
            };
            rules.push(rule(vec![matches, go(verdict.clone())]));
        }
        if let Some(verdict) = &parts.icmp {
            rules.push(rule(vec![is(Field::Protocol, Value::Protocol(icmp)), go(verdict.clone())]));
        }
        if let Some(verdict) = &parts.other {
            let ported = Statement::In { fields: vec![Field::Protocol], set: PORTED.into(), negated: true };
            rules.push(rule(vec![ported, go(verdict.clone())]));
            self.sets.entry(PORTED.into()).or_insert_with(|| Set {
                key: vec![KeyType::Protocol],
                interval: false,
                size: None,
                elements: [TCP, UDP, SCTP].into_iter().map(|number| vec![Value::Protocol(number)]).collect(),
            });
        }
        if parts.rest != Verdict::Return {
            rules.push(rule(vec![go(parts.rest.clone())]));
        }
        rules
    }

    fn type_set(&mut self, names: &mut Names, key: KeyType, kinds: &BTreeSet<u8>) -> Name {
        let (name, new) = names.of("icmp", &format!("{key:?} {kinds:?}"));
        if new {
            let elements = kinds.iter().map(|kind| vec![Value::Icmp(*kind)]).collect();
            self.sets.insert(name.clone(), Set { key: vec![key], interval: false, size: None, elements });
        }
        name
    }
}
