//! Pods and the workloads that own them. In: pods and workloads as written. Out: the top owners with their pods, or
//! with stand-ins for pods that the input does not show.

use ringfence_model::{
    Text,
    origin::Origin,
    workload::{Pod, PodId, Workload, WorkloadId, WorkloadKind},
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::decode::{
    meta::{Meta, Owner},
    pod::PodObject,
    workload::WorkloadObject,
};

/// The label with which a Deployment's pods name their ReplicaSet.
const TEMPLATE_HASH: &str = "pod-template-hash";
/// No real chain of owners is longer (CronJob, Job, Pod); a longer one is a circle.
const LONGEST_CHAIN: usize = 8;

/// Namespace, kind and name of a workload.
type Key = (Text, WorkloadKind, Text);

/// A workload on its way: what it owns.
struct Group {
    key: Key,
    pods: Vec<PodObject>,
    /// The shown objects that fold into it, itself included.
    templates: Vec<usize>,
}

/// Folds pods into the top owners that the input shows or names. The workloads are sorted by namespace, name, kind;
/// the pods by namespace and name.
pub(super) fn fold(mut pods: Vec<PodObject>, mut shown: Vec<WorkloadObject>) -> (Vec<Workload>, Vec<Pod>) {
    complete_names(pods.iter_mut().map(|pod| &mut pod.meta));
    // Generated names are completed per kind: a Job and a Deployment may share one.
    shown.sort_by(|a, b| a.kind.cmp(&b.kind));
    for of_kind in shown.chunk_by_mut(|a, b| a.kind == b.kind) {
        complete_names(of_kind.iter_mut().map(|workload| &mut workload.meta));
    }
    let mut groups = Groups::default();
    let index: FxHashMap<Key, usize> = shown
        .iter()
        .enumerate()
        .map(|(at, workload)| (key(&workload.meta, workload.kind.clone()), at))
        .collect();
    let owners = Owners { shown: &shown, index };
    for (at, workload) in shown.iter().enumerate() {
        let top = owners.top(key(&workload.meta, workload.kind.clone()), None);
        groups.of(top).templates.push(at);
    }
    for pod in pods {
        let top = match &pod.meta.owner {
            // A static pod's mirror is owned by its Node; it is a pod of its own.
            Some(owner) if *owner.kind != *"Node" => {
                let hash = pod.meta.labels.get(TEMPLATE_HASH).map(|hash| &**hash);
                owners.top(owner_key(&pod.meta, owner), hash)
            }
            _ => key(&pod.meta, WorkloadKind::Pod),
        };
        groups.of(top).pods.push(pod);
    }
    let mut groups = groups.list;
    groups.sort_by(|a, b| (&a.key.0, &a.key.2, &a.key.1).cmp(&(&b.key.0, &b.key.2, &b.key.1)));
    finish(groups, &owners)
}

fn key(meta: &Meta, kind: WorkloadKind) -> Key {
    (meta.namespace(), kind, meta.name.clone())
}

fn owner_key(meta: &Meta, owner: &Owner) -> Key {
    (meta.namespace(), WorkloadKind::from_name(&owner.kind), owner.name.clone())
}

/// Gives objects with `generateName` names of their own: the beginning and the first free number.
fn complete_names<'m>(metas: impl Iterator<Item = &'m mut Meta>) {
    let metas: Vec<&mut Meta> = metas.collect();
    if !metas.iter().any(|meta| meta.generated) {
        return;
    }
    let mut taken: FxHashSet<(Text, Text)> = metas
        .iter()
        .filter(|meta| !meta.generated)
        .map(|meta| (meta.namespace(), meta.name.clone()))
        .collect();
    let mut next: FxHashMap<(Text, Text), u32> = FxHashMap::default();
    for meta in metas {
        if !meta.generated {
            continue;
        }
        let number = next.entry((meta.namespace(), meta.name.clone())).or_default();
        loop {
            *number += 1;
            let name = Text::from(format!("{}{number}", meta.name));
            if taken.insert((meta.namespace(), name.clone())) {
                meta.name = name;
                break;
            }
        }
    }
}

/// The groups in the order of their first member, found by key.
#[derive(Default)]
struct Groups {
    list: Vec<Group>,
    index: FxHashMap<Key, usize>,
}

impl Groups {
    fn of(&mut self, key: Key) -> &mut Group {
        let next = self.list.len();
        let at = *self.index.entry(key.clone()).or_insert(next);
        if at == next {
            self.list.push(Group { key, pods: Vec::new(), templates: Vec::new() });
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "the index only holds positions of the list, which never shrinks"
        )]
        &mut self.list[at]
    }
}

/// The shown workloads, by key.
struct Owners<'s> {
    shown: &'s [WorkloadObject],
    index: FxHashMap<Key, usize>,
}

impl Owners<'_> {
    fn get(&self, key: &Key) -> Option<&WorkloadObject> {
        self.index.get(key).and_then(|at| self.shown.get(*at))
    }

    /// The owner at the top of the chain that begins with `key`. `hash` is the template hash of a pod.
    fn top(&self, key: Key, hash: Option<&str>) -> Key {
        let mut top = key;
        for _ in 0..LONGEST_CHAIN {
            let next = match self.get(&top) {
                Some(workload) => workload.meta.owner.as_ref().map(|owner| owner_key(&workload.meta, owner)),
                None => self.deployment(&top, hash),
            };
            match next {
                Some(next) => top = next,
                None => break,
            }
        }
        top
    }

    /// The shown Deployment of a ReplicaSet that is not shown: a Deployment names its ReplicaSets after itself and
    /// the hash of the template.
    fn deployment(&self, key: &Key, hash: Option<&str>) -> Option<Key> {
        let (namespace, kind, name) = key;
        if *kind != WorkloadKind::ReplicaSet {
            return None;
        }
        let name = name.strip_suffix(hash?)?.strip_suffix('-')?;
        let key = (namespace.clone(), WorkloadKind::Deployment, Text::from(name));
        self.get(&key).map(|_| key)
    }
}

/// Numbers the workloads, adds stand-ins, and numbers the pods.
fn finish(groups: Vec<Group>, owners: &Owners<'_>) -> (Vec<Workload>, Vec<Pod>) {
    let mut workloads = Vec::with_capacity(groups.len());
    let mut pods: Vec<Pod> = Vec::new();
    for group in groups {
        let id = WorkloadId(u32::try_from(workloads.len()).unwrap_or(u32::MAX));
        let shown = owners.get(&group.key);
        let itself = shown.map(|workload| workload.meta.origin);
        let service_name = shown.and_then(|workload| workload.service_name.clone());
        let (namespace, kind, name) = group.key.clone();
        let origin = match (&kind, itself) {
            (_, Some(origin)) => origin,
            (WorkloadKind::Pod, None) => group.pods.first().map_or(Origin::NONE, |pod| pod.meta.origin),
            _ => Origin::NONE,
        };
        if group.pods.iter().all(|pod| pod.finished)
            && let Some(template) = template(&group, owners)
        {
            let copies = if template.replicas >= 2 { 2 } else { 1 };
            pods.extend((0..copies).map(|_| stand_in(&namespace, &name, template, id)));
        }
        pods.extend(group.pods.into_iter().map(|pod| shown_pod(pod, id)));
        workloads.push(Workload { namespace, name, kind, pods: Vec::new(), service_name, origin });
    }
    pods.sort_by(|a, b| (&a.namespace, &a.name, a.workload).cmp(&(&b.namespace, &b.name, b.workload)));
    for (at, pod) in pods.iter().enumerate() {
        if let Some(workload) = workloads.get_mut(pod.workload.0 as usize) {
            workload.pods.push(PodId(u32::try_from(at).unwrap_or(u32::MAX)));
        }
    }
    (workloads, pods)
}

/// The object that the pods of a group would be made from: its own, else the one with the most replicas of those that
/// fold into it (the newest ReplicaSet of an owner that is not shown).
fn template<'s>(group: &Group, owners: &'s Owners<'_>) -> Option<&'s WorkloadObject> {
    let candidates = group.templates.iter().filter_map(|at| owners.shown.get(*at));
    owners
        .get(&group.key)
        .or_else(|| candidates.max_by(|a, b| (a.replicas, &b.meta.name).cmp(&(b.replicas, &a.meta.name))))
}

fn stand_in(namespace: &Text, name: &Text, template: &WorkloadObject, workload: WorkloadId) -> Pod {
    let spec = &template.spec;
    Pod {
        namespace: namespace.clone(),
        name: name.clone(),
        workload,
        labels: template.labels.clone(),
        ports: spec.ports.clone(),
        host_network: spec.host_network,
        node: spec.node.clone(),
        addresses: Vec::new(),
        service_account: spec.service_account.clone(),
        ready: true,
        finished: false,
        stand_in: true,
        details: spec.details.as_ref().map(|draft| draft.details.clone()),
        origin: template.meta.origin,
    }
}

fn shown_pod(pod: PodObject, workload: WorkloadId) -> Pod {
    let PodObject { meta, spec, addresses, ready, finished } = pod;
    Pod {
        namespace: meta.namespace.unwrap_or_default(),
        name: meta.name,
        workload,
        labels: meta.labels,
        ports: spec.ports,
        host_network: spec.host_network,
        node: spec.node,
        addresses,
        service_account: spec.service_account,
        ready,
        finished,
        stand_in: false,
        details: spec.details.map(|draft| draft.details),
        origin: meta.origin,
    }
}
