//! Repairs of labels and selectors. In: a place in a policy, and what should be there. Out: edits, and what they claim to do.

use ringfence_manifest::edit::{Edit, Value, rename_key, replace_scalar};
use ringfence_model::{
    cilium::derived,
    label::{Operator, Requirement, Selector},
    network_policy::PolicyKind,
    tier::Action,
    workload::{NAMESPACE_NAME_LABEL, PodId},
};

use crate::{
    context::Context,
    finding::Claim,
    selection::{Near, NearKind, Place},
};

/// What it does to find more peers for a rule.
pub(super) fn more_peers(action: Action) -> Option<Claim> {
    match action {
        Action::Accept => Some(Claim::Opens(Vec::new())),
        Action::Deny => Some(Claim::Cuts(Vec::new())),
        Action::Pass => None,
    }
}

/// What it does to find fewer peers for a rule.
pub(super) fn fewer_peers(action: Action) -> Option<Claim> {
    match action {
        Action::Accept => Some(Claim::Cuts(Vec::new())),
        Action::Deny => Some(Claim::Opens(Vec::new())),
        Action::Pass => None,
    }
}

/// What it does to give pods one more NetworkPolicy: those that are isolated are opened, the others are isolated.
pub(super) fn one_more_policy(context: &Context<'_>, pod: PodId) -> Claim {
    let group = context.groups().iter().find(|group| group.pods.binary_search(&pod).is_ok());
    let isolated = group.is_some_and(|group| group.ingress.is_isolated() || group.egress.is_isolated());
    if isolated { Claim::Opens(Vec::new()) } else { Claim::Cuts(Vec::new()) }
}

/// Writes what the nearest pods have, where that is a slip of the finger.
pub(super) fn slip(context: &Context<'_>, place: &Place<'_>, near: &Near<'_>) -> Option<Vec<Edit>> {
    let (key, value) = near.instead?;
    let selector = place.pod.as_ref()?;
    match near.kind {
        NearKind::ValueSlip => replace_value(context, place, selector, &near.requirement, value),
        NearKind::KeySlip => replace_key(context, place, selector, &near.requirement, key),
        _ => None,
    }
}

/// Writes what the nearest pods have, slip or not.
pub(super) fn nearest(context: &Context<'_>, place: &Place<'_>, near: &Near<'_>) -> Option<Vec<Edit>> {
    let (key, value) = near.instead?;
    let selector = place.pod.as_ref()?;
    match near.kind {
        NearKind::ValueSlip | NearKind::AlikeValue => {
            replace_value(context, place, selector, &near.requirement, value)
        }
        NearKind::KeySlip | NearKind::OtherKey => {
            replace_key(context, place, selector, &near.requirement, key)
        }
        NearKind::OneMissing => None,
    }
}

/// Gives a requirement another value.
pub(super) fn replace_value(
    context: &Context<'_>,
    place: &Place<'_>,
    selector: &Selector,
    requirement: &Requirement,
    value: &str,
) -> Option<Vec<Edit>> {
    if requirement.operator != Operator::In || requirement.values.len() != 1 {
        return None;
    }
    let places = &context.places;
    let key = &*requirement.key;
    let written = |key: &str| {
        let entry = places.value(selector.origin, &["matchLabels".into(), key.into()])?;
        let text = places.text(entry)?.trim_matches(['"', '\'']);
        requirement.values.iter().any(|value| **value == *text).then_some(entry)
    };
    let sourced = || {
        let keys = SOURCES.iter().flat_map(|source| {
            // What Cilium derives from the namespace.
            let derived =
                if key == NAMESPACE_NAME_LABEL { derived::NAMESPACE.to_owned() } else { key.to_owned() };
            [format!("{source}{derived}"), format!("{source}{}{key}", derived::NAMESPACE_LABELS)]
        });
        keys.into_iter().find_map(|key| written(&key))
    };
    let entry = || if is_sourced(place) { sourced() } else { written(key) };
    let item = places.value(requirement.origin, &["values".into(), 0.into()]);
    replace_scalar(places, item.or_else(entry)?, &Value::from(value))
}

/// Gives a requirement another key.
pub(super) fn replace_key(
    context: &Context<'_>,
    place: &Place<'_>,
    selector: &Selector,
    requirement: &Requirement,
    key: &str,
) -> Option<Vec<Edit>> {
    if is_sourced(place) || selector.requirements.iter().any(|other| *other.key == *key) {
        return None;
    }
    let places = &context.places;
    if let Some(item) = places.value(requirement.origin, &["key".into()]) {
        return replace_scalar(places, item, &Value::from(key));
    }
    let entry = places.key(selector.origin, &["matchLabels".into(), (&*requirement.key).into()])?;
    rename_key(places, entry, key)
}

/// The sources that Cilium's keys of pods' labels may be written with.
const SOURCES: [&str; 3] = ["", "k8s:", "any:"];

/// Whether keys may be written with a label source, other than they are in the model.
fn is_sourced(place: &Place<'_>) -> bool {
    matches!(place.meta.kind, PolicyKind::CiliumNetworkPolicy | PolicyKind::CiliumClusterwideNetworkPolicy)
}
