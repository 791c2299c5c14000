//! How to find the behaviour of an address of a family. In: a survey of all ends. Out: addresses listed by behaviour,
//! shared sets, and ranges of addresses outside.

use std::net::IpAddr;

use ringfence_model::address::{IpRange, IpSet, bits};

use super::{
    Behaviour, Enforcement, SelectorId, Subjects,
    survey::{Found, Survey},
};
use crate::compiled::matching::End;

/// A selector that selects more pods than this has a set of its own, which all groups share.
pub(super) const BROAD: usize = 64;

/// A set of addresses that groups share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shared {
    /// The addresses of the node itself.
    OwnNode,
    /// The pods that a selector selects.
    Selector(SelectorId),
    /// The addresses of the other nodes.
    OtherNodes,
    /// All pods.
    Pods,
}

/// What a group of subjects does with every address of one family. The first that holds an address decides: `listed`, then
/// `shared` in order, then `outside`, else `rest`. Behaviours are given by their places in `behaviours`.
#[derive(Clone, Debug)]
pub struct Peers {
    /// The distinct behaviours.
    pub behaviours: Vec<Behaviour>,
    /// For each behaviour, single addresses that have it, ascending. No address is listed twice.
    pub listed: Vec<Vec<IpAddr>>,
    /// Shared sets, whose members have the behaviour unless something before them says otherwise.
    pub shared: Vec<(Shared, usize)>,
    /// For each behaviour, ranges of addresses that have it; disjoint. Empty for that of the rest.
    pub outside: Vec<IpSet>,
    /// The behaviour of all other addresses.
    pub rest: usize,
    /// The behaviours of the node's own addresses, wherever they are found.
    pub own_node: Vec<usize>,
}

/// What each behaviour counts for, and which counts most.
#[derive(Debug, Default)]
pub(super) struct Weights(Vec<usize>);

impl Weights {
    pub(super) fn add(&mut self, behaviour: usize, count: usize) {
        if self.0.len() <= behaviour {
            self.0.resize(behaviour + 1, 0);
        }
        if let Some(weight) = self.0.get_mut(behaviour) {
            *weight += count;
        }
    }

    /// Says whether nothing is left of it.
    pub(super) fn sub(&mut self, behaviour: usize, count: usize) -> bool {
        let Some(weight) = self.0.get_mut(behaviour) else { return false };
        *weight = weight.saturating_sub(count);
        *weight == 0
    }

    pub(super) fn of(&self, behaviour: usize) -> usize {
        self.0.get(behaviour).copied().unwrap_or(0)
    }

    /// The behaviour with the greatest weight, `more` added to one of them; the smallest of several, whatever their
    /// numbers.
    pub(super) fn heaviest(&self, behaviours: &[Behaviour], more: Option<(usize, usize)>) -> Option<usize> {
        let weight =
            |at: usize| self.of(at) + more.filter(|(behaviour, _)| *behaviour == at).map_or(0, |(_, n)| n);
        let places = (0..behaviours.len()).filter(|at| weight(*at) > 0);
        places.max_by(|a, b| {
            weight(*a).cmp(&weight(*b)).then_with(|| behaviours.get(*b).cmp(&behaviours.get(*a)))
        })
    }
}

impl Survey {
    /// Chooses the shared sets, and lists what they do not say right.
    #[must_use]
    pub fn peers(&mut self, enforcement: &Enforcement<'_>, subjects: &Subjects) -> Peers {
        let mut shared: Vec<(Shared, usize)> = Vec::new();
        let mut listed: Vec<Vec<IpAddr>> = vec![Vec::new(); self.behaviours.len()];
        let mut list = |found: &Found, answer: usize| {
            if found.behaviour != answer
                && let Some(list) = listed.get_mut(found.behaviour)
            {
                list.push(found.address);
            }
        };
        let own = || self.nodes.iter().filter(|(_, own)| *own).map(|(found, _)| found);
        let own_differs = own().any(|found| found.behaviour != found.outside);
        let own_answer = own().next().filter(|_| own_differs).map(|found| found.behaviour);
        shared.extend(own_answer.map(|answer| (Shared::OwnNode, answer)));
        own().for_each(|found| list(found, own_answer.unwrap_or(found.outside)));

        let broad = self.lens.broad.iter().zip(&self.answers.broad);
        let broad = broad.filter_map(|(selector, answer)| Some((Shared::Selector(*selector), (*answer)?)));
        shared.extend(broad);

        let others = || self.nodes.iter().filter(|(_, own)| !own).map(|(found, _)| found);
        let mut weights = Weights::default();
        others().for_each(|found| weights.add(found.behaviour, 1));
        let differ = others().filter(|found| found.behaviour != found.outside).count();
        let answer = weights.heaviest(&self.behaviours, None).filter(|_| differ > BROAD);
        shared.extend(answer.map(|answer| (Shared::OtherNodes, answer)));
        others().for_each(|found| list(found, answer.unwrap_or(found.outside)));

        shared.extend(self.answers.pods.map(|answer| (Shared::Pods, answer)));
        let own_node = own().map(|found| found.behaviour).collect();
        if let Some(subject) = enforcement.subject(subjects) {
            self.list(enforcement, &subject, &mut listed);
        }

        for list in &mut listed {
            list.sort_unstable();
        }
        let (rest, outside) = self.partition();
        // What the last tests say, the rest says too.
        if outside.iter().all(IpSet::is_empty) {
            while shared.pop_if(|(_, answer)| *answer == rest).is_some() {}
        }
        Peers { behaviours: self.behaviours.clone(), listed, shared, outside, rest, own_node }
    }

    /// Lists the pods that neither shared sets nor their places say right.
    fn list(&mut self, enforcement: &Enforcement<'_>, subject: &End<'_>, listed: &mut [Vec<IpAddr>]) {
        let mut list = |behaviour: usize, address| {
            if let Some(list) = listed.get_mut(behaviour) {
                list.push(address);
            }
        };
        let (seats, in_bulk) = self.seats(enforcement);
        for seat in seats {
            let Some(found) = self.find_seat(enforcement, subject, seat) else { continue };
            if self.answer(&found).is_some_and(|answer| answer != found.behaviour) {
                list(found.behaviour, found.address);
            }
        }
        for bulk in in_bulk {
            let Some(example) = bulk.first().and_then(|seat| self.find_seat(enforcement, subject, seat))
            else {
                continue;
            };
            if self.answer(&example).is_some_and(|answer| answer != example.behaviour) {
                bulk.iter().for_each(|seat| list(example.behaviour, seat.address));
            }
        }
    }

    /// The behaviour of most addresses outside, and the ranges that have others.
    fn partition(&self) -> (usize, Vec<IpSet>) {
        let mut sizes = vec![0_u128; self.behaviours.len()];
        let mut ranges: Vec<Vec<IpRange>> = vec![Vec::new(); self.behaviours.len()];
        for (range, behaviour) in &self.regions {
            if let (Some(size), Some(ranges)) = (sizes.get_mut(*behaviour), ranges.get_mut(*behaviour)) {
                *size = size.saturating_add(bits(range.last) - bits(range.first)).saturating_add(1);
                ranges.push(*range);
            }
        }
        let largest = sizes.iter().copied().max().unwrap_or(0);
        let rest = (0..).zip(&sizes).filter(|(_, size)| **size == largest).map(|(at, _)| at);
        let rest = rest.min_by_key(|at: &usize| self.behaviours.get(*at)).unwrap_or(0);
        if let Some(ranges) = ranges.get_mut(rest) {
            ranges.clear();
        }
        (rest, ranges.into_iter().map(IpSet::from_ranges).collect())
    }
}
