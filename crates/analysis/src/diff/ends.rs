//! The workloads of two states side by side. In: the units of both. Out: pairs by name and kind, and classes of pairs
//! that are alike in both states.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{Key, keys};
use crate::connections::{ClassId, Map};

/// A workload in both states, or in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// Who it is.
    pub(super) key: Key,
    /// Its position among the old units.
    pub(super) old: Option<usize>,
    /// Its position among the new units.
    pub(super) new: Option<usize>,
    /// Its class in the old state.
    pub(super) old_class: Option<ClassId>,
    /// Its class in the new state.
    pub(super) new_class: Option<ClassId>,
    /// The position of both classes in [`Joint::classes`].
    pub(super) class: usize,
}

/// All pairs.
pub(super) struct Joint {
    /// Sorted by key.
    pub(super) pairs: Vec<Pair>,
    /// The classes in both states that occur.
    pub(super) classes: Vec<(Option<ClassId>, Option<ClassId>)>,
}

impl Joint {
    pub(super) fn of(old: &Map<'_>, new: &Map<'_>) -> Self {
        let mut positions: BTreeMap<Key, (Option<usize>, Option<usize>)> = BTreeMap::new();
        for (at, key) in keys(old).into_iter().enumerate() {
            positions.entry(key).or_default().0 = Some(at);
        }
        for (at, key) in keys(new).into_iter().enumerate() {
            positions.entry(key).or_default().1 = Some(at);
        }
        let mut classes = Vec::new();
        let mut known = FxHashMap::default();
        let class_of =
            |map: &Map<'_>, at: Option<usize>| at.and_then(|at| map.units().get(at)).map(|unit| unit.class);
        let pairs = positions.into_iter().map(|(key, (at_old, at_new))| {
            let both = (class_of(old, at_old), class_of(new, at_new));
            let class = *known.entry(both).or_insert_with(|| {
                classes.push(both);
                classes.len() - 1
            });
            Pair { key, old: at_old, new: at_new, old_class: both.0, new_class: both.1, class }
        });
        let pairs = pairs.collect();
        Self { pairs, classes }
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.pairs.iter().map(|pair| pair.key.clone()).collect()
    }
}
