//! The labels nearest to a selector that no pod meets. In: a selector and the label sets that it is asked of. Out: the pods that
//! miss it by one requirement, and how.

use ringfence_analysis::nearest;
use ringfence_model::{
    Text,
    label::{Operator, Requirement, Selector},
};

use super::{LabelSet, is_slip, others_keys};

/// How near pods are, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NearKind {
    /// The key is there, and its value is the wanted one mistyped.
    ValueSlip,
    /// The value is there under a key that is the wanted one mistyped, or that other tools use for the same.
    KeySlip,
    /// The value is there under another key.
    OtherKey,
    /// The key is there with a value that looks like the wanted one.
    AlikeValue,
    /// Everything else of the selector holds; the key has another value, or is absent.
    OneMissing,
}

/// Pods that miss a selector by one requirement.
#[derive(Clone, Debug)]
pub(crate) struct Near<'a> {
    /// How near they are.
    pub(crate) kind: NearKind,
    /// The requirement that they miss.
    pub(crate) requirement: Requirement,
    /// The label that they have instead: key and value. Nothing if the key is absent.
    pub(crate) instead: Option<(&'a Text, &'a Text)>,
    /// A few of them, one for each workload.
    pub(crate) sets: Vec<LabelSet<'a>>,
}

impl Near<'_> {
    /// Whether it is most likely a slip of the finger.
    pub(crate) fn is_slip(&self) -> bool {
        matches!(self.kind, NearKind::ValueSlip | NearKind::KeySlip)
    }
}

/// So many label sets are looked at: what is nearest among thousands is no help to anyone.
const LOOKED_AT: usize = 500;

/// So many values are compared by how alike they look, which costs more than to find slips.
const COMPARED: usize = 50;

/// So many workloads are named.
const NAMED: usize = 3;

/// The nearest label sets.
pub(crate) fn near<'a>(sets: impl Iterator<Item = LabelSet<'a>>, selector: &Selector) -> Option<Near<'a>> {
    let mut best: Option<Near<'a>> = None;
    let mut compared = 0;
    for set in sets.take(LOOKED_AT) {
        let Some((kind, requirement, instead)) = miss(&set, selector, &mut compared) else { continue };
        match &mut best {
            Some(near) if near.kind < kind => {}
            Some(near) if near.kind == kind => {
                let same = near.requirement == *requirement && near.instead == instead;
                let known = near.sets.iter().any(|known| known.id == set.id);
                if same && !known && near.sets.len() < NAMED {
                    near.sets.push(set);
                }
            }
            _ => best = Some(Near { kind, requirement: requirement.clone(), instead, sets: vec![set] }),
        }
    }
    best
}

type Miss<'a, 's> = (NearKind, &'s Requirement, Option<(&'a Text, &'a Text)>);

/// The only requirement that a label set misses, and what it has instead; nothing if it misses several, or is not near.
fn miss<'a, 's>(set: &LabelSet<'a>, selector: &'s Selector, compared: &mut usize) -> Option<Miss<'a, 's>> {
    let labels = set.labels;
    let holds = |one: &Requirement| one.holds(labels.get(&one.key).map(|value| &**value));
    let mut missed = selector.requirements.iter().filter(|one| !holds(one));
    let requirement = missed.next()?;
    if missed.next().is_some() {
        return None;
    }
    let wanted = |actual: &str| requirement.values.iter().any(|value| **value == *actual);
    let others_hold = selector.requirements.len() > 1;
    if let Some((key, actual)) = labels.iter().find(|(key, _)| **key == requirement.key) {
        if requirement.operator != Operator::In {
            return others_hold.then_some((NearKind::OneMissing, requirement, Some((key, actual))));
        }
        let kind = if requirement.values.iter().any(|value| is_slip(value, actual)) {
            NearKind::ValueSlip
        } else if *compared < COMPARED && {
            *compared += 1;
            requirement.values.iter().any(|value| !nearest::nearest(value, [&**actual]).is_empty())
        } {
            NearKind::AlikeValue
        } else if others_hold {
            NearKind::OneMissing
        } else {
            return None;
        };
        return Some((kind, requirement, Some((key, actual))));
    }
    match requirement.operator {
        Operator::In => {
            let same_value = || labels.iter().filter(|(_, actual)| wanted(actual));
            let slip = same_value().find(|(key, _)| others_keys(&requirement.key, key));
            if let Some(instead) = slip {
                return Some((NearKind::KeySlip, requirement, Some(instead)));
            }
            let telling = |value: &str| value.len() > 2 && value != "true" && value != "false";
            if let Some(instead) = same_value().find(|(_, actual)| telling(actual)) {
                return Some((NearKind::OtherKey, requirement, Some(instead)));
            }
        }
        Operator::Exists => {
            if let Some(instead) = labels.iter().find(|(key, _)| is_slip(&requirement.key, key)) {
                return Some((NearKind::KeySlip, requirement, Some(instead)));
            }
        }
        Operator::NotIn | Operator::DoesNotExist => return None,
    }
    others_hold.then_some((NearKind::OneMissing, requirement, None))
}
