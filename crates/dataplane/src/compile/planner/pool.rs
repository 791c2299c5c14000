//! The parts of a program that groups share, with how many groups use each. In: pieces that come and go. Out: the program
//! that is made of them, and what changed in it.

use std::{collections::BTreeMap, net::IpAddr};

use ringfence_model::address::Family;
use ringfence_policy::compiled::Shared;

use super::{
    super::{
        Note, Program,
        entry::{address_value, hairpin},
    },
    group::{Group, Piece},
    journal::{Journal, element},
};
use crate::nft::{Element, Name, Table};

/// How many groups use what.
#[derive(Debug, Default)]
pub(super) struct Pool {
    chains: BTreeMap<Name, usize>,
    sets: BTreeMap<Name, usize>,
    maps: BTreeMap<Name, usize>,
    rules: BTreeMap<crate::prefix::RuleId, usize>,
    pub(super) notes: BTreeMap<Note, usize>,
    /// With the side whose selectors it is about.
    pub(super) shared: BTreeMap<Name, (usize, usize, Shared, Family)>,
    /// Addresses of pods that some rules apply to.
    pub(super) subjects: BTreeMap<IpAddr, usize>,
    judges_node: usize,
}

/// Two things that ought to have different names have one.
#[derive(Debug)]
pub(super) struct Collision;

/// One more user. Says whether it is the first.
fn take<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) -> bool {
    let count = counts.entry(key).or_default();
    *count += 1;
    *count == 1
}

/// One user less. Says whether it was the last.
fn drop_one<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) -> bool {
    let Some(count) = counts.get_mut(key) else { return false };
    *count -= 1;
    let last = *count == 0;
    if last {
        counts.remove(key);
    }
    last
}

impl Pool {
    /// Whether connections of the node itself can be denied.
    pub(super) fn judges_node(&self) -> bool {
        self.judges_node > 0
    }

    /// Adds a group's part. Shared sets that are not there yet are returned, to be made. The dispatch maps are there.
    pub(super) fn add(
        &mut self,
        program: &mut Program,
        journal: &mut Journal,
        side: usize,
        piece: Piece,
    ) -> Result<Vec<Name>, Collision> {
        let table = &mut program.table;
        let classes = piece.entries.classes;
        for (name, chain) in piece.entries.chains.into_iter().chain(classes.chains).chain(piece.chains) {
            if take(&mut self.chains, name.clone()) {
                journal.chain(table, &name, Some(chain));
            } else if table.chains.get(&name) != Some(&chain) {
                return Err(Collision);
            }
        }
        for (name, set) in piece.entries.sets.into_iter().chain(classes.sets) {
            if take(&mut self.sets, name.clone()) {
                journal.set(table, &name, Some(set));
            } else if table.sets.get(&name).is_none_or(|known| known.elements != set.elements) {
                return Err(Collision);
            }
        }
        for (name, map) in classes.maps {
            if take(&mut self.maps, name.clone()) {
                journal.map(table, &name, Some(map));
            } else if table.maps.get(&name).is_none_or(|known| known.elements != map.elements) {
                return Err(Collision);
            }
        }
        for (name, map) in piece.entries.maps {
            for (key, verdict) in map.elements {
                journal.entry(table, &name, key, Some(verdict));
            }
        }
        for (id, logs) in piece.rules {
            if take(&mut self.rules, id) {
                program.rules.insert(id, logs);
            } else if program.rules.get(&id) != Some(&logs) {
                return Err(Collision);
            }
        }
        for note in piece.notes {
            take(&mut self.notes, note);
        }
        for address in piece.entries.subjects {
            self.cover(table, journal, address);
        }
        self.judges_node += usize::from(piece.entries.judges_node);
        let mut wanted = Vec::new();
        for (name, (shared, family)) in piece.entries.shared {
            let known = self.shared.entry(name.clone()).or_insert((0, side, shared, family));
            known.0 += 1;
            if known.0 == 1 {
                wanted.push(name);
            }
        }
        Ok(wanted)
    }

    /// Takes a group's part away.
    pub(super) fn remove(&mut self, program: &mut Program, journal: &mut Journal, group: &Group) {
        for address in group.addresses() {
            self.leave(program, journal, group, address);
        }
        let table = &mut program.table;
        for name in group.uses.chains.iter().filter(|name| drop_one(&mut self.chains, name)) {
            journal.chain(table, name, None);
        }
        for name in group.uses.sets.iter().filter(|name| drop_one(&mut self.sets, name)) {
            journal.set(table, name, None);
        }
        for name in group.uses.maps.iter().filter(|name| drop_one(&mut self.maps, name)) {
            journal.map(table, name, None);
        }
        for id in group.uses.rules.iter().filter(|id| drop_one(&mut self.rules, id)) {
            program.rules.remove(id);
        }
        for note in &group.uses.notes {
            drop_one(&mut self.notes, note);
        }
        self.judges_node -= usize::from(group.uses.judges_node);
        for name in &group.uses.shared {
            if let Some((count, ..)) = self.shared.get_mut(name) {
                *count -= 1;
            }
        }
    }

    /// Removes shared sets that nothing uses any more.
    pub(super) fn sweep(&mut self, table: &mut Table, journal: &mut Journal) {
        let unused = self.shared.extract_if(.., |_, (count, ..)| *count == 0);
        unused.for_each(|(name, _)| journal.set(table, &name, None));
    }

    /// A subject comes into a group.
    pub(super) fn enter(
        &mut self,
        program: &mut Program,
        journal: &mut Journal,
        group: &Group,
        address: IpAddr,
    ) {
        for (map, verdict) in &group.enters {
            journal.entry(&mut program.table, map, element(address), Some(verdict.clone()));
        }
        self.cover(&mut program.table, journal, address);
    }

    /// A subject leaves a group.
    pub(super) fn leave(
        &mut self,
        program: &mut Program,
        journal: &mut Journal,
        group: &Group,
        address: IpAddr,
    ) {
        for (map, _) in &group.enters {
            journal.entry(&mut program.table, map, element(address), None);
        }
        if drop_one(&mut self.subjects, &address) {
            journal.listing(&mut program.table, &hairpin(Family::of(address)), pair(address), false);
        }
    }

    /// One more group has a subject.
    fn cover(&mut self, table: &mut Table, journal: &mut Journal, address: IpAddr) {
        if take(&mut self.subjects, address) {
            journal.listing(table, &hairpin(Family::of(address)), pair(address), true);
        }
    }
}

fn pair(address: IpAddr) -> Element {
    vec![address_value(address), address_value(address)]
}

impl Group {
    /// The addresses of its subjects in its family.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.subjects.addresses.iter().copied().filter(|address| Family::of(*address) == self.family)
    }
}
