//! How labels, selectors and workloads are written in findings. In: values of the model. Out: words.

use ringfence_analysis::nearest::one_of;
use ringfence_model::{
    Text,
    label::{Operator, Requirement, Selector},
    verdict::Direction,
};

use crate::selection::{LabelSet, Place};

/// So many things are listed before the rest is left out.
const LISTED: usize = 5;

/// `` `app: web` ``, or in words what an expression asks for.
pub(super) fn requirement(requirement: &Requirement) -> String {
    let key = &requirement.key;
    let values = requirement.values.iter().map(|value| &**value).collect::<Vec<_>>().join(", ");
    match (requirement.operator, requirement.values.as_slice()) {
        (Operator::In, [value]) => format!("`{key}: {value}`"),
        (Operator::In, _) => format!("`{key} in ({values})`"),
        (Operator::NotIn, _) => format!("`{key} not in ({values})`"),
        (Operator::Exists, _) => format!("a label `{key}`"),
        (Operator::DoesNotExist, _) => format!("no label `{key}`"),
    }
}

/// All requirements of a selector.
pub(super) fn selector(selector: &Selector) -> String {
    let parts: Vec<String> = selector.requirements.iter().map(requirement).collect();
    if parts.is_empty() { "`{}`".to_owned() } else { parts.join(" and ") }
}

/// The namespaces that a place is about: `` `shop` ``, or by what they are chosen.
pub(super) fn namespaces(place: &Place<'_>) -> String {
    match (place.home, &place.namespace) {
        (Some(home), _) => format!("in `{home}`"),
        (None, Some(namespace)) if !namespace.is_empty() => match namespace.requirements.as_slice() {
            [one]
                if *one.key == *ringfence_model::workload::NAMESPACE_NAME_LABEL && one.values.len() == 1 =>
            {
                format!("in `{}`", one.values.first().map_or("", |value| value))
            }
            _ => format!("in the namespaces with {}", selector(namespace)),
        },
        _ => "in any namespace".to_owned(),
    }
}

/// `` Deployment `shop/web` ``, without the namespace where it is clear.
pub(super) fn workload(set: &LabelSet<'_>, home: Option<&Text>) -> String {
    let workload = set.workload;
    if home == Some(&workload.namespace) {
        format!("{} `{}`", workload.kind.as_str(), workload.name)
    } else {
        format!("{} `{}/{}`", workload.kind.as_str(), workload.namespace, workload.name)
    }
}

/// Several workloads, as the object or subject of a sentence.
pub(super) fn workloads(sets: &[LabelSet<'_>], home: Option<&Text>) -> String {
    and(&sets.iter().map(|set| workload(set, home)).collect::<Vec<_>>())
}

/// `a, b and c`.
pub(super) fn and(words: &[String]) -> String {
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// `` `a`, `b` and `c` ``, or the first few and how many there are beside.
pub(super) fn names<'t>(names: impl IntoIterator<Item = &'t str>) -> String {
    let all: Vec<&str> = names.into_iter().collect();
    let mut listed: Vec<String> = all.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    if all.len() > LISTED {
        listed.push(format!("{} more", all.len() - LISTED));
    }
    and(&listed)
}

/// `` `a`, `b` or `c` ``, the first few.
pub(super) fn either<'t>(names: impl IntoIterator<Item = &'t str>) -> String {
    let few: Vec<String> = names.into_iter().take(LISTED).map(str::to_owned).collect();
    one_of(&few)
}

/// `ingress` or `egress`.
pub(super) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// How a requirement is written in a manifest, without its place: `app: web`.
pub(super) fn label(key: &str, value: &str) -> String {
    format!("`{key}: {value}`")
}
