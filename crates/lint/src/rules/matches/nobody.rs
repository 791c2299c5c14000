//! What to say of a selector that no pod meets: what is nearest, and which labels exist. In: a place and its nearest pods.
//! Out: the parts of a finding.

use std::collections::BTreeSet;

use ringfence_model::{
    label::{Operator, Requirement},
    origin::Origin,
};

use super::words;
use crate::{
    context::Context,
    finding::Finding,
    selection::{LabelSet, Near, NearKind, Place},
};

/// Where the trouble is: the requirement that is missed, or the first that nobody meets.
pub(super) fn origin<'a>(context: &Context<'a>, place: &Place<'a>, near: Option<&Near<'_>>) -> Origin {
    let requirement = near.map(|near| near.requirement.clone()).or_else(|| unmet(context, place));
    requirement.map(|one| one.origin).filter(|origin| origin.is_some()).unwrap_or(place.origin)
}

/// The first requirement that no pod in question meets.
fn unmet<'a>(context: &Context<'a>, place: &Place<'a>) -> Option<Requirement> {
    let sets = context.selections().labels.asked(context, place);
    let met =
        |one: &Requirement| sets.iter().any(|set| one.holds(set.labels.get(&one.key).map(|value| &**value)));
    place.pod.as_ref()?.requirements.iter().find(|one| !met(one)).cloned()
}

/// Fills in the label, the help and the workloads that are meant.
pub(super) fn describe<'a>(
    context: &Context<'a>,
    place: &Place<'a>,
    near: Option<&Near<'_>>,
    finding: &mut Finding,
) {
    let at = words::namespaces(place);
    let Some(near) = near else {
        let sets = context.selections().labels.asked(context, place);
        match unmet(context, place) {
            Some(requirement) => {
                finding.label(format!("no pod {at} has {}", words::requirement(&requirement)));
                finding.help(existing(&sets, &requirement, &at));
            }
            None => {
                finding.label(format!("no pod {at} meets all of this"));
                finding.help("each requirement is met by some pod, and no pod meets them together");
            }
        }
        return;
    };
    let who = words::workloads(&near.sets, place.home);
    let have = if near.sets.len() > 1 { "have" } else { "has" };
    finding.label(format!("no pod {at} has {}", selected(place, near)));
    let help = match (near.kind, near.instead) {
        (NearKind::ValueSlip, Some((key, value))) => {
            format!("{who} {have} {}: write `{value}`", words::label(key, value))
        }
        (NearKind::KeySlip | NearKind::OtherKey, Some((key, value))) => {
            format!("{who} {have} {}: write `{key}` as the key", words::label(key, value))
        }
        (NearKind::AlikeValue, Some((key, value))) => {
            format!("nearest: {who} {have} {}", words::label(key, value))
        }
        (_, Some(_)) => {
            let sets = context.selections().labels.asked(context, place);
            let rest = sets.iter().filter(|set| has_the_rest(set, place, &near.requirement)).copied();
            existing(&rest.collect::<Vec<_>>(), &near.requirement, "with the rest of it")
        }
        (_, None) => format!("{who} {have} the rest of it, but no label `{}`", near.requirement.key),
    };
    finding.help(help);
    let nearest = if near.kind == NearKind::OneMissing && near.instead.is_some() {
        Default::default()
    } else {
        near.sets.as_slice()
    };
    for set in nearest {
        let instead = near.instead.map_or_else(
            || format!("has no label `{}`", near.requirement.key),
            |(key, value)| format!("has {}", words::label(key, value)),
        );
        finding.related(set.workload.origin, instead);
    }
}

/// The missed requirement, and the others if there are some.
fn selected(place: &Place<'_>, near: &Near<'_>) -> String {
    let all = place.pod.as_ref().map_or(0, |pod| pod.requirements.len());
    let wanted = words::requirement(&near.requirement);
    if all > 1 && !near.is_slip() { format!("{wanted} beside the rest of the selector") } else { wanted }
}

/// Whether a label set meets all of a selector but one requirement.
fn has_the_rest(set: &LabelSet<'_>, place: &Place<'_>, but: &Requirement) -> bool {
    let holds = |one: &Requirement| one.holds(set.labels.get(&one.key).map(|value| &**value));
    place.pod.iter().flat_map(|pod| &pod.requirements).all(|one| one == but || holds(one))
}

/// Which values the key has, or which keys there are.
fn existing(sets: &[LabelSet<'_>], requirement: &Requirement, at: &str) -> String {
    let values: BTreeSet<&str> =
        sets.iter().filter_map(|set| set.labels.get(&requirement.key)).map(|value| &**value).collect();
    let key = &requirement.key;
    if requirement.operator == Operator::In && !values.is_empty() {
        return format!("pods {at} have `{key}` with {}", words::names(values));
    }
    let keys: BTreeSet<&str> = sets.iter().flat_map(|set| set.labels.iter()).map(|(key, _)| &**key).collect();
    if keys.is_empty() {
        format!("pods {at} have no labels at all")
    } else {
        format!("no pod {at} has a label `{key}`; they have {}", words::names(keys))
    }
}

/// Whether a place asks for a key with a domain of its own that no pod in question has: most likely an operator puts it on
/// pods that it makes at run time.
pub(super) fn is_an_operators<'a>(context: &Context<'a>, place: &Place<'a>) -> bool {
    let sets = context.selections().labels.asked(context, place);
    let known = |key: &str| sets.iter().any(|set| set.labels.get(key).is_some());
    place.pod.iter().flat_map(|pod| &pod.requirements).any(|one| {
        let domain = one.key.split_once('/').map(|(domain, _)| domain);
        domain.is_some_and(|domain| !domain.ends_with("kubernetes.io") && !domain.ends_with("k8s.io"))
            && !known(&one.key)
    })
}

/// Whether a peer is a label that clients put on to be let in (`redis-client: "true"`): nobody may have done so yet.
pub(super) fn is_opt_in<'a>(context: &Context<'a>, place: &Place<'a>) -> bool {
    let sets = context.selections().labels.asked(context, place);
    let requirements = place.pod.iter().flat_map(|pod| &pod.requirements);
    let mut unknown =
        requirements.filter(|one| !sets.iter().any(|set| set.labels.get(&one.key).is_some())).peekable();
    unknown.peek().is_some()
        && unknown.all(|one| {
            let switch = |value: &str| ["true", "yes", "1", "allow", "allowed", "enabled"].contains(&value);
            one.operator == Operator::Exists || one.values.iter().all(|value| switch(value))
        })
}
