//! Labels that only one workload of a namespace has, a slip of the finger away from what its neighbours have and policies ask
//! for. In: places that select pods, labels. Out: those workloads.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::{
    Text,
    label::{Operator, Requirement},
    workload::WorkloadId,
};

use crate::{
    context::Context,
    selection::{LabelSet, Place, is_slip},
};

/// With more values than this a label tells pods apart, and is no word that somebody could mistype.
const WORDS: usize = 64;

/// A workload that a place misses by a slip.
pub(super) struct Odd<'c, 'a> {
    pub(super) set: LabelSet<'a>,
    /// The label that it has.
    pub(super) has: (&'a Text, &'a Text),
    /// What the place asks for, which others of the namespace have.
    pub(super) requirement: &'c Requirement,
    pub(super) place: &'c Place<'a>,
}

/// Label key and value.
type Label<'a> = (&'a str, &'a str);

/// One for each such workload, in their order.
pub(super) fn odd<'c, 'a>(context: &'c Context<'a>) -> Vec<Odd<'c, 'a>> {
    let selections = context.selections();
    let mut asked: BTreeMap<Label<'c>, Vec<(&'c Place<'a>, &'c Requirement)>> = BTreeMap::new();
    for place in selections.parts.iter().flat_map(|part| part.places()) {
        for requirement in place.pod.iter().flat_map(|pod| &pod.requirements) {
            for value in requirement.values.iter().filter(|_| requirement.operator == Operator::In) {
                asked.entry((&requirement.key, value)).or_default().push((place, requirement));
            }
        }
    }
    let services = context.cluster.services.iter().filter_map(|service| service.selector.as_ref());
    let served: BTreeSet<Label<'a>> =
        services.flat_map(|selector| selector.iter()).map(|(key, value)| (&**key, &**value)).collect();
    let mut found: BTreeMap<WorkloadId, Odd<'c, 'a>> = BTreeMap::new();
    for namespace in selections.labels.namespaces() {
        let sets = selections.labels.of(namespace);
        let mut values: BTreeMap<&'a Text, BTreeMap<&'a Text, Vec<LabelSet<'a>>>> = BTreeMap::new();
        for set in sets {
            for (key, value) in set.labels.iter() {
                values.entry(key).or_default().entry(value).or_default().push(*set);
            }
        }
        for (key, values) in values.iter().filter(|(_, values)| (2..=WORDS).contains(&values.len())) {
            for (wrong, own) in values {
                let Some(set) = only(own) else { continue };
                let named = *set.workload.name == ***wrong;
                if named || asked.contains_key(&(key, wrong)) || served.contains(&(&**key, &**wrong)) {
                    continue;
                }
                let right = values.iter().filter(|(right, _)| is_slip(right, wrong));
                let missing = right.into_iter().find_map(|(right, others)| {
                    let places = asked.get(&(key, right))?.iter();
                    places.copied().find(|(place, one)| misses(place, one, set, others))
                });
                if let Some((place, requirement)) = missing {
                    let odd = Odd { set: *set, has: (key, wrong), requirement, place };
                    found.entry(set.id).or_insert(odd);
                }
            }
        }
    }
    found.into_values().collect()
}

/// The sets' only workload.
fn only<'s, 'a>(sets: &'s [LabelSet<'a>]) -> Option<&'s LabelSet<'a>> {
    let first = sets.first()?;
    sets.iter().all(|set| set.id == first.id).then_some(first)
}

/// Whether a place means others of the namespace, and would mean these pods too if it were not for one requirement.
fn misses(place: &Place<'_>, but: &Requirement, set: &LabelSet<'_>, others: &[LabelSet<'_>]) -> bool {
    let holds = |one: &Requirement| one.holds(set.labels.get(&one.key).map(|value| &**value));
    let first = |set: &LabelSet<'_>| set.workload.pods.first().copied();
    others.iter().filter_map(first).any(|pod| place.pods.contains(pod))
        && !first(set).is_some_and(|pod| place.pods.contains(pod))
        && !holds(but)
        && place.pod.iter().flat_map(|pod| &pod.requirements).all(|one| std::ptr::eq(one, but) || holds(one))
}
