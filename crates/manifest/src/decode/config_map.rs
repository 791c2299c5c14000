//! `v1` ConfigMap. In: the object's mapping. Out: its texts, for the environment of containers.

use ringfence_model::{Text, origin::Origin};
use rustc_hash::FxHashMap;

use crate::decode::{
    cursor::{Decoder, Map},
    fact::Name,
    lenient,
};

/// A ConfigMap.
#[derive(Clone, Debug)]
pub(crate) struct ConfigMap {
    /// Namespace and name.
    pub(crate) name: Name,
    /// `data`, as written: key, value, and where the value is.
    pub(crate) data: Vec<(Text, Text, Origin)>,
    /// Positions in `data` by key.
    index: FxHashMap<Text, usize>,
}

impl ConfigMap {
    /// The value of a key, and where it is.
    pub(crate) fn get(&self, key: &str) -> Option<(&Text, Origin)> {
        let at = *self.index.get(key)?;
        self.data.get(at).map(|(_, value, origin)| (value, *origin))
    }
}

/// A ConfigMap; nothing if it has no name.
pub(crate) fn decode(d: &mut Decoder<'_>, root: &Map<'_, '_>, namespace: &str) -> Option<ConfigMap> {
    let name = Name::of(d, root, Some(namespace))?;
    let mut data = Vec::new();
    for (key, value) in root.map("data").map_or(&[] as &[_], |map| map.entries) {
        if let (Some(key), Some(text)) = (key.text(), lenient::string(value)) {
            data.push((d.intern(key), lenient::shared(d, text), d.origin(value)));
        }
    }
    let index = data.iter().enumerate().map(|(at, (key, ..))| (key.clone(), at)).collect();
    Some(ConfigMap { name, data, index })
}
