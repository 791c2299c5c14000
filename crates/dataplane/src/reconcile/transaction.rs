//! What is done to the kernel in one step. In: programs. Out: an ordered list of changes that the kernel takes whole or
//! not at all.

use std::collections::{BTreeMap, BTreeSet};

use crate::nft::{Chain, Element, Hook, KeyType, Map, Name, Rule, Set, Table, Verdict};

/// Changes to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The table.
    pub table: Name,
    /// The changes, in an order that the kernel takes: created before used, unused before deleted.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Creates the table, or nothing if it exists.
    CreateTable,
    /// Deletes the table and everything in it.
    DeleteTable,
    /// Creates an empty set or map.
    CreateSet(SetShape),
    /// Deletes a set or map with its elements.
    DeleteSet(Name),
    /// Creates an empty chain.
    CreateChain(Name, Option<Hook>),
    /// Deletes an empty chain, which had this hook.
    DeleteChain(Name, Option<Hook>),
    /// Deletes a chain's rules.
    FlushChain(Name),
    /// Appends a rule to a chain.
    AddRule(Name, Rule),
    /// Adds elements to a set or map.
    AddElements(SetShape, Vec<Member>),
    /// Deletes elements from a set or map.
    DeleteElements(SetShape, Vec<Member>),
}

/// A set or map without its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetShape {
    /// Its name.
    pub name: Name,
    /// The types of its key.
    pub key: Vec<KeyType>,
    /// Whether it holds ranges.
    pub interval: bool,
    /// How many elements it may have; nothing for any number.
    pub size: Option<u32>,
    /// Whether it is a map to verdicts.
    pub map: bool,
}

/// An element, with its verdict in a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key.
    pub key: Element,
    /// Where it leads, in a map.
    pub verdict: Option<Verdict>,
}

impl Transaction {
    /// Creates a table with all that is in it.
    #[must_use]
    pub fn load(table: &Table) -> Self {
        let mut transaction = super::diff(&Table::new(table.name.clone()), table);
        transaction.changes.insert(0, Change::CreateTable);
        transaction
    }

    /// Puts a table in the place of whatever has its name.
    #[must_use]
    pub fn replace(table: &Table) -> Self {
        let mut transaction = Self::load(table);
        transaction.changes.splice(0..0, [Change::CreateTable, Change::DeleteTable]);
        transaction
    }

    /// Deletes a table, existing or not.
    #[must_use]
    pub fn remove(table: Name) -> Self {
        Self { table, changes: vec![Change::CreateTable, Change::DeleteTable] }
    }

    /// Does to a program what the kernel does to its table.
    pub fn apply_to(&self, table: &mut Table) {
        for change in &self.changes {
            change.apply_to(table);
        }
    }

    /// Whether it adds more elements to a set of a table than the set has room for. What it deletes counts too: the kernel
    /// counts an element until the transaction ends if it is deleted after others are added.
    pub(super) fn overfills(&self, table: &Table) -> bool {
        let mut added: BTreeMap<&Name, usize> = BTreeMap::new();
        for change in &self.changes {
            if let Change::AddElements(shape, members) = change {
                *added.entry(&shape.name).or_default() += members.len();
            }
        }
        added.iter().any(|(name, added)| {
            let set = table.sets.get(*name).map(|set| (set.size, set.elements.len()));
            let (size, length) = match set {
                Some(found) => found,
                None => table.maps.get(*name).map_or((None, 0), |map| (map.size, map.elements.len())),
            };
            size.is_some_and(|size| !usize::try_from(size).is_ok_and(|size| length + added <= size))
        })
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl Change {
    fn apply_to(&self, table: &mut Table) {
        match self {
            Self::CreateTable => {}
            Self::DeleteTable => *table = Table::new(table.name.clone()),
            Self::CreateSet(SetShape { name, key, interval, size, map: false }) => {
                table.sets.insert(
                    name.clone(),
                    Set { key: key.clone(), interval: *interval, size: *size, elements: BTreeSet::new() },
                );
            }
            Self::CreateSet(SetShape { name, key, interval, size, map: true }) => {
                table.maps.insert(
                    name.clone(),
                    Map { key: key.clone(), interval: *interval, size: *size, elements: BTreeMap::new() },
                );
            }
            Self::DeleteSet(name) => {
                table.sets.remove(name);
                table.maps.remove(name);
            }
            Self::CreateChain(name, hook) => {
                table.chains.insert(name.clone(), Chain { hook: *hook, rules: Vec::new() });
            }
            Self::DeleteChain(name, _) => {
                table.chains.remove(name);
            }
            Self::FlushChain(name) => {
                if let Some(chain) = table.chains.get_mut(name) {
                    chain.rules.clear();
                }
            }
            Self::AddRule(name, rule) => {
                if let Some(chain) = table.chains.get_mut(name) {
                    chain.rules.push(rule.clone());
                }
            }
            Self::AddElements(shape, members) => {
                for member in members {
                    if let (Some(map), Some(verdict)) = (table.maps.get_mut(&shape.name), &member.verdict) {
                        map.elements.insert(member.key.clone(), verdict.clone());
                    } else if let Some(set) = table.sets.get_mut(&shape.name) {
                        set.elements.insert(member.key.clone());
                    }
                }
            }
            Self::DeleteElements(shape, members) => {
                for member in members {
                    if let Some(map) = table.maps.get_mut(&shape.name) {
                        map.elements.remove(&member.key);
                    } else if let Some(set) = table.sets.get_mut(&shape.name) {
                        set.elements.remove(&member.key);
                    }
                }
            }
        }
    }
}
