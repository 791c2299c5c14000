//! From a cluster to its compiled form. In: a cluster. Out: shapes, matchers, parts and policy sets.

use std::sync::Arc;

use ringfence_model::{
    Text,
    cluster::Cluster,
    network_policy::PolicyMeta,
    workload::{Pod, Workload, WorkloadId, WorkloadKind},
};
use rustc_hash::FxHashMap;

use super::{
    Compiled, PartId, PolicySet, SetId,
    facts::Facts,
    lower::Lowering,
    matcher::Matchers,
    rule::{Part, RuleSet},
    shape::{ShapeId, Shapes},
};
use ringfence_model::verdict::Direction;

impl Compiled {
    /// Makes a cluster ready to answer what is enforced: audit policies have no effect.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self::make(cluster, false)
    }

    /// Makes a cluster ready to answer what would be enforced if the audit policies
    /// ([`PolicyMeta::audit`](ringfence_model::network_policy::PolicyMeta::audit)) took effect like all others.
    #[must_use]
    pub fn with_audit(cluster: Cluster) -> Self {
        Self::make(cluster, true)
    }

    pub(super) fn make(mut cluster: Cluster, audit: bool) -> Self {
        sort_pods(&mut cluster);
        let in_order = |pair: &[Workload]| matches!(pair, [a, b] if order(a) < order(b));
        let compiled_workloads = (cluster.workloads.windows(2).take_while(|pair| in_order(pair)).count() + 1)
            .min(cluster.workloads.len());
        let later = (0..).map(WorkloadId).zip(&cluster.workloads).skip(compiled_workloads);
        let added_workloads =
            later.map(|(id, w)| ((w.namespace.clone(), w.kind.clone(), w.name.clone()), id)).collect();
        let mut shapes = Shapes::default();
        let shape_of_pod = cluster.pods.iter().map(|pod| (!pod.finished).then(|| shapes.of(pod).0)).collect();
        let mut compiled = Self {
            facts: Facts::new(&cluster),
            parts_of_shape: vec![Vec::new(); shapes.len()],
            set_of_shape: vec![0; shapes.len()],
            shapes,
            matchers: Matchers::default(),
            parts: Vec::new(),
            sets: Vec::new(),
            set_of_parts: FxHashMap::default(),
            shape_of_pod,
            compiled_pods: cluster.pods.len(),
            added_pods: FxHashMap::default(),
            compiled_workloads,
            added_workloads,
            parts_of_matcher: FxHashMap::default(),
            cluster,
            audit,
        };
        for part in compiled.lower_all() {
            compiled.place(part);
        }
        for shape in 0..compiled.shapes.len() {
            compiled.reset(ShapeId::try_from(shape).unwrap_or(ShapeId::MAX));
        }
        compiled
    }

    fn lower_all(&mut self) -> Vec<Part> {
        let Self { cluster, shapes, matchers, audit, .. } = self;
        let mut lowering = Lowering { cluster, shapes, matchers };
        let takes_effect = |meta: &PolicyMeta| *audit || !meta.audit;
        let tiers = cluster.tier_policies.iter().filter(|policy| takes_effect(&policy.meta));
        let mut parts: Vec<Part> = tiers.map(|policy| lowering.tier_policy(policy)).collect();
        let network = cluster.network_policies.iter().filter(|policy| takes_effect(&policy.meta));
        parts.extend(network.map(|policy| lowering.network_policy(policy)));
        for policy in cluster.cilium_policies.iter().filter(|policy| takes_effect(&policy.meta)) {
            parts.extend(lowering.cilium_policy(policy));
        }
        parts
    }

    /// Adds a part and puts it on the lists of the shapes that it selects, which are returned.
    pub(super) fn place(&mut self, part: Part) -> Vec<ShapeId> {
        let id = PartId::try_from(self.parts.len()).unwrap_or(PartId::MAX);
        let selected: Vec<ShapeId> = self
            .matchers
            .selected(part.subject)
            .map(|selected| selected.iter().collect())
            .unwrap_or_default();
        self.parts_of_matcher.entry(part.subject).or_default().push(id);
        self.parts.push(Some(Arc::new(part)));
        for shape in &selected {
            if let Some(list) = self.parts_of_shape.get_mut(*shape as usize) {
                list.push(id);
            }
        }
        selected
    }

    /// Finds the policy set of a shape again.
    pub(super) fn reset(&mut self, shape: ShapeId) {
        let Some(list) = self.parts_of_shape.get(shape as usize) else { return };
        let set = match self.set_of_parts.get(list) {
            Some(set) => *set,
            None => {
                let id = SetId::try_from(self.sets.len()).unwrap_or(SetId::MAX);
                let set = self.policy_set(list);
                self.sets.push(Arc::new(set));
                self.set_of_parts.insert(list.clone(), id);
                id
            }
        };
        if let Some(slot) = self.set_of_shape.get_mut(shape as usize) {
            *slot = set;
        }
    }

    /// The parts in the order in which they are evaluated.
    pub(super) fn parts_in_order(&self, list: &[PartId]) -> Vec<&Arc<Part>> {
        let mut parts: Vec<&Arc<Part>> =
            list.iter().filter_map(|id| self.parts.get(*id as usize).and_then(Option::as_ref)).collect();
        parts.sort_by(|a, b| a.order().cmp(&b.order()));
        parts
    }

    fn policy_set(&self, list: &[PartId]) -> PolicySet {
        let parts = self.parts_in_order(list);
        PolicySet {
            ingress: RuleSet::new(parts.iter().copied(), Direction::Ingress),
            egress: RuleSet::new(parts.iter().copied(), Direction::Egress),
        }
    }
}

fn order(workload: &Workload) -> (&Text, &Text, &WorkloadKind) {
    (&workload.namespace, &workload.name, &workload.kind)
}

/// Sorts the pods of a cluster that changes have been applied to, and gives them their new numbers.
fn sort_pods(cluster: &mut Cluster) {
    let sorted = cluster.pods.is_sorted_by_key(|pod| (&pod.namespace, &pod.name));
    if sorted {
        return;
    }
    let mut order: Vec<usize> = (0..cluster.pods.len()).collect();
    order.sort_by_key(|at| cluster.pods.get(*at).map(|pod| (&pod.namespace, &pod.name)));
    let mut place = vec![0_u32; order.len()];
    for (new, old) in (0..).zip(&order) {
        if let Some(slot) = place.get_mut(*old) {
            *slot = new;
        }
    }
    let mut old: Vec<Option<Pod>> = std::mem::take(&mut cluster.pods).into_iter().map(Some).collect();
    cluster.pods = order.iter().filter_map(|at| old.get_mut(*at).and_then(Option::take)).collect();
    for id in cluster.workloads.iter_mut().flat_map(|workload| &mut workload.pods) {
        id.0 = place.get(id.0 as usize).copied().unwrap_or(id.0);
    }
    for workload in &mut cluster.workloads {
        workload.pods.sort_unstable();
    }
}
