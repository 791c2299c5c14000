//! Which labels the pods of each namespace have. In: a cluster. Out: its distinct sets of labels, workload by workload.

use std::{collections::BTreeMap, ops::Range};

use ringfence_model::{
    Text,
    cluster::Cluster,
    label::Labels,
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
}

/// The labels of all pods that policies can select.
#[derive(Debug)]
pub(crate) struct LabelSets<'a> {
    sets: Vec<LabelSet<'a>>,
    namespaces: BTreeMap<&'a Text, Range<usize>>,
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
                    sets.push(LabelSet { workload, id, labels: &pod.labels });
                    last = Some(&pod.labels);
                    let end = sets.len();
                    namespaces.entry(&workload.namespace).or_insert(end - 1..end).end = end;
                }
            }
        }
        Self { sets, namespaces }
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

    /// All of them.
    pub(crate) fn all(&self) -> &[LabelSet<'a>] {
        &self.sets
    }

    /// The namespaces with pods.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &'a Text> {
        self.namespaces.keys().copied()
    }
}
