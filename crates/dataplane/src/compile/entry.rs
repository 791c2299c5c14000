//! The entry chain of a group of pods, one for each direction and family. In: what the engine says about every address.
//! Out: sets of peers by class, the chain that tests them, and its mirror for replies.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ringfence_model::{
    address::{Family, IpRange, IpSet},
    verdict::{Direction, Outcome},
};
use ringfence_policy::compiled::{Enforcement, Peers, Shared, Subjects};

use super::{
    classes::{Classes, Target},
    names::Names,
    verdicts::{Purpose, Verdicts, go, rule},
};
use crate::nft::{Chain, Element, Field, KeyType, Limits, Map, Name, Rule, Set, Statement, Value, Verdict};

/// The digit that tells the families apart in names.
pub(super) fn digit(family: Family) -> char {
    match family {
        Family::V4 => '4',
        Family::V6 => '6',
    }
}

pub(super) fn key_type(family: Family) -> KeyType {
    match family {
        Family::V4 => KeyType::Ipv4,
        Family::V6 => KeyType::Ipv6,
    }
}

pub(super) fn address_value(address: IpAddr) -> Value {
    match address {
        IpAddr::V4(address) => Value::Ipv4(address),
        IpAddr::V6(address) => Value::Ipv6(address),
    }
}

fn range_value(range: IpRange) -> Option<Value> {
    match (range.first, range.last) {
        (first, last) if first == last => Some(address_value(first)),
        (IpAddr::V4(first), IpAddr::V4(last)) => Some(Value::Ipv4Range(first, last)),
        (IpAddr::V6(first), IpAddr::V6(last)) => Some(Value::Ipv6Range(first, last)),
        _ => None,
    }
}

pub(super) fn address_set(family: Family, addresses: impl IntoIterator<Item = IpAddr>) -> Set {
    let elements: BTreeSet<Element> =
        addresses.into_iter().map(|address| vec![address_value(address)]).collect();
    Set { key: vec![key_type(family)], interval: false, size: None, elements }
}

fn network_set(family: Family, networks: &IpSet) -> Set {
    let elements = networks.ranges().filter_map(range_value).map(|value| vec![value]).collect();
    Set { key: vec![key_type(family)], interval: true, size: None, elements }
}

/// The name of the set of pairs of a pod's address with itself.
pub(super) fn hairpin(family: Family) -> Name {
    format!("hairpin{}", digit(family)).into()
}

/// The name of a dispatch map: what it is for, the direction, the family, and whether it is for replies.
pub(super) fn dispatch(purpose: Purpose, direction: Direction, family: Family, reply: bool) -> Name {
    let audit = if purpose == Purpose::Audit { "a" } else { "" };
    let side = if direction == Direction::Ingress { "in" } else { "eg" };
    let mirrored = if reply { "_r" } else { "" };
    format!("{audit}{side}{}{mirrored}", digit(family)).into()
}

/// Everything about groups of pods.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) names: Names,
    pub(super) classes: Classes,
    pub(super) chains: BTreeMap<Name, Chain>,
    pub(super) sets: BTreeMap<Name, Set>,
    pub(super) maps: BTreeMap<Name, Map>,
    /// The sets that groups share, by name; what is in them is for the caller to see to.
    pub(super) shared: BTreeMap<Name, (Shared, Family)>,
    /// Addresses of pods that some rules apply to.
    pub(super) subjects: BTreeSet<IpAddr>,
    /// Whether connections from the node itself, or to it, can be denied.
    pub(super) judges_node: bool,
}

/// A test of the other end's address, and where it leads.
struct Test {
    set: Name,
    target: Target,
}

impl Entries {
    /// Adds a group in one family, and returns where packets of each behaviour go.
    pub(super) fn add(
        &mut self,
        enforcement: &Enforcement<'_>,
        verdicts: &mut Verdicts<'_>,
        (purpose, family): (Purpose, Family),
        subjects: &Subjects,
        peers: &Peers,
    ) -> Vec<Target> {
        let direction = subjects.direction;
        let of = (purpose, direction, family);
        let targets: Vec<Target> = peers
            .behaviours
            .iter()
            .map(|behaviour| self.classes.target(&mut self.names, verdicts, of, behaviour))
            .collect();
        let blocks_node = || {
            let behaviours = peers.own_node.iter().filter_map(|at| peers.behaviours.get(*at));
            behaviours.flat_map(|behaviour| behaviour.decisions()).any(|one| one.outcome != Outcome::Allow)
        };
        if purpose == Purpose::Enforce && blocks_node() {
            self.judges_node = true;
        }
        let kind = dispatch(purpose, direction, family, false);
        let (name, _) = self.names.of(&kind, &subjects.key);
        let tests = self.tests(enforcement, family, &name, peers, &targets);
        let (ahead, behind) = match direction {
            Direction::Egress => (Field::Destination(family), Field::Source(family)),
            Direction::Ingress => (Field::Source(family), Field::Destination(family)),
        };
        let rest = targets.get(peers.rest);
        let chain = |field: Field, verdict: fn(&Target) -> &Verdict| {
            let test = |test: &Test| {
                let member = Statement::In { fields: vec![field], set: test.set.clone(), negated: false };
                rule(vec![member, go(verdict(&test.target).clone())])
            };
            let last = rest.map(verdict).filter(|rest| **rest != Verdict::Return);
            let mut rules: Vec<Rule> =
                tests.iter().map(test).chain(last.map(|rest| rule(vec![go(rest.clone())]))).collect();
            if let Some(first) = rules.first_mut() {
                first.comment = Some(comment(subjects));
            }
            Chain { hook: None, rules }
        };
        self.chains.insert(name.clone(), chain(ahead, |target| &target.original));
        self.enter(dispatch(purpose, direction, family, false), family, subjects, &name);
        if purpose == Purpose::Enforce {
            let mirror: Name = format!("{name}_r").into();
            self.chains.insert(mirror.clone(), chain(behind, |target| &target.reply));
            self.enter(dispatch(purpose, direction, family, true), family, subjects, &mirror);
        }
        targets
    }

    /// Puts the group's addresses into a dispatch map.
    fn enter(&mut self, map: Name, family: Family, subjects: &Subjects, chain: &Name) {
        let map = self.maps.entry(map).or_insert_with(|| empty_dispatch(family));
        for address in subjects.addresses.iter().filter(|address| Family::of(**address) == family) {
            map.elements.insert(vec![address_value(*address)], Verdict::Jump(chain.clone()));
            self.subjects.insert(*address);
        }
    }

    /// The sets that the group's chain tests, in order.
    fn tests(
        &mut self,
        enforcement: &Enforcement<'_>,
        family: Family,
        chain: &str,
        peers: &Peers,
        targets: &[Target],
    ) -> Vec<Test> {
        let mut tests = Vec::new();
        // Behaviours that differ only in what no packet shows lead to the same chain, and share a set.
        let mut listed: BTreeMap<&Target, Vec<IpAddr>> = BTreeMap::new();
        for (target, addresses) in targets.iter().zip(&peers.listed).filter(|(_, list)| !list.is_empty()) {
            listed.entry(target).or_default().extend(addresses);
        }
        for (target, addresses) in listed {
            let set = listed_set(chain, target);
            self.sets.insert(set.clone(), address_set(family, addresses));
            tests.push(Test { set, target: target.clone() });
        }
        for (shared, behaviour) in &peers.shared {
            let Some(target) = targets.get(*behaviour) else { continue };
            let set = self.shared(enforcement, *shared, family);
            tests.push(Test { set, target: target.clone() });
        }
        let mut outside: BTreeMap<&Target, IpSet> = BTreeMap::new();
        for (target, networks) in targets.iter().zip(&peers.outside).filter(|(_, all)| !all.is_empty()) {
            let all = outside.entry(target).or_default();
            *all = all.union(networks);
        }
        for (target, networks) in outside {
            let set: Name = format!("{chain}_net_{}", target.label()).into();
            self.sets.insert(set.clone(), network_set(family, &networks));
            tests.push(Test { set, target: target.clone() });
        }
        tests
    }

    /// The name of a shared set.
    fn shared(&mut self, enforcement: &Enforcement<'_>, shared: Shared, family: Family) -> Name {
        let digit = digit(family);
        let name: Name = match shared {
            Shared::OwnNode => format!("self{digit}").into(),
            Shared::OtherNodes => format!("nodes{digit}").into(),
            Shared::Pods => format!("pods{digit}").into(),
            Shared::Selector(id) => self.names.of(&format!("sel{digit}"), &enforcement.selector(id)).0,
        };
        self.shared.insert(name.clone(), (shared, family));
        name
    }
}

/// The name of the set of the addresses that an entry chain sends to a target.
pub(super) fn listed_set(chain: &str, target: &Target) -> Name {
    format!("{chain}_{}", target.label()).into()
}

pub(super) fn empty_dispatch(family: Family) -> Map {
    Map { key: vec![key_type(family)], interval: false, size: None, elements: BTreeMap::new() }
}

/// The policies of a group, as many as a comment holds.
fn comment(subjects: &Subjects) -> String {
    let plain =
        |c: char| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '$' | '*') { c } else { '?' };
    let mut text = String::new();
    let mut names = subjects.policies.iter().map(|policy| policy.full_name()).peekable();
    while let Some(name) = names.next() {
        let name: String = name.chars().map(plain).collect();
        let separator = if text.is_empty() { "" } else { ", " };
        let room = if names.peek().is_some() { Limits::COMMENT - " ...".len() } else { Limits::COMMENT };
        if text.len() + separator.len() + name.len() > room {
            text.push_str(if text.is_empty() { "(long names)" } else { " ..." });
            break;
        }
        text.push_str(separator);
        text.push_str(&name);
    }
    text
}
