//! `metadata` of every object. In: the object's mapping. Out: its name, namespace, labels and owners.

use std::sync::Arc;

use ringfence_model::{
    Text,
    label::Labels,
    network_policy::{AUDIT_ANNOTATION, PolicyKind, PolicyMeta},
    origin::Origin,
};

use crate::{
    decode::{
        cursor::{Decoder, Map},
        labels,
        names::{self, Grammar},
    },
    tree::Node,
};

/// An owner reference.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// The owner's kind.
    pub(crate) kind: Text,
    /// The owner's name.
    pub(crate) name: Text,
}

/// The metadata of an object.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    /// Its name, or the beginning of one that the API server completes.
    pub(crate) name: Text,
    /// Whether the name comes from `generateName`.
    pub(crate) generated: bool,
    /// Its namespace; nothing for cluster-scoped kinds.
    pub(crate) namespace: Option<Text>,
    /// Its labels.
    pub(crate) labels: Labels,
    /// The owner that controls it, else the first one.
    pub(crate) owner: Option<Owner>,
    /// Where its name is written, or its kind.
    pub(crate) origin: Origin,
}

impl Meta {
    /// The namespace of a namespaced object.
    pub(crate) fn namespace(&self) -> Text {
        self.namespace.clone().unwrap_or_default()
    }
}

/// What a kind demands of its metadata.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'o> {
    /// The kind's name, for messages.
    pub(crate) kind: &'o str,
    /// The namespace of objects that name none; nothing for cluster-scoped kinds.
    pub(crate) namespace: Option<&'o str>,
    /// The grammar of its names.
    pub(crate) grammar: Grammar,
    /// Whether `generateName` will do.
    pub(crate) generated: bool,
}

/// The metadata of an object; nothing if it has no usable name.
pub(crate) fn meta(d: &mut Decoder<'_>, root: &Map<'_, '_>, rules: Rules<'_>) -> Option<Meta> {
    let at_kind = root.entry("kind").map_or(root.node, |(_, value)| value);
    let Some(node) = root.get("metadata") else {
        d.error(
            at_kind,
            "missing-field",
            format!("this {} has no `metadata`", rules.kind),
            "`metadata.name` is required",
        );
        return None;
    };
    let map = d.map(node, "`metadata`")?;
    d.near(
        &map,
        "`metadata`",
        &["name", "generateName", "namespace", "labels", "annotations", "ownerReferences"],
    );
    let (name, generated, at) = match (map.get("name"), map.get("generateName")) {
        (Some(node), _) => (d.name(node, "the name", rules.grammar)?, false, node),
        (None, Some(node)) if rules.generated => {
            // The API server appends five characters; the beginning alone may end in `-`.
            let prefix = d.string(node, "`generateName`")?;
            (d.intern(prefix), true, node)
        }
        _ => {
            d.error(
                at_kind,
                "missing-field",
                format!("this {} has no name", rules.kind),
                "`metadata.name` is required",
            );
            return None;
        }
    };
    let namespace = match (rules.namespace, map.get("namespace")) {
        (None, None) => None,
        (None, Some(node)) => {
            let message = format!("`namespace` on the cluster-scoped kind {}", rules.kind);
            d.warning(node, "cluster-scoped", message, "it has no effect: remove it");
            None
        }
        (Some(default), None) => Some(d.intern(default)),
        (Some(default), Some(node)) => match d.string(node, "`namespace`")? {
            "" => Some(d.intern(default)),
            _ => Some(d.name(node, "the namespace", names::dns_label)?),
        },
    };
    let labels = map.get("labels").map(|node| labels::labels(d, node, "`labels`")).unwrap_or_default();
    let owner = owner(d, &map);
    Some(Meta { name, generated, namespace, labels, owner, origin: d.origin(at) })
}

/// The annotations of an object.
pub(crate) fn annotations(d: &mut Decoder<'_>, root: &Map<'_, '_>) -> Labels {
    let metadata = root.get("metadata").and_then(Map::of);
    metadata
        .and_then(|map| map.get("annotations"))
        .map(|node| labels::annotations(d, node))
        .unwrap_or_default()
}

/// What every policy has.
pub(crate) fn policy_meta(
    d: &mut Decoder<'_>,
    root: &Map<'_, '_>,
    kind: PolicyKind,
    namespace: Option<&str>,
) -> Option<Arc<PolicyMeta>> {
    let rules = Rules { kind: kind.as_str(), namespace, grammar: names::dns_subdomain, generated: false };
    let meta = meta(d, root, rules)?;
    let annotations = annotations(d, root);
    let audit = audit(d, root, &annotations);
    let Meta { name, namespace, labels, origin, .. } = meta;
    Some(Arc::new(PolicyMeta { kind, namespace, name, labels, annotations, audit, origin }))
}

/// Whether the annotations make the policy an audit policy. It takes effect if they do not say so clearly: a typing error
/// must not open anything.
fn audit(d: &mut Decoder<'_>, root: &Map<'_, '_>, annotations: &Labels) -> bool {
    let given = annotations.get(AUDIT_ANNOTATION);
    match given.map_or("false", |value| value) {
        "true" => true,
        "false" => false,
        other => {
            let metadata = root.get("metadata").and_then(Map::of);
            let map = metadata.as_ref().and_then(|map| map.get("annotations")).and_then(Map::of);
            if let Some(node) = map.and_then(|map| map.get(AUDIT_ANNOTATION)) {
                let message = format!("unknown value `{other}` of the annotation `{AUDIT_ANNOTATION}`");
                let label = "the policy is enforced; allowed: `\"true\"` (audit only), `\"false\"`";
                d.warning(node, "unknown-value", message, label);
            }
            false
        }
    }
}

fn owner(d: &mut Decoder<'_>, metadata: &Map<'_, '_>) -> Option<Owner> {
    let owners = d.list(metadata, "ownerReferences");
    let controls = |map: &Map<'_, '_>| map.get("controller").and_then(Node::text) == Some("true");
    let maps = || owners.iter().filter_map(Map::of);
    let chosen = maps().find(controls).or_else(|| maps().next())?;
    let kind = d.text_field(&chosen, "kind")?;
    let name = d.text_field(&chosen, "name")?;
    Some(Owner { kind, name })
}
