//! The outside of an object of any kind. In: its mapping. Out: what it is called, and where it is written.

use ringfence_model::object::ObjectRef;

use crate::decode::{
    cursor::{Decoder, Map},
    lenient,
};

/// The outline of an object. `version` and `kind` are those of its list where it does not repeat them.
pub(crate) fn outline(d: &mut Decoder<'_>, map: &Map<'_, '_>, version: &str, kind: &str) -> ObjectRef {
    let metadata = map.map("metadata");
    let field = |name| metadata.as_ref().and_then(|map| map.get(name));
    let name = ["name", "generateName"].into_iter().find_map(|name| {
        let node = field(name)?;
        lenient::string(node).map(|text| (node, text))
    });
    let origin = name.map(|(node, _)| node).or_else(|| map.get("kind")).unwrap_or(map.node);
    let part = |name| metadata.as_ref().and_then(|map| map.map(name));
    ObjectRef {
        api_version: d.intern(version),
        kind: d.intern(kind),
        namespace: metadata.as_ref().and_then(|map| map.str("namespace")).map(|text| d.intern(text)),
        name: d.intern(name.map_or("", |(_, text)| text)),
        labels: lenient::strings(d, part("labels").as_ref()),
        annotations: lenient::strings(d, part("annotations").as_ref()),
        origin: d.origin(origin),
        body: d.origin(map.node),
    }
}
