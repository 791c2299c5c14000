//! Reads that note nothing: a value of the wrong type counts as absent. For what verdicts do not need, where a mistake
//! is not ours to report. In: mappings. Out: what can be read.

use ringfence_model::{Text, label::Labels, service::TargetPort};

use crate::{
    decode::{
        cursor::{Decoder, Map},
        names,
    },
    scalar::Scalar,
    tree::{Kind, Node},
};

/// Longer texts (scripts, whole files) hardly ever repeat: they are not worth remembering.
const LONGEST_SHARED: usize = 128;

/// The annotation in which `kubectl apply` leaves a copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl<'n, 'a> Map<'n, 'a> {
    /// A string that is not empty.
    pub(crate) fn str(&self, field: &str) -> Option<&'n str> {
        self.get(field).and_then(string).filter(|text| !text.is_empty())
    }

    /// The mapping in a field.
    pub(crate) fn map(&self, field: &str) -> Option<Self> {
        self.get(field).and_then(Map::of)
    }

    /// The items of a list.
    pub(crate) fn items(&self, field: &str) -> &'n [Node<'a>] {
        match self.get(field).map(|node| &node.kind) {
            Some(Kind::Seq(items)) => items,
            _ => &[],
        }
    }

    /// The mappings in a list.
    pub(crate) fn maps(&self, field: &str) -> impl Iterator<Item = Map<'n, 'a>> {
        self.items(field).iter().filter_map(Map::of)
    }
}

/// The string in a node.
pub(crate) fn string<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    match node.scalar() {
        Some(Scalar::Str(text)) => Some(text),
        _ => None,
    }
}

/// A port number.
pub(crate) fn port_number(node: &Node<'_>) -> Option<u16> {
    let number = node.scalar().and_then(Scalar::whole)?;
    u16::try_from(number).ok().filter(|port| *port > 0)
}

/// A port by number or by a name that a port can have.
pub(crate) fn target_port(d: &mut Decoder<'_>, node: &Node<'_>) -> Option<TargetPort> {
    if let Some(number) = port_number(node) {
        return Some(TargetPort::Number(number));
    }
    let name = string(node).filter(|name| names::port_name(name).is_none())?;
    Some(TargetPort::Name(d.intern(name)))
}

/// The shared copy of a text, or a copy of its own if it is long.
pub(crate) fn shared(d: &mut Decoder<'_>, text: &str) -> Text {
    if text.len() > LONGEST_SHARED { Text::from(text) } else { d.intern(text) }
}

/// A map of strings, without the copy of the object that `kubectl apply` leaves.
pub(crate) fn strings(d: &mut Decoder<'_>, map: Option<&Map<'_, '_>>) -> Labels {
    let Some(map) = map else { return Labels::default() };
    let mut pairs = Vec::with_capacity(map.entries.len());
    for (key, value) in map.entries {
        if let (Some(key), Some(value)) = (key.text(), string(value))
            && key != LAST_APPLIED
        {
            pairs.push((d.intern(key), shared(d, value)));
        }
    }
    pairs.into_iter().collect()
}
