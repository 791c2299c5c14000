//! What is done to a table, so that it can be said, or undone. In: a table and changes to it. Out: the transaction that they
//! come to.

use std::{collections::BTreeMap, net::IpAddr};

use super::super::entry::address_value;
use crate::{
    nft::{Chain, Element, Map, Name, Set, Table, Verdict, kept_size},
    reconcile::{Change, Member, SetShape, Transaction, diff},
};

/// What the parts of a table were before they were touched; nothing for what was not there.
#[derive(Debug, Default)]
pub(super) struct Journal {
    chains: BTreeMap<Name, Option<Chain>>,
    sets: BTreeMap<Name, Option<Set>>,
    maps: BTreeMap<Name, Option<Map>>,
    /// Elements of other sets: whether they are new, or gone.
    listed: BTreeMap<Name, BTreeMap<Element, bool>>,
    /// Elements of other maps: where they led before.
    entries: BTreeMap<Name, BTreeMap<Element, Option<Verdict>>>,
}

/// The element for an address.
pub(super) fn element(address: IpAddr) -> Element {
    vec![address_value(address)]
}

/// Puts a value, or nothing, into a table. Says what was there.
fn put<V>(table: &mut BTreeMap<Name, V>, name: &Name, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => table.insert(name.clone(), value),
        None => table.remove(name),
    }
}

/// Moves what is touched out of a table.
fn pull<V>(table: &mut BTreeMap<Name, V>, journal: &BTreeMap<Name, Option<V>>) -> BTreeMap<Name, V> {
    journal.keys().filter_map(|name| table.remove_entry(name)).collect()
}

fn before<V>(journal: BTreeMap<Name, Option<V>>) -> BTreeMap<Name, V> {
    journal.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Undoes changes of elements.
fn unlist(set: &mut Set, listed: BTreeMap<Element, bool>) {
    for (key, new) in listed {
        if new {
            set.elements.remove(&key);
        } else {
            set.elements.insert(key);
        }
    }
}

fn lead_back(map: &mut Map, entries: BTreeMap<Element, Option<Verdict>>) {
    for (key, verdict) in entries {
        match verdict {
            Some(verdict) => _ = map.elements.insert(key, verdict),
            None => _ = map.elements.remove(&key),
        }
    }
}

impl Journal {
    /// Replaces a chain.
    pub(super) fn chain(&mut self, table: &mut Table, name: &Name, chain: Option<Chain>) {
        let before = put(&mut table.chains, name, chain);
        self.chains.entry(name.clone()).or_insert(before);
    }

    /// Replaces a set.
    pub(super) fn set(&mut self, table: &mut Table, name: &Name, set: Option<Set>) {
        let mut before = put(&mut table.sets, name, set);
        if let (Some(before), Some(listed)) = (&mut before, self.listed.remove(name)) {
            unlist(before, listed);
        }
        self.sets.entry(name.clone()).or_insert(before);
    }

    /// Replaces a map.
    pub(super) fn map(&mut self, table: &mut Table, name: &Name, map: Option<Map>) {
        let mut before = put(&mut table.maps, name, map);
        if let (Some(before), Some(entries)) = (&mut before, self.entries.remove(name)) {
            lead_back(before, entries);
        }
        self.maps.entry(name.clone()).or_insert(before);
    }

    /// Puts an element into a set, or takes it out.
    pub(super) fn listing(&mut self, table: &mut Table, name: &Name, key: Element, comes: bool) {
        let Some(set) = table.sets.get_mut(name) else { return };
        let changed = if comes { set.elements.insert(key.clone()) } else { set.elements.remove(&key) };
        if !changed || self.sets.contains_key(name) {
            return;
        }
        let listed = self.listed.entry(name.clone()).or_default();
        // What leaves and comes back has not moved.
        if listed.remove(&key).is_none() {
            listed.insert(key, comes);
        }
    }

    /// Lets an element of a map lead somewhere, or nowhere.
    pub(super) fn entry(&mut self, table: &mut Table, name: &Name, key: Element, verdict: Option<Verdict>) {
        let Some(map) = table.maps.get_mut(name) else { return };
        let before = match verdict {
            Some(verdict) => map.elements.insert(key.clone(), verdict),
            None => map.elements.remove(&key),
        };
        if !self.maps.contains_key(name) {
            self.entries.entry(name.clone()).or_default().entry(key).or_insert(before);
        }
    }

    /// Gives what is touched the size that it ought to have. Says whether something that stays has another size than before:
    /// whatever leads to it changes too.
    fn resize(&self, table: &mut Table) -> bool {
        let mut resized = false;
        for name in self.sets.keys().chain(self.listed.keys()) {
            let Some(set) = table.sets.get_mut(name) else { continue };
            let before = match self.sets.get(name) {
                Some(before) => before.as_ref().and_then(|before| before.size),
                None => set.size,
            };
            set.size = kept_size(set.interval, set.elements.len(), before);
            resized |= before.is_some() && before != set.size;
        }
        for name in self.maps.keys().chain(self.entries.keys()) {
            let Some(map) = table.maps.get_mut(name) else { continue };
            let before = match self.maps.get(name) {
                Some(before) => before.as_ref().and_then(|before| before.size),
                None => map.size,
            };
            map.size = kept_size(map.interval, map.elements.len(), before);
            resized |= before.is_some() && before != map.size;
        }
        resized
    }

    /// What the changes are, in an order that the kernel takes.
    pub(super) fn transaction(self, table: &mut Table) -> Transaction {
        let (sets, maps) = (self.listed.keys(), self.entries.keys());
        let sets: Vec<_> =
            sets.map(|name| (name.clone(), table.sets.get(name).and_then(|set| set.size))).collect();
        let maps: Vec<_> =
            maps.map(|name| (name.clone(), table.maps.get(name).and_then(|map| map.size))).collect();
        if self.resize(table) {
            // Sizes double, so this is rare: whole tables are compared.
            let mut old = table.clone();
            self.undo(&mut old);
            for (name, size) in sets {
                old.sets.get_mut(&name).into_iter().for_each(|set| set.size = size);
            }
            for (name, size) in maps {
                old.maps.get_mut(&name).into_iter().for_each(|map| map.size = size);
            }
            return diff(&old, table);
        }
        let (mut changes, added) = self.elements(table);
        if !(self.chains.is_empty() && self.sets.is_empty() && self.maps.is_empty()) {
            let mut after = Table::new(table.name.clone());
            after.chains = pull(&mut table.chains, &self.chains);
            after.sets = pull(&mut table.sets, &self.sets);
            after.maps = pull(&mut table.maps, &self.maps);
            let mut old = Table::new(table.name.clone());
            (old.chains, old.sets, old.maps) = (before(self.chains), before(self.sets), before(self.maps));
            changes.extend(diff(&old, &after).changes);
            table.chains.append(&mut after.chains);
            table.sets.append(&mut after.sets);
            table.maps.append(&mut after.maps);
        }
        changes.extend(added);
        Transaction { table: table.name.clone(), changes }
    }

    /// The elements that go, and those that come.
    fn elements(&self, table: &Table) -> (Vec<Change>, Vec<Change>) {
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        let mut record = |shape: SetShape, gone: Vec<Member>, come: Vec<Member>| {
            if !gone.is_empty() {
                removed.push(Change::DeleteElements(shape.clone(), gone));
            }
            if !come.is_empty() {
                added.push(Change::AddElements(shape, come));
            }
        };
        for (name, listed) in &self.listed {
            let Some(Set { key, interval, size, .. }) = table.sets.get(name) else { continue };
            let members = |wanted: bool| {
                let of = listed.iter().filter(move |(_, new)| **new == wanted);
                of.map(|(key, _)| Member { key: key.clone(), verdict: None }).collect()
            };
            let shape = SetShape {
                name: name.clone(),
                key: key.clone(),
                interval: *interval,
                size: *size,
                map: false,
            };
            record(shape, members(false), members(true));
        }
        for (name, entries) in &self.entries {
            let Some(Map { key, interval, size, elements }) = table.maps.get(name) else { continue };
            let (mut gone, mut come) = (Vec::new(), Vec::new());
            for (key, before) in entries {
                let after = elements.get(key);
                if before.as_ref() != after {
                    let member =
                        |verdict: &Verdict| Member { key: key.clone(), verdict: Some(verdict.clone()) };
                    gone.extend(before.as_ref().map(member));
                    come.extend(after.map(member));
                }
            }
            let shape = SetShape {
                name: name.clone(),
                key: key.clone(),
                interval: *interval,
                size: *size,
                map: true,
            };
            record(shape, gone, come);
        }
        (removed, added)
    }

    /// Puts everything back.
    pub(super) fn undo(self, table: &mut Table) {
        fn back<V>(table: &mut BTreeMap<Name, V>, journal: BTreeMap<Name, Option<V>>) {
            for (name, value) in journal {
                put(table, &name, value);
            }
        }
        back(&mut table.chains, self.chains);
        back(&mut table.sets, self.sets);
        back(&mut table.maps, self.maps);
        for (name, listed) in self.listed {
            if let Some(set) = table.sets.get_mut(&name) {
                unlist(set, listed);
            }
        }
        for (name, entries) in self.entries {
            if let Some(map) = table.maps.get_mut(&name) {
                lead_back(map, entries);
            }
        }
    }
}
