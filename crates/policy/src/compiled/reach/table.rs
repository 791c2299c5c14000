//! What each policy set lets pass to every cell. In: cells. Out: per set and direction a default half and the cells
//! that differ from it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use ringfence_model::{
    address::Family,
    cilium::Entity,
    origin::Origin,
    port::Protocol,
    verdict::{Direction, Missing, Reason},
};
use rustc_hash::FxHashMap;

use super::{
    Cell, CellId,
    cells::Cells,
    half::{Half, HalfId, Halves},
};
use crate::compiled::{
    Compiled, SetId,
    decide::{Probe, decide},
    matcher::MatcherId,
    matching::{Context, End, ports},
    rule::{Peer, PeerMatch, Rule, RuleSet},
    truth::Match,
};

/// How a pod and a host-network pod lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Relation {
    /// On different nodes; also between two pods, where it does not matter.
    Apart,
    /// On the same node.
    SameNode,
    /// One of the nodes is not known.
    Unknown,
}

impl Relation {
    const ALL: [Self; 3] = [Self::Apart, Self::SameNode, Self::Unknown];

    fn own_node(self) -> Match {
        match self {
            Self::Apart => Match::No,
            Self::SameNode => Match::Yes,
            // Which node it is does not change what may pass.
            Self::Unknown => Match::unknown(Missing::PodNode("".into())),
        }
    }
}

/// A policy set in one direction, with the named ports of the subject where they matter.
#[derive(Debug)]
struct Table {
    /// By variant of the other cell.
    defaults: Vec<HalfId>,
    /// The cells that differ, ascending.
    exceptions: Vec<(CellId, HalfId)>,
    /// Host-network cells, by relation.
    hosts: FxHashMap<(CellId, Relation), HalfId>,
}

impl Table {
    /// What it says about cells of a variant that no rule names.
    fn default(&self, variant: u32) -> HalfId {
        self.defaults.get(variant as usize).copied().unwrap_or(HalfId::NOTHING)
    }
}

/// All tables of one family.
#[derive(Debug)]
pub(super) struct Tables {
    egress: Side,
    ingress: Side,
    variant_of: Vec<u32>,
    /// By source cell: the ingress tables in which it is an exception.
    ingress_exceptions: Vec<Vec<(usize, HalfId)>>,
    /// By ingress table: the cells that it is for.
    cells_of_table: Vec<Vec<CellId>>,
    /// By variant of the source: the ingress tables that do not deny everything by default.
    open_by_default: Vec<Vec<usize>>,
}

#[derive(Debug)]
struct Side {
    tables: Vec<Table>,
    /// By cell; nothing for host-network cells, which are no subjects.
    table_of: Vec<Option<usize>>,
}

impl Tables {
    pub(super) fn new(compiled: &Compiled, cells: &Cells, family: Family, halves: &Mutex<Halves>) -> Self {
        let selected = Selected::default();
        let egress = Side::new(compiled, cells, family, Direction::Egress, halves, &selected);
        let ingress = Side::new(compiled, cells, family, Direction::Ingress, halves, &selected);
        let mut ingress_exceptions = vec![Vec::new(); cells.cells.len()];
        for (at, table) in ingress.tables.iter().enumerate() {
            for (cell, half) in &table.exceptions {
                if let Some(list) = ingress_exceptions.get_mut(cell.0 as usize) {
                    list.push((at, *half));
                }
            }
        }
        let mut cells_of_table = vec![Vec::new(); ingress.tables.len()];
        for (cell, table) in (0..).zip(&ingress.table_of) {
            if let Some(list) = table.and_then(|at| cells_of_table.get_mut(at)) {
                list.push(CellId(cell));
            }
        }
        let open = |variant: u32| {
            let tables = ingress.tables.iter().enumerate();
            tables.filter(|(_, table)| table.default(variant) != HalfId::NOTHING).map(|(at, _)| at).collect()
        };
        Self {
            open_by_default: (0..cells.variants).map(open).collect(),
            egress,
            ingress,
            variant_of: cells.cells.iter().map(|cell| cell.variant).collect(),
            ingress_exceptions,
            cells_of_table,
        }
    }

    /// What the subject's side says about the other cell, whose variant is given.
    pub(super) fn half(
        &self,
        direction: Direction,
        subject: CellId,
        other: CellId,
        variant: u32,
        relation: Relation,
    ) -> HalfId {
        let side = match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        };
        let Some(table) =
            side.table_of.get(subject.0 as usize).copied().flatten().and_then(|at| side.tables.get(at))
        else {
            return HalfId::EVERYTHING;
        };
        if let Some(half) = table.hosts.get(&(other, relation)) {
            return *half;
        }
        if let Ok(at) = table.exceptions.binary_search_by_key(&other, |(cell, _)| *cell) {
            return table.exceptions.get(at).map_or(HalfId::NOTHING, |(_, half)| *half);
        }
        table.default(variant)
    }

    /// For a source (not a host-network one): its egress half towards every cell, and the half of every ingress
    /// table towards it.
    pub(super) fn row(&self, from: CellId, variant: u32) -> (Vec<HalfId>, Vec<HalfId>) {
        let table = self.egress.table_of.get(from.0 as usize).copied().flatten();
        let table = table.and_then(|at| self.egress.tables.get(at));
        let default_of = |variant: &u32| table.map_or(HalfId::EVERYTHING, |table| table.default(*variant));
        let mut egress: Vec<HalfId> = self.variant_of.iter().map(default_of).collect();
        for (cell, half) in table.into_iter().flat_map(|table| &table.exceptions) {
            if let Some(slot) = egress.get_mut(cell.0 as usize) {
                *slot = *half;
            }
        }
        let mut ingress: Vec<HalfId> =
            self.ingress.tables.iter().map(|table| table.default(variant)).collect();
        for (at, half) in self.ingress_exceptions.get(from.0 as usize).into_iter().flatten() {
            if let Some(slot) = ingress.get_mut(*at) {
                *slot = *half;
            }
        }
        (egress, ingress)
    }

    /// The cells towards which a source's egress half is not its default, if it denies everything by default.
    pub(super) fn only_towards(&self, from: CellId) -> Option<impl Iterator<Item = CellId> + '_> {
        let table = self.egress.table_of.get(from.0 as usize).copied().flatten()?;
        let table = self.egress.tables.get(table)?;
        let denies = table.defaults.iter().all(|half| *half == HalfId::NOTHING);
        denies.then(|| table.exceptions.iter().map(|(cell, _)| *cell))
    }

    /// Adds the cells whose ingress side may let a source in.
    pub(super) fn willing(&self, from: CellId, variant: u32, targets: &mut Vec<CellId>) {
        let by_default = self.open_by_default.get(variant as usize).into_iter().flatten().copied();
        let named = self.ingress_exceptions.get(from.0 as usize).into_iter().flatten();
        let named = named.filter(|(_, half)| *half != HalfId::NOTHING).map(|(at, _)| *at);
        for table in by_default.chain(named) {
            targets.extend(self.cells_of_table.get(table).into_iter().flatten());
        }
    }

    /// The ingress table of a cell.
    pub(super) fn ingress_table(&self, cell: CellId) -> Option<usize> {
        self.ingress.table_of.get(cell.0 as usize).copied().flatten()
    }
}

/// The cells that each matcher selects, found once.
type Selected = Mutex<FxHashMap<MatcherId, Arc<[CellId]>>>;

impl Side {
    fn new(
        compiled: &Compiled,
        cells: &Cells,
        family: Family,
        direction: Direction,
        halves: &Mutex<Halves>,
        selected: &Selected,
    ) -> Self {
        let mut known: FxHashMap<(SetId, u32), usize> = FxHashMap::default();
        let mut makers: Vec<Maker<'_>> = Vec::new();
        let mut table_of = Vec::with_capacity(cells.cells.len());
        for cell in &cells.cells {
            table_of.push(subject_set(compiled, cell, direction).map(|(id, set)| {
                // An ingress rule's named ports are the subject's own: cells of other variants need other tables.
                let own_ports =
                    direction == Direction::Ingress && set.rules().any(|rule| rule.uses_named_ports());
                let key = (id, if own_ports { cell.variant } else { u32::MAX });
                *known.entry(key).or_insert_with(|| {
                    makers.push(Maker { compiled, cells, family, direction, set, subject: cell });
                    makers.len() - 1
                })
            }));
        }
        Self { tables: makers.par_iter().map(|maker| maker.table(halves, selected)).collect(), table_of }
    }
}

/// The policy set of a cell's pods; nothing for host-network pods.
fn subject_set<'a>(
    compiled: &'a Compiled,
    cell: &Cell,
    direction: Direction,
) -> Option<(SetId, &'a RuleSet)> {
    if cell.host_network {
        return None;
    }
    let shape = compiled.shape_of_pod.get(cell.representative.0 as usize).copied().flatten()?;
    let id = *compiled.set_of_shape.get(shape as usize)?;
    compiled.sets.get(id as usize).map(|set| (id, set.of(direction)))
}

/// Makes one table.
struct Maker<'a> {
    compiled: &'a Compiled,
    cells: &'a Cells,
    family: Family,
    direction: Direction,
    set: &'a RuleSet,
    subject: &'a Cell,
}

impl Maker<'_> {
    fn table(&self, halves: &Mutex<Halves>, selected: &Selected) -> Table {
        if !self.compiled.cluster.profile.enforces {
            let defaults = vec![HalfId::EVERYTHING; self.cells.variants as usize];
            return Table { defaults, exceptions: Vec::new(), hosts: self.hosts(halves) };
        }
        let rules: Vec<&Rule> = self.set.rules().map(|rule| &**rule).collect();
        let mut touched: Vec<(CellId, u32)> = Vec::new();
        let mut everywhere: Vec<u32> = Vec::new();
        for (at, rule) in (0..).zip(&rules) {
            match self.touched(rule, selected) {
                None => everywhere.push(at),
                Some(cells) => touched.extend(cells.iter().map(|cell| (*cell, at))),
            }
        }
        touched.sort_unstable();
        // Only what these rules look at makes a difference between untouched cells.
        let by_variant = self.set.rules().any(|rule| {
            let named = self.direction == Direction::Egress && rule.uses_named_ports();
            named || rule.peers.iter().flatten().any(|peer| by_address(&peer.what))
        });
        let mut known: FxHashMap<(Vec<u32>, u32), HalfId> = FxHashMap::default();
        let mut half_of = |matched: Vec<u32>, example: CellId, variant: u32| {
            let key = (matched, if by_variant { variant } else { u32::MAX });
            if let Some(half) = known.get(&key) {
                return *half;
            }
            let half = intern(halves, self.half(&rules, &key.0, example));
            known.insert(key, half);
            half
        };
        let examples = self.cells.example.iter();
        let defaults: Vec<HalfId> =
            (0..).zip(examples).map(|(variant, cell)| half_of(everywhere.clone(), *cell, variant)).collect();
        let mut exceptions = Vec::new();
        for run in touched.chunk_by(|a, b| a.0 == b.0) {
            let Some((cell, _)) = run.first() else { continue };
            let Some(variant) = self.cells.cells.get(cell.0 as usize).map(|cell| cell.variant) else {
                continue;
            };
            let mut matched: Vec<u32> =
                everywhere.iter().copied().chain(run.iter().map(|(_, rule)| *rule)).collect();
            matched.sort_unstable();
            let half = half_of(matched, *cell, variant);
            if defaults.get(variant as usize) != Some(&half) {
                exceptions.push((*cell, half));
            }
        }
        Table { defaults, exceptions, hosts: self.hosts(halves) }
    }

    /// The cells (not host-network ones) that a rule's selectors certainly match; nothing means all of them.
    fn touched(&self, rule: &Rule, selected: &Selected) -> Option<Arc<[CellId]>> {
        let cells_of = |matcher: MatcherId| -> Arc<[CellId]> {
            if let Some(known) = lock(selected).get(&matcher) {
                return known.clone();
            }
            let found: Arc<[CellId]> = self.cells.selected(self.compiled, matcher).into();
            lock(selected).insert(matcher, found.clone());
            found
        };
        let plain = self.cells.plain();
        let cells = match rule.peers.as_deref() {
            None => None,
            Some([Peer { what: PeerMatch::Pods(selection), .. }]) if rule.requires.is_empty() => {
                Some(cells_of(selection.id))
            }
            Some(peers) => {
                let required: Vec<_> = rule.requires.iter().map(|required| cells_of(required.id)).collect();
                let mut cells = Vec::new();
                let mut all = false;
                for peer in peers {
                    match &peer.what {
                        PeerMatch::Pods(selection) => {
                            let selected = cells_of(selection.id);
                            let meets =
                                |cell: &&CellId| required.iter().all(|set| set.binary_search(cell).is_ok());
                            cells.extend(selected.iter().filter(meets));
                        }
                        PeerMatch::Services { pods, .. } => {
                            pods.iter().for_each(|matcher| cells.extend_from_slice(&cells_of(*matcher)));
                        }
                        PeerMatch::Entity(Entity::All | Entity::Cluster) => all = true,
                        _ => {}
                    }
                }
                cells.sort_unstable();
                cells.dedup();
                (!all).then(|| cells.into())
            }
        };
        cells.filter(|cells| cells.len() != plain)
    }

    fn half(&self, rules: &[&Rule], matched: &[u32], example: CellId) -> Half {
        let (Some(other), Some(subject)) =
            (self.end(example), self.compiled.pod_end(self.subject.representative))
        else {
            return Half::NOTHING;
        };
        let apart = Match::No;
        let probe = |protocol, port| CellProbe {
            context: self.context(&apart),
            other: &other,
            to: if self.direction == Direction::Egress { &other } else { &subject },
            matched: Some((rules, matched)),
            protocol,
            port,
        };
        let reference = probe(Protocol::Tcp, 1);
        let relevant = rules.iter().copied().filter(|rule| reference.peers(rule) != Match::No);
        Half::of(&relevant, reference.to, |protocol, port| decide(self.set, &probe(protocol, port)))
    }

    /// The halves towards host-network cells.
    fn hosts(&self, halves: &Mutex<Halves>) -> FxHashMap<(CellId, Relation), HalfId> {
        let mut hosts = FxHashMap::default();
        let rules: Vec<&Rule> = self.set.rules().map(|rule| &**rule).collect();
        for (at, relation) in
            self.cells.hosts.iter().flat_map(|at| Relation::ALL.map(|relation| (*at, relation)))
        {
            let (Some(other), Some(subject)) =
                (self.end(at), self.compiled.pod_end(self.subject.representative))
            else {
                continue;
            };
            if !self.compiled.cluster.profile.enforces {
                hosts.insert((at, relation), HalfId::EVERYTHING);
                continue;
            }
            let own_node = relation.own_node();
            let probe = |protocol, port| CellProbe {
                context: self.context(&own_node),
                other: &other,
                to: if self.direction == Direction::Egress { &other } else { &subject },
                matched: None,
                protocol,
                port,
            };
            let reference = probe(Protocol::Tcp, 1);
            let relevant = rules.iter().copied().filter(|rule| reference.peers(rule) != Match::No);
            let half =
                Half::of(&relevant, reference.to, |protocol, port| decide(self.set, &probe(protocol, port)));
            hosts.insert((at, relation), intern(halves, half));
        }
        hosts
    }

    fn context<'b>(&'b self, own_node: &'b Match) -> Context<'b> {
        Context {
            cluster: &self.compiled.cluster,
            facts: &self.compiled.facts,
            matchers: &self.compiled.matchers,
            shapes: &self.compiled.shapes,
            family: self.family,
            own_node,
        }
    }

    fn end(&self, cell: CellId) -> Option<End<'_>> {
        let representative = self.cells.cells.get(cell.0 as usize)?.representative;
        self.compiled.pod_end(representative)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn intern(halves: &Mutex<Halves>, half: Half) -> HalfId {
    lock(halves).intern(half)
}

/// Whether a peer looks at a pod's address.
fn by_address(what: &PeerMatch) -> bool {
    match what {
        PeerMatch::Block(block) => block.matches_cluster,
        PeerMatch::Services { addresses, .. } => !addresses.is_empty(),
        _ => false,
    }
}

/// How rules match one cell: by the list of rules whose selectors match, and by address.
struct CellProbe<'a> {
    context: Context<'a>,
    other: &'a End<'a>,
    to: &'a End<'a>,
    /// Nothing for a host-network cell, which is asked about as it is.
    matched: Option<(&'a [&'a Rule], &'a [u32])>,
    protocol: Protocol,
    port: u16,
}

impl CellProbe<'_> {
    fn peers(&self, rule: &Rule) -> Match {
        let Some((rules, matched)) = self.matched else { return self.context.peers(rule, self.other) };
        let listed =
            matched.iter().any(|at| rules.get(*at as usize).is_some_and(|known| std::ptr::eq(*known, rule)));
        if listed {
            return Match::Yes;
        }
        let by_address = rule.peers.iter().flatten().filter(|peer| by_address(&peer.what));
        by_address.fold(Match::No, |so_far, peer| {
            so_far.or(|| match (&peer.what, self.other) {
                (PeerMatch::Services { addresses, .. }, End::Pod(_, pod, _)) => {
                    pod.addresses.iter().any(|address| addresses.contains(*address)).into()
                }
                (what, other) => self.context.peer(what, other),
            })
        })
    }
}

impl Probe for CellProbe<'_> {
    const REASONS: bool = false;

    fn matches(&self, rule: &Rule) -> Match {
        ports(rule, self.protocol, self.port, self.to, None).and(|| self.peers(rule))
    }

    fn peer(&self, _: &Rule) -> Origin {
        Origin::NONE
    }

    fn own_node(&self) -> &Match {
        self.context.own_node
    }

    fn near_miss(&self, _: &RuleSet) -> Option<Reason> {
        None
    }
}
