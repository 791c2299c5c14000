//! Label selectors (`meta/v1` LabelSelector). In: a mapping node. Out: a selector with its requirements in order.

use ringfence_model::{
    Text,
    label::{Operator, Requirement, Selector},
};

use crate::{
    decode::{
        cursor::{Decoder, Map, is_null, quoted},
        names,
    },
    tree::Node,
};

const OPERATORS: [(&str, Operator); 4] = [
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
];

/// Whose selector it is, which decides how keys are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Plain label keys.
    Plain,
    /// Keys with an optional label source of Cilium before a colon (`k8s:`, `any:`, `reserved:`).
    Sourced,
}

/// A selector of plain label keys.
pub(crate) fn selector(d: &mut Decoder<'_>, node: &Node<'_>, place: &str) -> Selector {
    read(d, node, place, Keys::Plain)
}

/// A selector with keys of either spelling.
pub(crate) fn read(d: &mut Decoder<'_>, node: &Node<'_>, place: &str, keys: Keys) -> Selector {
    let origin = d.origin(node);
    let Some(map) = d.strict_map(node, place, &["matchLabels", "matchExpressions"]) else {
        return Selector { requirements: Vec::new(), origin };
    };
    let mut requirements = match_labels(d, &map, keys);
    requirements.sort_by(|a, b| a.key.cmp(&b.key));
    for item in d.list(&map, "matchExpressions") {
        requirements.extend(expression(d, item, keys));
    }
    Selector { requirements, origin }
}

fn match_labels(d: &mut Decoder<'_>, map: &Map<'_, '_>, keys: Keys) -> Vec<Requirement> {
    let Some(node) = map.get("matchLabels") else { return Vec::new() };
    let Some(labels) = d.map(node, "`matchLabels`") else { return Vec::new() };
    let mut requirements = Vec::with_capacity(labels.entries.len());
    for (key, value) in labels.entries {
        let Some(name) = key.text() else {
            d.error(key, "wrong-type", "a label key must be a string", "write a label key here");
            continue;
        };
        let Some(checked) = label_key(d, key, name, keys) else { continue };
        let text =
            if is_null(value) { Some("") } else { d.string(value, &format!("the value of label `{name}`")) };
        let Some(text) = text else { continue };
        let Some(text) = label_value(d, value, text) else { continue };
        let origin = d.entry_origin(key, value);
        requirements.push(Requirement { key: checked, operator: Operator::In, values: vec![text], origin });
    }
    requirements
}

fn label_key(d: &mut Decoder<'_>, node: &Node<'_>, key: &str, keys: Keys) -> Option<Text> {
    let bare = match (keys, key.split_once(':')) {
        (Keys::Sourced, Some((_, bare))) => bare,
        _ => key,
    };
    if let Some(allowed) = names::label_key(bare) {
        d.error(node, "invalid-label-key", format!("`{key}` is not a label key"), allowed);
        return None;
    }
    Some(d.intern(key))
}

fn label_value(d: &mut Decoder<'_>, node: &Node<'_>, value: &str) -> Option<Text> {
    if let Some(allowed) = names::label_value(value) {
        d.error(node, "invalid-label-value", format!("`{value}` is not a label value"), allowed);
        return None;
    }
    Some(d.intern(value))
}

fn expression(d: &mut Decoder<'_>, item: &Node<'_>, keys: Keys) -> Option<Requirement> {
    let map = d.strict_map(item, "a selector expression", &["key", "operator", "values"])?;
    let key = match map.get("key") {
        Some(node) => {
            let key = d.string(node, "`key`");
            key.and_then(|key| label_key(d, node, key, keys))
        }
        None => {
            d.missing(&map, "the selector expression", "key");
            None
        }
    };
    let operator = match map.get("operator") {
        Some(node) => d.choice(node, "operator", &OPERATORS),
        None => {
            d.missing(&map, "the selector expression", "operator");
            None
        }
    };
    let mut values = Vec::new();
    for value in d.list(&map, "values") {
        let text = if is_null(value) { Some("") } else { d.string(value, "a label value") };
        values.extend(text.and_then(|text| label_value(d, value, text)));
    }
    match operator? {
        listed @ (Operator::In | Operator::NotIn) => {
            if !map.get("values").is_some_and(has_items) {
                let at = map.entry("operator").map_or(item, |(_, value)| value);
                let message = format!("operator `{}` needs values", listed.as_str());
                d.error(at, "missing-values", message, "add `values: [...]` with at least one value");
                return None;
            }
        }
        bare @ (Operator::Exists | Operator::DoesNotExist) => {
            if let Some((key, value)) = map.entry("values")
                && has_items(value)
            {
                let message = format!("operator `{}` takes no values", bare.as_str());
                let allowed =
                    format!("remove `values`, or use {}", quoted(["In", "NotIn"]).replace(", ", " or "));
                d.error(key, "unexpected-values", message, allowed);
                return None;
            }
        }
    }
    Some(Requirement { key: key?, operator: operator?, values, origin: d.origin(item) })
}

fn has_items(node: &Node<'_>) -> bool {
    matches!(&node.kind, crate::tree::Kind::Seq(items) if !items.is_empty())
}
