//! One object changed. In: a pod, a policy or a namespace, or the name of one that is gone. Out: the compiled form of
//! the changed cluster, made from the old one with work in proportion to what the change touches.
//!
//! Nodes, Services and EndpointSlices change rarely and far-reachingly: for them, compile the cluster again.

use std::sync::Arc;

use super::{Compiled, PartId, lower::Lowering, matcher::MatcherId, rule::Part, shape::ShapeId};
use ringfence_model::{
    Text,
    cilium::CiliumPolicy,
    network_policy::{NetworkPolicy, PolicyKind, PolicyMeta},
    tier::TierPolicy,
    workload::{Namespace, Pod, PodId, Workload, WorkloadId, WorkloadKind},
};

/// A change to a cluster. An object replaces the one with its name, if there is one.
#[derive(Clone, Debug)]
pub enum Change {
    /// A pod, with the kind and name of the workload that it belongs to.
    Pod(Box<Pod>, WorkloadKind, Text),
    /// The pod with this namespace and name is gone.
    PodGone(Text, Text),
    /// A NetworkPolicy.
    NetworkPolicy(Box<NetworkPolicy>),
    /// A policy of the Admin or Baseline tier.
    TierPolicy(Box<TierPolicy>),
    /// A Cilium policy.
    CiliumPolicy(Box<CiliumPolicy>),
    /// The policy of this kind with this namespace and name is gone.
    PolicyGone(PolicyKind, Option<Text>, Text),
    /// A namespace.
    Namespace(Box<Namespace>),
}

impl Compiled {
    /// Applies a change. Pods keep their numbers; new ones are numbered on, so that [`pods`](ringfence_model::cluster::Cluster::pods) is no longer
    /// sorted, and gone ones stay in it as finished.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Pod(pod, kind, owner) => self.put_pod(*pod, kind, &owner),
            Change::PodGone(namespace, name) => self.remove_pod(&namespace, &name),
            Change::NetworkPolicy(policy) => {
                self.remove_policy(&policy.meta);
                let part = self.lowering().network_policy(&policy);
                insert(&mut self.cluster.network_policies, *policy, |policy| order(&policy.meta));
                self.add_parts(vec![part]);
            }
            Change::TierPolicy(policy) => {
                self.remove_policy(&policy.meta);
                let part = self.lowering().tier_policy(&policy);
                insert(&mut self.cluster.tier_policies, *policy, |policy| {
                    (policy.tier, policy.priority, policy.meta.name.clone(), policy.meta.kind)
                });
                self.add_parts(vec![part]);
            }
            Change::CiliumPolicy(policy) => {
                self.remove_policy(&policy.meta);
                let parts = self.lowering().cilium_policy(&policy);
                insert(&mut self.cluster.cilium_policies, *policy, |policy| order(&policy.meta));
                self.add_parts(parts);
            }
            Change::PolicyGone(kind, namespace, name) => {
                let gone =
                    |meta: &PolicyMeta| meta.kind == kind && meta.namespace == namespace && meta.name == name;
                self.remove_policies(gone);
            }
            Change::Namespace(namespace) => self.put_namespace(*namespace),
        }
    }

    fn lowering(&mut self) -> Lowering<'_> {
        let Self { cluster, shapes, matchers, .. } = self;
        Lowering { cluster, shapes, matchers }
    }

    /// Adds the parts of a policy; those of an audit policy only where they take effect.
    fn add_parts(&mut self, parts: Vec<Part>) {
        for part in parts {
            if part.meta.audit && !self.audit {
                continue;
            }
            for shape in self.place(part) {
                self.reset(shape);
            }
        }
    }

    fn remove_policy(&mut self, meta: &PolicyMeta) {
        self.remove_policies(|known| {
            known.kind == meta.kind && known.namespace == meta.namespace && known.name == meta.name
        });
    }

    fn remove_policies(&mut self, gone: impl Fn(&PolicyMeta) -> bool) {
        self.cluster.network_policies.retain(|policy| !gone(&policy.meta));
        self.cluster.tier_policies.retain(|policy| !gone(&policy.meta));
        self.cluster.cilium_policies.retain(|policy| !gone(&policy.meta));
        let mut removed: Vec<(PartId, Arc<Part>)> = Vec::new();
        for (id, slot) in (0..).zip(&mut self.parts) {
            if let Some(part) = slot.take_if(|part| gone(&part.meta)) {
                removed.push((id, part));
            }
        }
        for (id, part) in removed {
            if let Some(list) = self.parts_of_matcher.get_mut(&part.subject) {
                list.retain(|known| *known != id);
            }
            let selected: Vec<ShapeId> = self
                .matchers
                .selected(part.subject)
                .map(|selected| selected.iter().collect())
                .unwrap_or_default();
            for shape in selected {
                if let Some(list) = self.parts_of_shape.get_mut(shape as usize) {
                    list.retain(|known| *known != id);
                }
                self.reset(shape);
            }
        }
    }

    fn put_pod(&mut self, mut pod: Pod, kind: WorkloadKind, owner: &Text) {
        if self.cluster.namespace(&pod.namespace).is_none() {
            let name = pod.namespace.clone();
            let labels =
                [(ringfence_model::workload::NAMESPACE_NAME_LABEL, name.clone())].into_iter().collect();
            let namespace = Namespace { name, labels, given: false, origin: pod.origin };
            insert(&mut self.cluster.namespaces, namespace, |namespace| namespace.name.clone());
        }
        let existing = self.find_pod(&pod.namespace, &pod.name);
        let id =
            existing.unwrap_or_else(|| PodId(u32::try_from(self.cluster.pods.len()).unwrap_or(u32::MAX)));
        pod.workload = self.workload_of(&pod.namespace, kind, owner, id);
        let shape = (!pod.finished).then(|| self.shape_of(&pod));
        self.facts.add_pod(&pod);
        if existing.is_none() {
            self.added_pods.insert((pod.namespace.clone(), pod.name.clone()), id);
        }
        match self.cluster.pods.get_mut(id.0 as usize) {
            Some(slot) => {
                let old = std::mem::replace(slot, pod);
                self.facts.remove_pod(&old);
            }
            None => self.cluster.pods.push(pod),
        }
        match self.shape_of_pod.get_mut(id.0 as usize) {
            Some(slot) => *slot = shape,
            None => self.shape_of_pod.push(shape),
        }
    }

    fn remove_pod(&mut self, namespace: &Text, name: &Text) {
        let Some(id) = self.find_pod(namespace, name) else { return };
        if let Some(slot) = self.shape_of_pod.get_mut(id.0 as usize) {
            *slot = None;
        }
        if let Some(pod) = self.cluster.pods.get_mut(id.0 as usize) {
            self.facts.remove_pod(pod);
            pod.finished = true;
            pod.addresses.clear();
        }
    }

    /// The shape of a pod, made known to every matcher and part if it is new.
    fn shape_of(&mut self, pod: &Pod) -> ShapeId {
        let (shape, new) = self.shapes.of(pod);
        if new {
            let matchers = self.matchers.add_shape(shape, &self.shapes, &self.cluster);
            self.parts_of_shape.push(self.parts_with(&matchers));
            self.set_of_shape.push(0);
            self.reset(shape);
        }
        shape
    }

    /// The parts whose subject is one of the matchers, ascending.
    fn parts_with(&self, matchers: &[MatcherId]) -> Vec<PartId> {
        let lists = matchers.iter().filter_map(|matcher| self.parts_of_matcher.get(matcher));
        let mut parts: Vec<PartId> = lists.flatten().copied().collect();
        parts.sort_unstable();
        parts
    }

    fn workload_of(&mut self, namespace: &Text, kind: WorkloadKind, owner: &Text, pod: PodId) -> WorkloadId {
        let at = self.find_workload(namespace, &kind, owner).unwrap_or(self.cluster.workloads.len());
        let id = WorkloadId(u32::try_from(at).unwrap_or(u32::MAX));
        match self.cluster.workloads.get_mut(at) {
            Some(workload) if !workload.pods.contains(&pod) => workload.pods.push(pod),
            Some(_) => {}
            None => {
                self.added_workloads.insert((namespace.clone(), kind.clone(), owner.clone()), id);
                self.cluster.workloads.push(Workload {
                    namespace: namespace.clone(),
                    name: owner.clone(),
                    kind,
                    pods: vec![pod],
                    service_name: None,
                    origin: ringfence_model::origin::Origin::NONE,
                });
            }
        }
        id
    }

    /// The place of a workload: among those compiled, which are sorted, or among those added since.
    fn find_workload(&self, namespace: &Text, kind: &WorkloadKind, name: &Text) -> Option<usize> {
        let compiled = self.cluster.workloads.get(..self.compiled_workloads).unwrap_or_default();
        let wanted = (namespace, name, kind);
        let found = compiled.binary_search_by(|w| (&w.namespace, &w.name, &w.kind).cmp(&wanted));
        found.ok().or_else(|| {
            let added = self.added_workloads.get(&(namespace.clone(), kind.clone(), name.clone()));
            added.map(|id| id.0 as usize)
        })
    }

    fn put_namespace(&mut self, namespace: Namespace) {
        let name = namespace.name.clone();
        self.cluster.namespaces.retain(|known| known.name != name);
        insert(&mut self.cluster.namespaces, namespace, |namespace| namespace.name.clone());
        let shapes = self.shapes.in_namespace(&name).to_vec();
        self.matchers.refresh(&shapes, &self.shapes, &self.cluster);
        for shape in shapes {
            let parts = self.parts_with(&self.matchers.selecting(shape, &self.shapes, &self.cluster));
            if let Some(list) = self.parts_of_shape.get_mut(shape as usize) {
                *list = parts;
            }
            self.reset(shape);
        }
    }

    /// The pod of this name: among those compiled, which are sorted, or among those added since.
    pub(super) fn find_pod(&self, namespace: &Text, name: &Text) -> Option<PodId> {
        let compiled = self.cluster.pods.get(..self.compiled_pods).unwrap_or_default();
        let found = compiled.binary_search_by(|pod| (&pod.namespace, &pod.name).cmp(&(namespace, name)));
        match found {
            Ok(at) => u32::try_from(at).ok().map(PodId),
            Err(_) => self.added_pods.get(&(namespace.clone(), name.clone())).copied(),
        }
    }

    /// Frees what earlier versions of policies and pods left behind. As slow as compiling anew: for a quiet moment.
    pub fn compact(&mut self) {
        *self = Self::make(std::mem::take(&mut self.cluster), self.audit);
    }
}

/// The order of policies that have no tier.
fn order(meta: &PolicyMeta) -> (Option<Text>, Text) {
    (meta.namespace.clone(), meta.name.clone())
}

/// Puts a value into its place in a sorted list.
fn insert<T, K: Ord>(list: &mut Vec<T>, value: T, key: impl Fn(&T) -> K) {
    let wanted = key(&value);
    let at = list.partition_point(|known| key(known) < wanted);
    list.insert(at, value);
}
