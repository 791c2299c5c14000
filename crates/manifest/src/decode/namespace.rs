//! `v1` Namespace. In: the object's mapping. Out: a namespace with the label of its name.

use ringfence_model::{
    Text,
    workload::{NAMESPACE_NAME_LABEL, Namespace},
};

use crate::decode::{
    cursor::{Decoder, Map},
    meta::{self, Meta, Rules},
    names,
};

/// A Namespace. The API server sets the label of its name, whatever the object says.
pub(crate) fn decode(d: &mut Decoder<'_>, root: &Map<'_, '_>) -> Option<Namespace> {
    let rules = Rules { kind: "Namespace", namespace: None, grammar: names::dns_label, generated: false };
    let Meta { name, mut labels, origin, .. } = meta::meta(d, root, rules)?;
    if let Some(given) = labels.get(NAMESPACE_NAME_LABEL)
        && *given != name
    {
        let message = format!("label `{NAMESPACE_NAME_LABEL}` of namespace `{name}` says `{given}`");
        d.push(
            ringfence_model::diagnostic::Diagnostic::warning("namespace-label", origin, message)
                .with_label(format!("the API server sets it to `{name}`")),
        );
    }
    labels.insert(d.intern(NAMESPACE_NAME_LABEL), name.clone());
    Some(Namespace { name, labels, given: true, origin })
}

/// A namespace that exists only because something uses it.
pub(crate) fn implied(name: Text) -> Namespace {
    let labels = [(Text::from(NAMESPACE_NAME_LABEL), name.clone())].into_iter().collect();
    Namespace { name, labels, given: false, origin: ringfence_model::origin::Origin::NONE }
}
