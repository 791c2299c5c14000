//! One group of pods in one direction and family. In: the engine's answers for it. Out: its part of the program, as if
//! there were no other groups, and where to write its peers as they come and go.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::address::Family;
use ringfence_policy::compiled::{Enforcement, Peers, Subjects, Survey};

use super::super::{
    Logs, Note, Options,
    entry::{Entries, listed_set},
    verdicts::{Purpose, Verdicts},
};
use crate::{
    nft::{Chain, Name, Verdict},
    prefix::RuleId,
};

/// A group in the program.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) subjects: Subjects,
    pub(super) family: Family,
    /// Nothing while the group is being replaced by one that goes on with it.
    pub(super) survey: Option<Survey>,
    /// The set of the single addresses with each behaviour.
    pub(super) sets: Vec<Name>,
    /// The dispatch maps that lead to it, and where to.
    pub(super) enters: Vec<(Name, Verdict)>,
    pub(super) uses: Uses,
}

/// What of a program a group uses.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pub(super) chains: Vec<Name>,
    pub(super) sets: Vec<Name>,
    pub(super) maps: Vec<Name>,
    pub(super) shared: Vec<Name>,
    pub(super) rules: Vec<RuleId>,
    pub(super) notes: Vec<Note>,
    pub(super) judges_node: bool,
}

/// A group's part of a program.
pub(super) struct Piece {
    pub(super) entries: Entries,
    pub(super) chains: BTreeMap<Name, Chain>,
    pub(super) rules: BTreeMap<RuleId, Logs>,
    pub(super) notes: BTreeSet<Note>,
    /// As in [`Group`].
    pub(super) sets: Vec<Name>,
}

impl Piece {
    /// Makes it.
    pub(super) fn new(
        options: &Options,
        purpose: Purpose,
        enforcement: &Enforcement<'_>,
        subjects: &Subjects,
        family: Family,
        peers: &Peers,
    ) -> Self {
        let (mut entries, mut verdicts) = (Entries::default(), Verdicts::new(options, enforcement.families()));
        // Those that are there from the start belong to no group.
        let common = std::mem::take(&mut verdicts.chains);
        let targets = entries.add(enforcement, &mut verdicts, (purpose, family), subjects, peers);
        let chain = entries.maps.values().flat_map(|map| map.elements.values()).next();
        let chain = match chain {
            Some(Verdict::Jump(chain)) => chain.clone(),
            _ => Name::from(""),
        };
        let sets = targets.iter().map(|target| listed_set(&chain, target)).collect();
        let Verdicts { mut chains, rules, notes, .. } = verdicts;
        chains.retain(|name, _| !common.contains_key(name));
        Self { entries, chains, rules, notes, sets }
    }

    /// What it uses of a program.
    pub(super) fn uses(&self) -> Uses {
        let Entries { classes, chains, sets, shared, judges_node, .. } = &self.entries;
        Uses {
            chains: [chains, &classes.chains, &self.chains]
                .into_iter()
                .flat_map(|all| all.keys().cloned())
                .collect(),
            sets: [sets, &classes.sets].into_iter().flat_map(|all| all.keys().cloned()).collect(),
            maps: classes.maps.keys().cloned().collect(),
            shared: shared.keys().cloned().collect(),
            rules: self.rules.keys().copied().collect(),
            notes: self.notes.iter().cloned().collect(),
            judges_node: *judges_node,
        }
    }

    /// The dispatch maps that lead to it, and where to.
    pub(super) fn enters(&self) -> Vec<(Name, Verdict)> {
        let maps = self.entries.maps.iter();
        maps.filter_map(|(name, map)| Some((name.clone(), map.elements.values().next()?.clone()))).collect()
    }
}
