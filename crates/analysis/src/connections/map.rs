//! All pairs at once. In: a compiled cluster. Out: per class of units, the permits to every other class, between its
//! own replicas, and to and from the addresses outside. Rows are made one at a time: all of them together could be
//! larger than memory.

use std::{ptr::from_ref, sync::Arc};

use ringfence_model::{
    Text,
    address::{Family, IpRange, IpSet},
    cluster::Cluster,
    verdict::Direction,
    workload::PodId,
};
use ringfence_policy::{
    Compiled,
    compiled::{CellId, Reach},
    permit::Permit,
};
use rustc_hash::FxHashMap;

use super::{
    permits::unite,
    units::{self, By, Class, ClassId, Part, Unit},
};

/// The pairs of a cluster, made row by row.
pub struct Map<'a> {
    compiled: &'a Compiled,
    reach: Reach<'a>,
    units: Vec<Unit>,
    classes: Vec<Class>,
    /// The classes that have a cell, by cell.
    of_cell: Vec<Vec<ClassId>>,
    /// How many units a class has.
    sizes: Vec<u32>,
    pod_networks: IpSet,
    /// The addresses of the cluster's own, with those of its nodes and Services.
    own: IpSet,
    /// The families of pods whose addresses are not known.
    families: Vec<Family>,
}

/// What one class of units may open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The permits that occur, none of them empty.
    pub permits: Vec<Permit>,
    /// To units of other workloads: their class and the permit's position in `permits`, ascending. Classes without an
    /// entry are denied.
    pub to: Vec<(ClassId, u32)>,
    /// Between replicas of one unit; nothing if it has one pod, or if they may open nothing.
    pub own: Option<u32>,
}

/// Addresses outside the cluster that are treated alike.
pub type Outside = Vec<(IpSet, Permit)>;

impl<'a> Map<'a> {
    /// Prepares the pairs of a cluster.
    #[must_use]
    pub fn new(compiled: &'a Compiled, by: By) -> Self {
        let reach = compiled.reach();
        let (units, classes) = units::of(compiled.cluster(), &reach, by);
        let mut of_cell = vec![Vec::new(); reach.cells().len()];
        for (at, class) in classes.iter().enumerate() {
            for part in &class.cells {
                if let Some(classes) = of_cell.get_mut(part.cell.0 as usize) {
                    classes.push(ClassId(u32::try_from(at).unwrap_or(u32::MAX)));
                }
            }
        }
        let mut sizes = vec![0; classes.len()];
        for unit in &units {
            if let Some(size) = sizes.get_mut(unit.class.index()) {
                *size += 1;
            }
        }
        let cluster = compiled.cluster();
        let (pod_networks, own) = (cluster.pod_networks(), cluster.own_addresses());
        let families = cluster.families();
        Self { compiled, reach, units, classes, of_cell, sizes, pod_networks, own, families }
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &'a Cluster {
        self.compiled.cluster()
    }

    /// The engine.
    #[must_use]
    pub fn compiled(&self) -> &'a Compiled {
        self.compiled
    }

    /// The units, in the order in which reports list them.
    #[must_use]
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// Pods that stand for all pods of the unit at a position: at most so many of each cell.
    #[must_use]
    pub fn samples(&self, unit: usize, of_each: u32) -> Vec<PodId> {
        let mut times: FxHashMap<CellId, u32> = FxHashMap::default();
        let pods = self.units.get(unit).map_or(&[][..], |unit| &unit.pods).iter().copied();
        pods.filter(|pod| {
            self.reach.cell_of(*pod).is_some_and(|cell| {
                let times = times.entry(cell).or_default();
                *times += 1;
                *times <= of_each
            })
        })
        .collect()
    }

    /// Whether a pod has, or is taken to have, an address of a family.
    pub(crate) fn has_family(&self, pod: PodId, family: Family) -> bool {
        let addresses = self.cluster().pod(pod).map_or(&[][..], |pod| &pod.addresses);
        let mut known = addresses.iter().map(|address| Family::of(*address));
        if addresses.is_empty() {
            self.families.contains(&family)
        } else {
            known.any(|known| known == family)
        }
    }

    /// How many classes there are.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// How many units a class has.
    #[must_use]
    pub fn size(&self, class: ClassId) -> u32 {
        self.sizes.get(class.index()).copied().unwrap_or(0)
    }

    /// What a class of units may open.
    #[must_use]
    pub fn row(&self, class: ClassId) -> Row {
        let Some(source) = self.classes.get(class.index()) else { return Row::default() };
        let mut permits = Permits::default();
        let mut to: Vec<Option<u32>> = vec![None; self.classes.len()];
        for part in &source.cells {
            self.reach.for_each_to(part.cell, |target, permit| {
                let alike = self.is_host(part.cell) == self.is_host(target);
                let number = if alike { Some(permits.number(permit)) } else { None };
                for class in self.of_cell.get(target.0 as usize).into_iter().flatten() {
                    let number = number.or_else(|| {
                        let exact = self.by_nodes(part, self.part(*class, target)?);
                        (!exact.is_empty()).then(|| permits.number(&exact))
                    });
                    if let (Some(slot), Some(number)) = (to.get_mut(class.index()), number) {
                        *slot = Some(permits.unite(*slot, number));
                    }
                }
            });
        }
        let mut own = None;
        for from in &source.cells {
            for target in &source.cells {
                if from.cell == target.cell && !target.several {
                    continue;
                }
                let permit = if self.is_host(from.cell) == self.is_host(target.cell) {
                    self.reach.permit(from.cell, target.cell)
                } else {
                    Arc::new(self.by_nodes(from, target))
                };
                if !permit.is_empty() {
                    let permit = permits.number(&permit);
                    own = Some(permits.unite(own, permit));
                }
            }
        }
        let to = to
            .into_iter()
            .enumerate()
            .filter_map(|(class, permit)| Some((ClassId(u32::try_from(class).ok()?), permit?)));
        Row { to: to.collect(), own, permits: permits.list }
    }

    fn is_host(&self, cell: CellId) -> bool {
        self.reach.cells().get(cell.0 as usize).is_some_and(|cell| cell.host_network)
    }

    fn part(&self, class: ClassId, cell: CellId) -> Option<&Part> {
        self.classes.get(class.index())?.cells.iter().find(|part| part.cell == cell)
    }

    /// What pods may open to host-network pods, or the other way round: pairs on one node, on two, and on nodes that
    /// are not known are different, and one pair of each sort stands for the others.
    fn by_nodes(&self, from: &Part, to: &Part) -> Permit {
        let known = |part: &Part| part.nodes.iter().flatten().cloned().collect::<Vec<Text>>();
        let (sources, targets) = (known(from), known(to));
        let mut pairs: Vec<(Option<Text>, Option<Text>)> = Vec::new();
        for (part, other, turned) in [(from, to, false), (to, from, true)] {
            if part.nodes.contains(&None)
                && let Some(node) = other.nodes.first()
            {
                pairs.push(if turned { (node.clone(), None) } else { (None, node.clone()) });
            }
        }
        let shared = sources.iter().find(|node| targets.binary_search(node).is_ok());
        pairs.extend(shared.map(|node| (Some(node.clone()), Some(node.clone()))));
        let apart = sources.iter().find_map(|a| targets.iter().find(|b| a != *b).map(|b| (a, b)));
        pairs.extend(apart.map(|(a, b)| (Some(a.clone()), Some(b.clone()))));
        let permits = pairs.iter().filter_map(|(a, b)| {
            Some(
                self.reach.pod_permit(self.pod_on(from.cell, a.as_ref())?, self.pod_on(to.cell, b.as_ref())?),
            )
        });
        permits.fold(
            Permit::default(),
            |all, permit| if all.is_empty() { (*permit).clone() } else { unite(&all, &permit) },
        )
    }

    /// A pod of a cell on a node.
    fn pod_on(&self, cell: CellId, node: Option<&Text>) -> Option<PodId> {
        let pods = &self.reach.cells().get(cell.0 as usize)?.pods;
        pods.iter().copied().find(|pod| self.cluster().pod(*pod).is_some_and(|pod| pod.node.as_ref() == node))
    }

    /// What the pods of a class may do with the addresses outside: sets of addresses with the same permit, none empty,
    /// disjoint, in the order of their first address. Outside is every address of the families that the pods can have,
    /// except the known pod networks.
    #[must_use]
    pub fn outside(&self, class: ClassId, direction: Direction) -> Outside {
        let Some(class) = self.classes.get(class.index()) else { return Vec::new() };
        let space = self.space(class);
        let mut parts: Outside = Vec::new();
        for (at, part) in class.cells.iter().enumerate() {
            let found = self.external(part.cell, direction, &space);
            parts = if at == 0 { found } else { overlay(&parts, &found) };
        }
        by_permit(parts)
    }

    /// The addresses that count as outside for a class.
    #[must_use]
    pub fn outside_space(&self, class: ClassId) -> IpSet {
        self.classes.get(class.index()).map(|class| self.space(class)).unwrap_or_default()
    }

    /// Leaves out the ranges that hold nothing but the cluster's own addresses: a rule about one node's address says
    /// nothing about the outside. A wider range stays whole.
    #[must_use]
    pub fn foreign(&self, addresses: &IpSet) -> IpSet {
        let foreign = |range: &IpRange| !self.own.contains_set(&IpSet::from_ranges([*range]));
        IpSet::from_ranges(addresses.ranges().filter(foreign))
    }

    fn space(&self, class: &Class) -> IpSet {
        class.families.space().difference(&self.pod_networks)
    }

    fn external(&self, cell: CellId, direction: Direction, space: &IpSet) -> Outside {
        let parts = self.reach.external(cell, direction).into_iter();
        let parts = parts.map(|(addresses, permit)| (addresses.intersection(space), permit));
        parts.filter(|(addresses, permit)| !addresses.is_empty() && !permit.is_empty()).collect()
    }
}

/// What is open if either is, address by address. Both sides are disjoint; so is the result.
fn overlay(a: &Outside, b: &Outside) -> Outside {
    let mut out = Vec::new();
    let mut rest: Outside = b.clone();
    for (addresses, permit) in a {
        let mut alone = addresses.clone();
        for (others, other) in &mut rest {
            let both = alone.intersection(others);
            if both.is_empty() {
                continue;
            }
            alone = alone.difference(&both);
            *others = others.difference(&both);
            out.push((both, unite(permit, other)));
        }
        out.push((alone, permit.clone()));
    }
    out.extend(rest);
    out.retain(|(addresses, _)| !addresses.is_empty());
    out
}

/// Joins the addresses that have the same permit; in the order of their first address.
pub(crate) fn by_permit(parts: Outside) -> Outside {
    let mut joined: Outside = Vec::new();
    for (addresses, permit) in parts {
        match joined.iter_mut().find(|(_, known)| *known == permit) {
            Some((known, _)) => *known = known.union(&addresses),
            None => joined.push((addresses, permit)),
        }
    }
    joined.sort_by_cached_key(|(addresses, _)| addresses.ranges().next());
    joined
}

/// Permits by number, each once, and the unions that have been made of them.
#[derive(Default)]
struct Permits {
    list: Vec<Permit>,
    by_value: FxHashMap<Permit, u32>,
    /// The engine hands out the same permit again and again: its place in memory is a first guess.
    by_place: FxHashMap<*const Permit, u32>,
    unions: FxHashMap<(u32, u32), u32>,
}

impl Permits {
    fn number(&mut self, permit: &Permit) -> u32 {
        let place = from_ref(permit);
        if let Some(number) = self.by_place.get(&place)
            && self.list.get(*number as usize) == Some(permit)
        {
            return *number;
        }
        let number = match self.by_value.get(permit) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
                self.list.push(permit.clone());
                self.by_value.insert(permit.clone(), number);
                number
            }
        };
        self.by_place.insert(place, number);
        number
    }

    fn unite(&mut self, known: Option<u32>, new: u32) -> u32 {
        let Some(known) = known.filter(|known| *known != new) else { return new };
        let key = (known.min(new), known.max(new));
        if let Some(number) = self.unions.get(&key) {
            return *number;
        }
        let (Some(a), Some(b)) = (self.list.get(key.0 as usize), self.list.get(key.1 as usize)) else {
            return new;
        };
        let both = unite(a, b);
        let number = self.number(&both);
        self.unions.insert(key, number);
        number
    }
}
