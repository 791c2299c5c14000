//! Maps of strings: labels, annotations, the selectors of Services. In: a mapping node. Out: sorted labels.

use ringfence_model::label::Labels;

use crate::{
    decode::{
        cursor::{Decoder, is_null},
        names,
    },
    tree::Node,
};

/// Labels, each key and value checked.
pub(crate) fn labels(d: &mut Decoder<'_>, node: &Node<'_>, what: &str) -> Labels {
    let Some(map) = d.map(node, what) else { return Labels::default() };
    let mut pairs = Vec::with_capacity(map.entries.len());
    for (key, value) in map.entries {
        let Some(name) = key.text() else {
            d.error(key, "wrong-type", "a label key must be a string", "write a label key here");
            continue;
        };
        if let Some(allowed) = names::label_key(name) {
            d.error(key, "invalid-label-key", format!("`{name}` is not a label key"), allowed);
            continue;
        }
        // A null value is an empty string in Go.
        let text =
            if is_null(value) { Some("") } else { d.string(value, &format!("the value of label `{name}`")) };
        let Some(text) = text else { continue };
        if let Some(allowed) = names::label_value(text) {
            d.error(value, "invalid-label-value", format!("`{text}` is not a label value"), allowed);
            continue;
        }
        pairs.push((d.intern(name), d.intern(text)));
    }
    pairs.into_iter().collect()
}

/// Annotations: any strings, except the copy of the object that `kubectl apply` leaves.
pub(crate) fn annotations(d: &mut Decoder<'_>, node: &Node<'_>) -> Labels {
    let Some(map) = d.map(node, "`annotations`") else { return Labels::default() };
    let mut pairs = Vec::with_capacity(map.entries.len());
    for (key, value) in map.entries {
        let Some(name) = key.text() else { continue };
        if name == "kubectl.kubernetes.io/last-applied-configuration" {
            continue;
        }
        if let Some(text) = d.string(value, &format!("the value of annotation `{name}`")) {
            pairs.push((d.intern(name), d.intern(text)));
        }
    }
    pairs.into_iter().collect()
}
