//! What the rows of a report are about: workloads, or pods. In: a cluster and its cells. Out: units, and classes of
//! units that no policy can tell apart, so that each pair of classes is looked at once.

use ringfence_model::{
    Text,
    address::{Family, IpSet},
    cluster::Cluster,
    workload::{Pod, PodId, Workload, WorkloadId},
};
use ringfence_policy::compiled::{CellId, Reach};
use rustc_hash::FxHashMap;

/// What a report lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Workloads.
    Workload,
    /// Pods. The stand-ins of a workload whose pods the input does not list count as one.
    Pod,
}

/// One end inside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The workload, or the one that the pod belongs to.
    pub workload: WorkloadId,
    /// The pod, if the report lists pods.
    pub pod: Option<PodId>,
    /// Its pods that have not finished, ascending: at least one.
    pub pods: Vec<PodId>,
    /// The units that no policy can tell from this one.
    pub class: ClassId,
}

impl Unit {
    /// `namespace/name` of the pod or the workload.
    #[must_use]
    pub fn name(&self, cluster: &Cluster) -> String {
        match self.pod.and_then(|pod| cluster.pod(pod)) {
            Some(Pod { namespace, name, .. }) => format!("{namespace}/{name}"),
            None => match cluster.workload(self.workload) {
                Some(Workload { namespace, name, .. }) => format!("{namespace}/{name}"),
                None => String::new(),
            },
        }
    }
}

/// Number of a class of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u32);

impl ClassId {
    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Units that no policy can tell apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Class {
    /// The cells of the pods of each of its units, ascending.
    pub(super) cells: Vec<Part>,
    /// The families that the pods can have addresses of.
    pub(super) families: Families,
}

/// The pods of a unit in one cell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Part {
    /// The cell.
    pub(super) cell: CellId,
    /// Whether there are several pods.
    pub(super) several: bool,
    /// The nodes that they run on, ascending. Only kept if the cluster has host-network pods: whether a pod shares
    /// its node with one of them decides about the connections between the two.
    pub(super) nodes: Vec<Option<Text>>,
}

/// Which families pods can have addresses of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Families {
    v4: bool,
    v6: bool,
}

impl Families {
    /// Of some pods: those of their addresses if all are known, else both.
    fn of<'a>(pods: impl Iterator<Item = &'a Pod>) -> Self {
        let mut families = Self { v4: false, v6: false };
        for pod in pods {
            if pod.addresses.is_empty() {
                return Self { v4: true, v6: true };
            }
            for address in &pod.addresses {
                match Family::of(*address) {
                    Family::V4 => families.v4 = true,
                    Family::V6 => families.v6 = true,
                }
            }
        }
        families
    }

    /// All addresses of the families.
    pub(super) fn space(self) -> IpSet {
        let mut space = IpSet::empty();
        for (has, family) in [(self.v4, Family::V4), (self.v6, Family::V6)] {
            if has {
                space = space.union(&IpSet::family(family));
            }
        }
        space
    }
}

/// The units of a cluster in the order of their workloads (namespace, name, kind) and pods, and their classes.
pub(super) fn of(cluster: &Cluster, reach: &Reach<'_>, by: By) -> (Vec<Unit>, Vec<Class>) {
    let mut classes: Vec<Class> = Vec::new();
    let mut known: FxHashMap<Class, ClassId> = FxHashMap::default();
    let mut units = Vec::new();
    let nodes_matter = cluster.pods.iter().any(|pod| pod.host_network && !pod.finished);
    let mut add = |workload: WorkloadId, pod: Option<PodId>, pods: Vec<PodId>| {
        let live = || pods.iter().filter_map(|id| Some((reach.cell_of(*id)?, cluster.pod(*id)?)));
        let node = |pod: &Pod| pod.node.clone().filter(|_| nodes_matter);
        let mut parts: Vec<(CellId, Option<Text>)> = live().map(|(cell, pod)| (cell, node(pod))).collect();
        if parts.is_empty() {
            return;
        }
        parts.sort_unstable();
        let mut cells: Vec<Part> = Vec::new();
        for (cell, node) in parts {
            match cells.last_mut() {
                Some(part) if part.cell == cell => {
                    part.several = true;
                    if part.nodes.last() != Some(&node) {
                        part.nodes.push(node);
                    }
                }
                _ => cells.push(Part { cell, several: false, nodes: vec![node] }),
            }
        }
        let class = Class { cells, families: Families::of(live().map(|(_, pod)| pod)) };
        let class = *known.entry(class).or_insert_with_key(|class| {
            classes.push(class.clone());
            ClassId(u32::try_from(classes.len() - 1).unwrap_or(u32::MAX))
        });
        units.push(Unit { workload, pod, pods, class });
    };
    for (at, workload) in cluster.workloads.iter().enumerate() {
        let id = WorkloadId(u32::try_from(at).unwrap_or(u32::MAX));
        let live =
            workload.pods.iter().copied().filter(|pod| cluster.pod(*pod).is_some_and(|pod| !pod.finished));
        match by {
            By::Workload => add(id, None, live.collect()),
            By::Pod => {
                let is_stand_in = |pod: &PodId| cluster.pod(*pod).is_some_and(|pod| pod.stand_in);
                let (stand_ins, pods): (Vec<PodId>, Vec<PodId>) = live.partition(is_stand_in);
                if let Some(first) = stand_ins.first() {
                    add(id, Some(*first), stand_ins);
                }
                for pod in pods {
                    add(id, Some(pod), vec![pod]);
                }
            }
        }
    }
    (units, classes)
}
