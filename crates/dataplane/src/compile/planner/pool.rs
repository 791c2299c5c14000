//! The parts of a program that groups share, with how many groups use each. In: pieces that come and go. Out: the program
//! that is made of them, and what changed in it.

use std::{collections::BTreeMap, net::IpAddr};

use ringfence_model::address::Family;
use ringfence_policy::compiled::Shared;

use super::{
    super::{
        Note, Program,
        entry::{address_value, key_type},
    },
    group::{Group, Piece},
};
use crate::{
    nft::{Chain, Element, Map, Name, Set, Table},
    reconcile::{Change, Member, SetShape, Transaction, diff},
};

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

/// What the parts of a table were before they were touched; nothing for what was not there.
#[derive(Debug, Default)]
pub(super) struct Journal {
    chains: BTreeMap<Name, Option<Chain>>,
    sets: BTreeMap<Name, Option<Set>>,
    maps: BTreeMap<Name, Option<Map>>,
    /// Elements of sets that came (or went), before all else.
    elements: BTreeMap<(Name, IpAddr), bool>,
}

/// Puts a value, or nothing, into a table, and keeps what was there.
fn put<V>(
    table: &mut BTreeMap<Name, V>,
    journal: &mut BTreeMap<Name, Option<V>>,
    name: &Name,
    value: Option<V>,
) {
    let before = match value {
        Some(value) => table.insert(name.clone(), value),
        None => table.remove(name),
    };
    journal.entry(name.clone()).or_insert(before);
}

/// Moves what is touched out of a table.
fn pull<V>(table: &mut BTreeMap<Name, V>, journal: &BTreeMap<Name, Option<V>>) -> BTreeMap<Name, V> {
    journal.keys().filter_map(|name| table.remove_entry(name)).collect()
}

fn before<V>(journal: BTreeMap<Name, Option<V>>) -> BTreeMap<Name, V> {
    journal.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn element(address: IpAddr) -> Element {
    vec![address_value(address)]
}

impl Journal {
    pub(super) fn chain(&mut self, table: &mut Table, name: &Name, chain: Option<Chain>) {
        put(&mut table.chains, &mut self.chains, name, chain);
    }

    pub(super) fn set(&mut self, table: &mut Table, name: &Name, set: Option<Set>) {
        put(&mut table.sets, &mut self.sets, name, set);
    }

    pub(super) fn map(&mut self, table: &mut Table, name: &Name, map: Option<Map>) {
        put(&mut table.maps, &mut self.maps, name, map);
    }

    /// A map whose elements are about to change.
    fn map_mut<'t>(&mut self, table: &'t mut Table, name: &Name) -> Option<&'t mut Map> {
        let map = table.maps.get_mut(name)?;
        self.maps.entry(name.clone()).or_insert_with(|| Some(map.clone()));
        Some(map)
    }

    /// An address that comes into a set, or leaves it. Before anything else of the set is touched.
    pub(super) fn listing(&mut self, table: &mut Table, set: &Name, address: IpAddr, comes: bool) {
        let Some(elements) = table.sets.get_mut(set).map(|set| &mut set.elements) else { return };
        let changed =
            if comes { elements.insert(element(address)) } else { elements.remove(&element(address)) };
        if !changed {
            return;
        }
        let key = (set.clone(), address);
        // What leaves and comes back has not moved.
        if self.elements.remove(&key).is_none() {
            self.elements.insert(key, comes);
        }
    }

    /// What the changes are, in an order that the kernel takes.
    pub(super) fn transaction(self, table: &mut Table) -> Transaction {
        let mut changes: Vec<Change> = Vec::new();
        for comes in [false, true] {
            let mut open: Option<(&Name, SetShape, Vec<Member>)> = None;
            let mut close = |open: &mut Option<(&Name, SetShape, Vec<Member>)>| {
                changes.extend(open.take().map(|(_, shape, members)| {
                    let make = if comes { Change::AddElements } else { Change::DeleteElements };
                    make(shape, members)
                }));
            };
            for ((name, address), _) in self.elements.iter().filter(|(_, came)| **came == comes) {
                let member = Member { key: element(*address), verdict: None };
                match &mut open {
                    Some((known, _, members)) if *known == name => members.push(member),
                    _ => {
                        close(&mut open);
                        let key = vec![key_type(Family::of(*address))];
                        let size = table.sets.get(name).and_then(|set| set.size);
                        let shape = SetShape { name: name.clone(), key, interval: false, size, map: false };
                        open = Some((name, shape, vec![member]));
                    }
                }
            }
            close(&mut open);
        }
        if !(self.chains.is_empty() && self.sets.is_empty() && self.maps.is_empty()) {
            let mut after = Table::new(table.name.clone());
            after.chains = pull(&mut table.chains, &self.chains);
            after.sets = pull(&mut table.sets, &self.sets);
            after.maps = pull(&mut table.maps, &self.maps);
            let mut old = Table::new(table.name.clone());
            (old.chains, old.sets, old.maps) = (before(self.chains), before(self.sets), before(self.maps));
            after.set_sizes();
            after.keep_sizes(&old);
            changes.extend(diff(&old, &after).changes);
            table.chains.append(&mut after.chains);
            table.sets.append(&mut after.sets);
            table.maps.append(&mut after.maps);
        }
        Transaction { table: table.name.clone(), changes }
    }

    /// Puts everything back.
    pub(super) fn undo(self, table: &mut Table) {
        fn back<V>(table: &mut BTreeMap<Name, V>, journal: BTreeMap<Name, Option<V>>) {
            for (name, value) in journal {
                match value {
                    Some(value) => _ = table.insert(name, value),
                    None => _ = table.remove(&name),
                }
            }
        }
        back(&mut table.chains, self.chains);
        back(&mut table.sets, self.sets);
        back(&mut table.maps, self.maps);
        for ((name, address), came) in self.elements {
            if let Some(set) = table.sets.get_mut(&name) {
                if came {
                    set.elements.remove(&element(address));
                } else {
                    set.elements.insert(element(address));
                }
            }
        }
    }
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
            } else if table.sets.get(&name) != Some(&set) {
                return Err(Collision);
            }
        }
        for (name, map) in classes.maps {
            if take(&mut self.maps, name.clone()) {
                journal.map(table, &name, Some(map));
            } else if table.maps.get(&name) != Some(&map) {
                return Err(Collision);
            }
        }
        for (name, map) in piece.entries.maps {
            let dispatch = journal.map_mut(table, &name).ok_or(Collision)?;
            dispatch.elements.extend(map.elements);
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
            take(&mut self.subjects, address);
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
        for address in group.addresses() {
            self.leave(program, journal, group, address);
        }
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
            if let Some(map) = journal.map_mut(&mut program.table, map) {
                map.elements.insert(element(address), verdict.clone());
            }
        }
        take(&mut self.subjects, address);
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
            if let Some(map) = journal.map_mut(&mut program.table, map) {
                map.elements.remove(&element(address));
            }
        }
        drop_one(&mut self.subjects, &address);
    }
}

impl Group {
    /// The addresses of its subjects in its family.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.subjects.addresses.iter().copied().filter(|address| Family::of(*address) == self.family)
    }
}
