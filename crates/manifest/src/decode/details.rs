//! What the containers of a pod are and do. In: the mapping of a pod or a template. Out: its details, with the
//! environment variables that ConfigMaps hold left to be filled in.
//!
//! Nothing here is ever an error: the API server's demands are checked where verdicts depend on them.

use std::sync::Arc;

use ringfence_model::{
    Text,
    details::{Container, EnvVar, PodDetails},
    origin::Origin,
};
use rustc_hash::FxHashSet;

use crate::decode::{
    cursor::{Decoder, Map},
    lenient, probe,
};

/// The details of a pod before the ConfigMaps are known.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The details, without the environment of the containers in `pending`.
    pub(crate) details: Arc<PodDetails>,
    /// The containers (by their positions) whose environment comes from ConfigMaps, with all of it.
    pub(crate) pending: Vec<(usize, Vec<EnvSource>)>,
}

/// Where environment variables come from.
#[derive(Clone, Debug)]
pub(crate) enum EnvSource {
    /// The manifest itself.
    Known(EnvVar),
    /// One key of a ConfigMap (`valueFrom.configMapKeyRef`).
    Key {
        /// The variable's name.
        name: Text,
        /// The ConfigMap's name.
        map: Text,
        /// The key.
        key: Text,
        /// Where the reference is written.
        origin: Origin,
    },
    /// All keys of a ConfigMap (`envFrom`).
    All {
        /// The ConfigMap's name.
        map: Text,
        /// What precedes each key.
        prefix: Option<Text>,
    },
}

/// The details of a pod, or of the pods of a template: both have `metadata` and `spec`.
pub(crate) fn decode(d: &mut Decoder<'_>, pod: &Map<'_, '_>) -> Draft {
    let annotations = pod.map("metadata").and_then(|map| map.map("annotations"));
    let mut details =
        PodDetails { annotations: lenient::strings(d, annotations.as_ref()), ..PodDetails::default() };
    let mut pending = Vec::new();
    if let Some(spec) = pod.map("spec") {
        details.dns_policy = spec.str("dnsPolicy").map(|policy| d.intern(policy));
        for (field, init) in [("containers", false), ("initContainers", true)] {
            for item in spec.maps(field) {
                let mut container = container(d, &item, init);
                match known(environment(d, &item)) {
                    Ok(env) => container.env = env,
                    Err(sources) => pending.push((details.containers.len(), sources)),
                }
                details.containers.push(container);
            }
        }
    }
    Draft { details: Arc::new(details), pending }
}

/// A container without its environment.
fn container(d: &mut Decoder<'_>, item: &Map<'_, '_>, init: bool) -> Container {
    let mut arguments = Vec::new();
    for node in item.items("command").iter().chain(item.items("args")) {
        arguments.extend(lenient::string(node).map(|text| lenient::shared(d, text)));
    }
    Container {
        name: d.intern(item.str("name").unwrap_or_default()),
        image: item.str("image").map(|image| d.intern(image)),
        arguments,
        env: Vec::new(),
        probes: probe::probes(d, item),
        init,
        origin: d.origin(item.node),
    }
}

/// The environment of a container: `envFrom`, then `env`, as written.
fn environment(d: &mut Decoder<'_>, container: &Map<'_, '_>) -> Vec<EnvSource> {
    let mut sources = Vec::new();
    for item in container.maps("envFrom") {
        // What a Secret holds is not read.
        if let Some(map) = item.map("configMapRef").and_then(|map| map.str("name")) {
            let prefix = item.str("prefix").map(|prefix| d.intern(prefix));
            sources.push(EnvSource::All { map: d.intern(map), prefix });
        }
    }
    for item in container.maps("env") {
        sources.extend(variable(d, &item));
    }
    sources
}

fn variable(d: &mut Decoder<'_>, item: &Map<'_, '_>) -> Option<EnvSource> {
    let name = d.intern(item.str("name")?);
    let unknown = |d: &Decoder<'_>, name| EnvVar { name, value: None, origin: d.origin(item.node) };
    let Some(from) = item.get("valueFrom") else {
        let known = match item.get("value") {
            // Absent is empty in the API.
            None => EnvVar { name, value: Some(d.intern("")), origin: d.origin(item.node) },
            Some(node) => match lenient::string(node) {
                Some(text) => EnvVar { name, value: Some(lenient::shared(d, text)), origin: d.origin(node) },
                None => unknown(d, name),
            },
        };
        return Some(EnvSource::Known(known));
    };
    let reference = Map::of(from).and_then(|from| from.map("configMapKeyRef"));
    let Some((map, key)) = reference.and_then(|map| map.str("name").zip(map.str("key"))) else {
        return Some(EnvSource::Known(unknown(d, name)));
    };
    Some(EnvSource::Key { name, map: d.intern(map), key: d.intern(key), origin: d.origin(item.node) })
}

/// The variables, if no ConfigMap is needed for them.
fn known(sources: Vec<EnvSource>) -> Result<Vec<EnvVar>, Vec<EnvSource>> {
    if sources.iter().any(|source| !matches!(source, EnvSource::Known(_))) {
        return Err(sources);
    }
    let variables = sources.into_iter().filter_map(|source| match source {
        EnvSource::Known(variable) => Some(variable),
        EnvSource::Key { .. } | EnvSource::All { .. } => None,
    });
    Ok(last_of_each(variables.collect()))
}

/// The last variable of each name: it replaces those before it.
pub(crate) fn last_of_each(mut variables: Vec<EnvVar>) -> Vec<EnvVar> {
    if variables.len() < 2 {
        return variables;
    }
    let mut names: FxHashSet<Text> = FxHashSet::default();
    variables.reverse();
    variables.retain(|variable| names.insert(variable.name.clone()));
    variables.reverse();
    variables
}
