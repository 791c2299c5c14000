//! The difference of two programs. In: what is there and what is to be. Out: one transaction that changes the first into
//! the second and touches nothing that is in both.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Member, SetShape, Transaction};
use crate::nft::{Chain, Element, Map, Name, Rule, Set, Statement, Table, Verdict};

/// What changes `old` into `new`. Both are of the name of `new`.
///
/// A chain whose rules differ is emptied and filled again, which is atomic and costs less than finding the handles of single
/// rules: the kernel validates the table once in a transaction, however many rules change.
#[must_use]
pub fn diff(old: &Table, new: &Table) -> Transaction {
    diff_with(old, new, &BTreeSet::new())
}

/// As [`diff`], with chains of `old` whose rules are not what `old` says and so are written anew.
pub(super) fn diff_with(old: &Table, new: &Table, dirty: &BTreeSet<Name>) -> Transaction {
    let (old_sets, new_sets) = (shapes(old), shapes(new));
    // A set or map of another type under the same name is another set: what refers to it is written anew too.
    let reshaped: BTreeSet<&Name> = old_sets
        .iter()
        .filter(|(name, set)| new_sets.get(*name).is_some_and(|new| new != *set))
        .map(|(name, _)| name)
        .collect();
    let rehooked = |name: &Name| matches!((old.chains.get(name), new.chains.get(name)), (Some(old), Some(new)) if old.hook != new.hook);
    let rewritten = |name: &Name, old: &Chain, new: &Chain| {
        old.rules != new.rules
            || rehooked(name)
            || dirty.contains(name)
            || new.rules.iter().any(|rule| refers(rule, &reshaped))
    };
    let mut changes = Vec::new();

    for (name, chain) in &old.chains {
        let flush = new.chains.get(name).is_none_or(|new| rewritten(name, chain, new));
        if flush && (!chain.rules.is_empty() || dirty.contains(name)) {
            changes.push(Change::FlushChain(name.clone()));
        }
    }
    let (removed, added) = elements(old, new, &reshaped);
    changes.extend(removed);
    // Maps go before the chains that they lead to.
    for name in old_sets.keys().filter(|name| !new_sets.contains_key(*name) || reshaped.contains(name)) {
        changes.push(Change::DeleteSet(name.clone()));
    }
    for (name, chain) in
        old.chains.iter().filter(|(name, _)| !new.chains.contains_key(*name) || rehooked(name))
    {
        changes.push(Change::DeleteChain(name.clone(), chain.hook));
    }
    // Sets before maps and base chains last, as the text has them, so that listings of both have one order.
    for map in [false, true] {
        let fresh = |name: &Name| !old_sets.contains_key(name) || reshaped.contains(name);
        let shapes = new_sets.values().filter(|shape| shape.map == map && fresh(&shape.name));
        changes.extend(shapes.cloned().map(Change::CreateSet));
    }
    let create = |base: bool| {
        let fresh = move |name: &Name| !old.chains.contains_key(name) || rehooked(name);
        let chains =
            new.chains.iter().filter(move |(name, chain)| fresh(name) && chain.hook.is_some() == base);
        chains.map(|(name, chain)| Change::CreateChain(name.clone(), chain.hook))
    };
    changes.extend(create(false));
    changes.extend(added);
    // Base chains come last: by then all that they lead to exists and is complete, even if this is loaded in parts.
    for base in [false, true] {
        if base {
            changes.extend(create(true));
        }
        for (name, chain) in new.chains.iter().filter(|(_, chain)| chain.hook.is_some() == base) {
            if old.chains.get(name).is_none_or(|old| rewritten(name, old, chain)) {
                changes.extend(chain.rules.iter().map(|rule| Change::AddRule(name.clone(), rule.clone())));
            }
        }
    }
    Transaction { table: new.name.clone(), changes }
}

fn set_shape(name: &Name, set: &Set) -> SetShape {
    let Set { key, interval, size, .. } = set;
    SetShape { name: name.clone(), key: key.clone(), interval: *interval, size: *size, map: false }
}

fn map_shape(name: &Name, map: &Map) -> SetShape {
    let Map { key, interval, size, .. } = map;
    SetShape { name: name.clone(), key: key.clone(), interval: *interval, size: *size, map: true }
}

fn shapes(table: &Table) -> BTreeMap<Name, SetShape> {
    let sets = table.sets.iter().map(|(name, set)| set_shape(name, set));
    let maps = table.maps.iter().map(|(name, map)| map_shape(name, map));
    sets.chain(maps).map(|shape| (shape.name.clone(), shape)).collect()
}

/// What goes and what comes in sets and maps; what is in a set that goes as a whole goes with it.
fn elements(old: &Table, new: &Table, reshaped: &BTreeSet<&Name>) -> (Vec<Change>, Vec<Change>) {
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    let mut record = |shape: SetShape, gone: Vec<Member>, come: Vec<Member>| {
        if !gone.is_empty() {
            removed.push(Change::DeleteElements(shape.clone(), gone));
        }
        if !come.is_empty() {
            added.push(Change::AddElements(shape, come));
        }
    };
    for (name, set) in &new.sets {
        let before = old.sets.get(name).filter(|_| !reshaped.contains(name));
        let (gone, come) = match before {
            Some(before) => (
                before.elements.difference(&set.elements).collect(),
                set.elements.difference(&before.elements).collect(),
            ),
            None => (Vec::new(), set.elements.iter().collect::<Vec<_>>()),
        };
        let members = |list: Vec<&Element>| {
            list.into_iter().map(|key| Member { key: key.clone(), verdict: None }).collect()
        };
        record(set_shape(name, set), members(gone), members(come));
    }
    let member =
        |(key, verdict): (&Element, &Verdict)| Member { key: key.clone(), verdict: Some(verdict.clone()) };
    for (name, map) in &new.maps {
        let before = old.maps.get(name).filter(|_| !reshaped.contains(name)).map(|map| &map.elements);
        let gone = before.map_or_else(Vec::new, |before| {
            before
                .iter()
                .filter(|(key, verdict)| map.elements.get(*key) != Some(verdict))
                .map(member)
                .collect()
        });
        let come = map
            .elements
            .iter()
            .filter(|(key, verdict)| before.and_then(|before| before.get(*key)) != Some(verdict))
            .map(member)
            .collect();
        record(map_shape(name, map), gone, come);
    }
    // Kernels before 6.4 count a chain as used until the map that led to it is gone, after the transaction.
    for (name, map) in
        old.maps.iter().filter(|(name, _)| !new.maps.contains_key(*name) || reshaped.contains(name))
    {
        let leads = |to: &Verdict| matches!(to, Verdict::Jump(_) | Verdict::Goto(_));
        let gone = map.elements.iter().filter(|(_, to)| leads(to)).map(member).collect();
        record(map_shape(name, map), gone, Vec::new());
    }
    (removed, added)
}

fn refers(rule: &Rule, sets: &BTreeSet<&Name>) -> bool {
    rule.statements.iter().any(|statement| match statement {
        Statement::In { set, .. } => sets.contains(set),
        Statement::VerdictMap { map, .. } => sets.contains(map),
        _ => false,
    })
}
