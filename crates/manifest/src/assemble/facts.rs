//! What was read for details alone: ConfigMaps into the environment of containers, callers and monitors into the
//! cluster. In: decoded objects. Out: the same, put together. Of an object given twice the first counts.

use std::sync::Arc;

use ringfence_model::{Text, cluster::Cluster, details::EnvVar};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::decode::{
    config_map::ConfigMap,
    details::{EnvSource, last_of_each},
    fact::Fact,
    meta::Meta,
    pod::PodSpec,
};

/// ConfigMaps by namespace and name.
pub(super) type ConfigMaps = FxHashMap<(Text, Text), ConfigMap>;

/// Fills a cluster with callers and monitors, sorted as the model documents. Returns the ConfigMaps.
pub(super) fn add(cluster: &mut Cluster, facts: Vec<Fact>) -> ConfigMaps {
    let mut maps = ConfigMaps::default();
    let (mut callers, mut monitors) = (FxHashSet::default(), FxHashSet::default());
    for fact in facts {
        match fact {
            Fact::ConfigMap(map) => {
                let key = (map.name.namespace.clone(), map.name.name.clone());
                maps.entry(key).or_insert(map);
            }
            Fact::Callers(kind, name, of_object) => {
                if callers.insert((kind, name)) {
                    cluster.callers.extend(of_object);
                }
            }
            Fact::Monitor(monitor) => {
                if monitors.insert((monitor.kind, monitor.namespace.clone(), monitor.name.clone())) {
                    cluster.monitors.push(monitor);
                }
            }
        }
    }
    cluster.callers.sort_by(|a, b| {
        (&a.namespace, &a.service, a.port, a.kind, &a.name).cmp(&(
            &b.namespace,
            &b.service,
            b.port,
            b.kind,
            &b.name,
        ))
    });
    cluster.monitors.sort_by(|a, b| (&a.namespace, &a.name, a.kind).cmp(&(&b.namespace, &b.name, b.kind)));
    maps
}

/// Fills in the environment that ConfigMaps hold.
pub(super) fn complete<'s>(specs: impl Iterator<Item = (&'s Meta, &'s mut PodSpec)>, maps: &ConfigMaps) {
    for (meta, spec) in specs {
        let Some(draft) = &mut spec.details else { continue };
        if draft.pending.is_empty() {
            continue;
        }
        let details = Arc::make_mut(&mut draft.details);
        for (at, sources) in draft.pending.drain(..) {
            if let Some(container) = details.containers.get_mut(at) {
                container.env = environment(sources, &meta.namespace(), maps);
            }
        }
    }
}

fn environment(sources: Vec<EnvSource>, namespace: &Text, maps: &ConfigMaps) -> Vec<EnvVar> {
    let given = |map: Text| maps.get(&(namespace.clone(), map));
    let mut env = Vec::new();
    for source in sources {
        match source {
            EnvSource::Known(variable) => env.push(variable),
            EnvSource::Key { name, map, key, origin } => {
                let found = given(map).and_then(|map| map.get(&key));
                env.push(match found {
                    Some((value, origin)) => EnvVar { name, value: Some(value.clone()), origin },
                    None => EnvVar { name, value: None, origin },
                });
            }
            EnvSource::All { map, prefix } => {
                for (key, value, origin) in given(map).into_iter().flat_map(|map| &map.data) {
                    let name =
                        prefix.as_ref().map_or_else(|| key.clone(), |prefix| format!("{prefix}{key}").into());
                    env.push(EnvVar { name, value: Some(value.clone()), origin: *origin });
                }
            }
        }
    }
    last_of_each(env)
}
