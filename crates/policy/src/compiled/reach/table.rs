//! What each policy set lets pass to every cell. In: cells. Out: per set and direction a default half and the cells
//! that differ from it.

use std::rc::Rc;

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

/// All tables of one family.
#[derive(Debug)]
pub(super) struct Tables {
    egress: Side,
    ingress: Side,
    variant_of: Vec<u32>,
    /// By source cell: the ingress tables in which it is an exception.
    ingress_exceptions: Vec<Vec<(usize, HalfId)>>,
}

#[derive(Debug, Default)]
struct Side {
    tables: Vec<Table>,
    /// By cell; nothing for host-network cells, which are no subjects.
    table_of: Vec<Option<usize>>,
}

impl Tables {
    pub(super) fn new(compiled: &Compiled, cells: &Cells, family: Family, halves: &mut Halves) -> Self {
        let mut selected = FxHashMap::default();
        let egress = Side::new(compiled, cells, family, Direction::Egress, halves, &mut selected);
        let ingress = Side::new(compiled, cells, family, Direction::Ingress, halves, &mut selected);
        let mut ingress_exceptions = vec![Vec::new(); cells.cells.len()];
        for (at, table) in ingress.tables.iter().enumerate() {
            for (cell, half) in &table.exceptions {
                if let Some(list) = ingress_exceptions.get_mut(cell.0 as usize) {
                    list.push((at, *half));
                }
            }
        }
        Self {
            egress,
            ingress,
            variant_of: cells.cells.iter().map(|cell| cell.variant).collect(),
            ingress_exceptions,
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
        table.defaults.get(variant as usize).copied().unwrap_or(HalfId::NOTHING)
    }

    /// For a source (not a host-network one): its egress half towards every cell, and the half of every ingress
    /// table towards it.
    pub(super) fn row(&self, from: CellId, variant: u32) -> (Vec<HalfId>, Vec<HalfId>) {
        let table = self.egress.table_of.get(from.0 as usize).copied().flatten();
        let table = table.and_then(|at| self.egress.tables.get(at));
        let default_of = |variant: &u32| {
            table.map_or(HalfId::EVERYTHING, |table| {
                table.defaults.get(*variant as usize).copied().unwrap_or(HalfId::NOTHING)
            })
        };
        let mut egress: Vec<HalfId> = self.variant_of.iter().map(default_of).collect();
        for (cell, half) in table.into_iter().flat_map(|table| &table.exceptions) {
            if let Some(slot) = egress.get_mut(cell.0 as usize) {
                *slot = *half;
            }
        }
        let default =
            |table: &Table| table.defaults.get(variant as usize).copied().unwrap_or(HalfId::NOTHING);
        let mut ingress: Vec<HalfId> = self.ingress.tables.iter().map(default).collect();
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

    /// The ingress table of a cell.
    pub(super) fn ingress_context(&self, cell: CellId) -> Option<usize> {
        self.ingress.table_of.get(cell.0 as usize).copied().flatten()
    }
}

/// The cells that each matcher selects, found once.
type Selected = FxHashMap<MatcherId, Rc<[CellId]>>;

impl Side {
    fn new(
        compiled: &Compiled,
        cells: &Cells,
        family: Family,
        direction: Direction,
        halves: &mut Halves,
        selected: &mut Selected,
    ) -> Self {
        let mut side = Self::default();
        let mut known: FxHashMap<(SetId, u32), usize> = FxHashMap::default();
        for cell in &cells.cells {
            let table = subject_set(compiled, cell, direction).map(|(id, set)| {
                // An ingress rule's named ports are the subject's own: cells of other variants need other tables.
                let own_ports =
                    direction == Direction::Ingress && set.rules().any(|rule| rule.uses_named_ports());
                let key = (id, if own_ports { cell.variant } else { u32::MAX });
                *known.entry(key).or_insert_with(|| {
                    let maker = Maker { compiled, cells, family, direction, set, subject: cell };
                    side.tables.push(maker.table(halves, selected));
                    side.tables.len() - 1
                })
            });
            side.table_of.push(table);
        }
        side
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
    fn table(&self, halves: &mut Halves, selected: &mut Selected) -> Table {
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
            let half = halves.intern(self.half(&rules, &key.0, example));
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
    fn touched(&self, rule: &Rule, selected: &mut Selected) -> Option<Rc<[CellId]>> {
        let mut cells_of = |matcher: &MatcherId| -> Rc<[CellId]> {
            let found = || self.cells.selected(self.compiled, *matcher).into();
            selected.entry(*matcher).or_insert_with(found).clone()
        };
        let plain = self.cells.plain();
        let mut cells = match rule.peers.as_deref() {
            None => None,
            Some([Peer { what: PeerMatch::Pods(matcher), .. }]) => Some(cells_of(matcher)),
            Some(peers) => {
                let mut cells = Vec::new();
                let mut all = false;
                for peer in peers {
                    match &peer.what {
                        PeerMatch::Pods(matcher) => cells.extend_from_slice(&cells_of(matcher)),
                        PeerMatch::Services { pods, .. } => {
                            pods.iter().for_each(|matcher| cells.extend_from_slice(&cells_of(matcher)));
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
        for matcher in &rule.requires {
            let required = cells_of(matcher);
            cells = Some(match cells {
                None => required,
                Some(cells) => {
                    cells.iter().copied().filter(|cell| required.binary_search(cell).is_ok()).collect()
                }
            });
        }
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
    fn hosts(&self, halves: &mut Halves) -> FxHashMap<(CellId, Relation), HalfId> {
        let mut hosts = FxHashMap::default();
        let rules: Vec<&Rule> = self.set.rules().map(|rule| &**rule).collect();
        let host_cells = (0..).zip(&self.cells.cells).filter(|(_, cell)| cell.host_network);
        for (at, relation) in
            host_cells.flat_map(|(at, _)| Relation::ALL.map(|relation| (CellId(at), relation)))
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
            let to = probe(Protocol::Tcp, 1).to;
            let half = Half::of(&rules.iter().copied(), to, |protocol, port| {
                decide(self.set, &probe(protocol, port))
            });
            hosts.insert((at, relation), halves.intern(half));
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
        // With `requires`, what matches was found with the selectors.
        if !rule.requires.is_empty() {
            return Match::No;
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
