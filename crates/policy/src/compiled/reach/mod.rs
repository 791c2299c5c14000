//! All pairs at once. In: a compiled cluster. Out: what every cell of pods may open to every other, and to the
//! addresses outside.
//!
//! Pods that no policy can tell apart are one *cell*. For each policy set, direction and family a table holds what
//! its subjects let pass to (or from) every cell: a default and the cells that some rule names. A pair's permit joins
//! the entry of the source's egress table with that of the destination's ingress table; equal joins are made once.

pub(super) mod cells;
mod external;
mod half;
mod table;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ringfence_model::{
    address::{Family, IpSet},
    verdict::Direction,
    workload::PodId,
};
use rustc_hash::FxHashMap;

use super::Compiled;
use crate::permit::Permit;
use cells::Cells;
use half::{Half, HalfId, Halves};
use table::{Relation, Tables};

/// Number of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(pub u32);

/// Pods that no policy can tell apart, as subjects or as peers.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Its pods, ascending; never empty.
    pub pods: Vec<PodId>,
    /// Whether they are in their nodes' network.
    pub host_network: bool,
    representative: PodId,
    pub(super) variant: u32,
    pub(super) families: Vec<Family>,
    /// The nodes of its pods by number, ascending; nothing stands for a node that is not known.
    nodes: Vec<Option<u32>>,
}

/// A permit by the egress and ingress halves of each family.
type Joined = RwLock<FxHashMap<[Option<(HalfId, HalfId)>; 2], Arc<Permit>>>;

/// What may reach what.
pub struct Reach<'a> {
    compiled: &'a Compiled,
    cells: Vec<Cell>,
    hosts: Vec<CellId>,
    cell_of_pod: Vec<Option<CellId>>,
    families: Vec<(Family, Tables)>,
    halves: Halves,
    joined: Joined,
}

impl Compiled {
    /// What every pod may open to every other.
    #[must_use]
    pub fn reach(&self) -> Reach<'_> {
        let cells = Cells::new(self);
        let mut families: Vec<Family> =
            cells.cells.iter().flat_map(|cell| cell.families.iter().copied()).collect();
        families.sort_unstable();
        families.dedup();
        let halves: Mutex<Halves> = Mutex::default();
        let tables = families.iter().map(|family| (*family, Tables::new(self, &cells, *family, &halves)));
        Reach {
            compiled: self,
            families: tables.collect(),
            halves: halves.into_inner().unwrap_or_else(PoisonError::into_inner),
            joined: RwLock::default(),
            cell_of_pod: cells.cell_of_pod,
            hosts: cells.hosts,
            cells: cells.cells,
        }
    }
}

impl Reach<'_> {
    /// The cells, in the order of their first pods.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The cell of a pod; nothing for a finished one.
    #[must_use]
    pub fn cell_of(&self, pod: PodId) -> Option<CellId> {
        self.cell_of_pod.get(pod.0 as usize).copied().flatten()
    }

    /// What a pod of one cell may open to another pod of the other. Where the pods of a pair of cells differ in
    /// whether they share a node, and where both have addresses of both families, what any pair of addresses allows.
    #[must_use]
    pub fn permit(&self, from: CellId, to: CellId) -> Arc<Permit> {
        self.between(from, to, &self.relations(from, to))
    }

    /// What one pod may open to another; two of one cell, and a pod to itself (everything), included.
    #[must_use]
    pub fn pod_permit(&self, from: PodId, to: PodId) -> Arc<Permit> {
        let (Some(source), Some(target)) = (self.cell_of(from), self.cell_of(to)) else {
            return Arc::default();
        };
        if from == to {
            return Arc::new(Permit::all());
        }
        let node = |pod| self.compiled.cluster.pod(pod).and_then(|pod| pod.node.as_ref());
        let relation = if self.is_host(source) == self.is_host(target) {
            Relation::Apart
        } else {
            match (node(from), node(to)) {
                (Some(a), Some(b)) if a == b => Relation::SameNode,
                (Some(_), Some(_)) => Relation::Apart,
                _ => Relation::Unknown,
            }
        };
        self.between(source, target, &[relation])
    }

    /// Calls back with every cell that a cell may open anything to, ascending, itself included.
    pub fn for_each_to(&self, from: CellId, mut f: impl FnMut(CellId, &Permit)) {
        let Some(source) = self.cells.get(from.0 as usize) else { return };
        let few = self.few_targets(from);
        let dense = few.is_none() && !source.host_network;
        let rows: Vec<Option<(Vec<HalfId>, Vec<HalfId>)>> = (self.families.iter())
            .map(|(family, tables)| {
                let reached = dense && source.families.contains(family);
                reached.then(|| tables.row(from, source.variant))
            })
            .collect();
        let targets = few.unwrap_or_else(|| self.open_targets(from, source));
        let mut known: FxHashMap<[Option<(HalfId, HalfId)>; 2], Arc<Permit>> = FxHashMap::default();
        for to in targets {
            let Some(target) = self.cells.get(to.0 as usize) else { continue };
            if !dense || target.host_network {
                let permit = self.permit(from, to);
                if !permit.is_empty() {
                    f(to, &permit);
                }
                continue;
            }
            let mut key = [None, None];
            let mut open = false;
            for ((slot, row), (family, tables)) in key.iter_mut().zip(&rows).zip(&self.families) {
                let Some((egress, ingress)) = row else { continue };
                if !target.families.contains(family) {
                    continue;
                }
                let Some(out) = egress.get(to.0 as usize).copied() else { continue };
                if out == HalfId::NOTHING {
                    continue;
                }
                let Some(incoming) = tables.ingress_table(to).and_then(|at| ingress.get(at)).copied() else {
                    continue;
                };
                if incoming != HalfId::NOTHING {
                    *slot = Some((out, incoming));
                    open = true;
                }
            }
            if open {
                let permit = known.entry(key).or_insert_with(|| self.join(key));
                if !permit.is_empty() {
                    f(to, permit);
                }
            }
        }
    }

    /// The only cells that a source may open anything to, if its rules list them: those and the host-network cells.
    fn few_targets(&self, from: CellId) -> Option<Vec<CellId>> {
        let mut targets = self.hosts.clone();
        for (_, tables) in &self.families {
            targets.extend(tables.only_towards(from)?);
        }
        targets.sort_unstable();
        targets.dedup();
        Some(targets)
    }

    /// The cells that a source without restrictions of its own may open anything to, as far as their own rules go.
    fn open_targets(&self, from: CellId, source: &Cell) -> Vec<CellId> {
        if source.host_network {
            let count = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
            return (0..count).map(CellId).collect();
        }
        let mut targets = self.hosts.clone();
        for (_, tables) in self.families.iter().filter(|(family, _)| source.families.contains(family)) {
            tables.willing(from, source.variant, &mut targets);
        }
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// What a cell may open to addresses outside the cluster (egress), or they to it (ingress): disjoint sets of
    /// addresses with non-empty permits, over the whole space of the families that the cell's pods may have.
    #[must_use]
    pub fn external(&self, cell: CellId, direction: Direction) -> Vec<(IpSet, Permit)> {
        let Some(cell) = self.cells.get(cell.0 as usize) else { return Vec::new() };
        external::permits(self.compiled, cell, direction)
    }

    fn is_host(&self, cell: CellId) -> bool {
        self.cells.get(cell.0 as usize).is_some_and(|cell| cell.host_network)
    }

    /// How pods of two cells can lie: it matters between a pod and a host-network pod only.
    fn relations(&self, from: CellId, to: CellId) -> Vec<Relation> {
        let (Some(a), Some(b)) = (self.cells.get(from.0 as usize), self.cells.get(to.0 as usize)) else {
            return Vec::new();
        };
        if a.host_network == b.host_network {
            return vec![Relation::Apart];
        }
        let mut relations = Vec::new();
        if a.nodes.contains(&None) || b.nodes.contains(&None) {
            relations.push(Relation::Unknown);
        }
        let mut known = a.nodes.iter().flatten();
        if known.any(|node| b.nodes.binary_search(&Some(*node)).is_ok()) {
            relations.push(Relation::SameNode);
        }
        let one = |cell: &Cell| match cell.nodes.as_slice() {
            [Some(node)] => Some(*node),
            _ => None,
        };
        let apart = match (one(a), one(b)) {
            (Some(x), Some(y)) => x != y,
            _ => a.nodes.iter().any(Option::is_some) && b.nodes.iter().any(Option::is_some),
        };
        if apart {
            relations.push(Relation::Apart);
        }
        relations
    }

    fn between(&self, from: CellId, to: CellId, relations: &[Relation]) -> Arc<Permit> {
        let (Some(source), Some(target)) = (self.cells.get(from.0 as usize), self.cells.get(to.0 as usize))
        else {
            return Arc::default();
        };
        let permits = relations.iter().map(|relation| {
            let mut key = [None, None];
            for (slot, (family, tables)) in key.iter_mut().zip(&self.families) {
                if source.families.contains(family) && target.families.contains(family) {
                    let egress = tables.half(Direction::Egress, from, to, target.variant, *relation);
                    let ingress = tables.half(Direction::Ingress, to, from, source.variant, *relation);
                    *slot = Some((egress, ingress));
                }
            }
            self.join(key)
        });
        permits.reduce(|a, b| if a == b { a } else { Arc::new(half::unite(&a, &b)) }).unwrap_or_default()
    }

    fn join(&self, key: [Option<(HalfId, HalfId)>; 2]) -> Arc<Permit> {
        if let Some(known) = self.joined.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let permits = key.iter().flatten().map(|(egress, ingress)| {
            half::join(
                self.halves.get(*egress).unwrap_or(&Half::NOTHING),
                self.halves.get(*ingress).unwrap_or(&Half::NOTHING),
            )
        });
        let permit = Arc::new(permits.reduce(|a, b| half::unite(&a, &b)).unwrap_or_default());
        self.joined.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(permit).clone()
    }
}
