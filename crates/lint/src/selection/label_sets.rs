//! Which labels the pods of each namespace have. In: a cluster. Out: its distinct sets of labels, workload by workload.

use std::{collections::BTreeMap, ops::Range};

use ringfence_model::{
    Text,
    cluster::Cluster,
    label::{Labels, Operator, Selector},
    workload::{Workload, WorkloadId},
};

use super::Place;
use crate::context::Context;

/// The labels of some pods of a workload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelSet<'a> {
    /// The workload.
    pub(crate) workload: &'a Workload,
    /// Its number.
    pub(crate) id: WorkloadId,
    /// The labels.
    pub(crate) labels: &'a Labels,
    /// How many neighbouring pods of the workload have them.
    pub(crate) pods: usize,
}

/// The labels of all pods that policies can select.
#[derive(Debug)]
pub(crate) struct LabelSets<'a> {
    sets: Vec<LabelSet<'a>>,
    namespaces: BTreeMap<&'a Text, Range<usize>>,
    /// By key and value: the sets with that label, ascending.
    with: BTreeMap<(&'a str, &'a str), Vec<usize>>,
}

impl<'a> LabelSets<'a> {
    /// Of a cluster.
    pub(crate) fn new(cluster: &'a Cluster) -> Self {
        let mut sets: Vec<LabelSet<'a>> = Vec::new();
        let mut namespaces: BTreeMap<&'a Text, Range<usize>> = BTreeMap::new();
        // Workloads are sorted by namespace, and so are the sets.
        for (id, workload) in (0..).map(WorkloadId).zip(&cluster.workloads) {
            let pods = workload.pods.iter().filter_map(|id| cluster.pod(*id));
            let mut last: Option<&Labels> = None;
            for pod in pods.filter(|pod| !pod.finished && !pod.host_network) {
                if last != Some(&pod.labels) {
                    sets.push(LabelSet { workload, id, labels: &pod.labels, pods: 0 });
                    last = Some(&pod.labels);
                    let end = sets.len();
                    namespaces.entry(&workload.namespace).or_insert(end - 1..end).end = end;
                }
                if let Some(set) = sets.last_mut() {
                    set.pods += 1;
                }
            }
        }
        let mut with: BTreeMap<(&'a str, &'a str), Vec<usize>> = BTreeMap::new();
        for (at, set) in sets.iter().enumerate() {
            for (key, value) in set.labels.iter() {
                with.entry((key, value)).or_default().push(at);
            }
        }
        Self { sets, namespaces, with }
    }

    /// Those of a namespace; empty if the input shows none of its pods.
    pub(crate) fn of(&self, namespace: &Text) -> &[LabelSet<'a>] {
        self.namespaces.get(namespace).and_then(|range| self.sets.get(range.clone())).unwrap_or_default()
    }

    /// Those of the namespaces that a place is about.
    pub(crate) fn asked(&self, context: &Context<'a>, place: &Place<'a>) -> Vec<LabelSet<'a>> {
        match (&place.namespace, place.home) {
            (Some(namespace), home) => {
                let namespaces = context.scope.namespaces(namespace).into_iter();
                let own = namespaces.filter(|one| home.is_none_or(|own| *own == one.name));
                own.flat_map(|one| self.of(&one.name)).copied().collect()
            }
            (None, Some(home)) => self.of(home).to_vec(),
            (None, None) => self.sets.clone(),
        }
    }

    /// Those that selectors of namespaces and of pods mean together.
    pub(crate) fn meant(
        &self,
        context: &Context<'a>,
        namespace: Option<&Selector>,
        pod: &Selector,
    ) -> Vec<LabelSet<'a>> {
        // The rarest label that is asked for leads to few sets; without one all are looked at.
        let listed = pod.requirements.iter().filter(|one| one.operator == Operator::In);
        let with = listed.map(|one| -> Vec<usize> {
            let values = one.values.iter().filter_map(|value| self.with.get(&(&*one.key, &**value)));
            values.flatten().copied().collect()
        });
        let some = with.min_by_key(Vec::len);
        let some = some.map(|mut some| {
            some.sort_unstable();
            some.dedup();
            some
        });
        let sets = some.unwrap_or_else(|| (0..self.sets.len()).collect());
        let is_meant = |set: &LabelSet<'a>| {
            pod.matches(set.labels)
                && namespace.is_none_or(|selector| {
                    let own = context.cluster.namespace(&set.workload.namespace);
                    own.is_some_and(|own| selector.matches(&own.labels))
                })
        };
        sets.into_iter().filter_map(|at| self.sets.get(at)).copied().filter(is_meant).collect()
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[LabelSet<'a>] {
        &self.sets
    }

    /// The namespaces with pods.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &'a Text> {
        self.namespaces.keys().copied()
    }
}
