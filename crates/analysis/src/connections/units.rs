//! What the rows of a report are about: workloads, or pods. In: a cluster and its cells. Out: units, and classes of
//! units that no policy can tell apart, so that each pair of classes is looked at once.

use ringfence_model::{
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// The cells of its pods, ascending, and whether one unit has several pods in the cell.
    pub(super) cells: Vec<(CellId, bool)>,
    /// The families that its pods can have addresses of.
    pub(super) families: Families,
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
    let mut known: FxHashMap<(Vec<(CellId, bool)>, Families), ClassId> = FxHashMap::default();
    let mut units = Vec::new();
    let mut add = |workload: WorkloadId, pod: Option<PodId>, pods: Vec<PodId>| {
        let mut cells: Vec<(CellId, bool)> =
            pods.iter().filter_map(|pod| reach.cell_of(*pod)).map(|cell| (cell, false)).collect();
        if cells.is_empty() {
            return;
        }
        cells.sort_unstable();
        cells.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            kept.1 |= same;
            same
        });
        let families = Families::of(pods.iter().filter_map(|pod| cluster.pod(*pod)));
        let class = *known.entry((cells, families)).or_insert_with_key(|(cells, families)| {
            classes.push(Class { cells: cells.clone(), families: *families });
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
