//! Pods that no policy can tell apart. In: a compiled cluster. Out: cells, and which cells a selector selects.

use std::net::IpAddr;

use ringfence_model::{
    Text,
    address::{Family, IpSet, bits},
    label::Selector,
    port::{PortSpec, Protocol},
    workload::{Pod, PodId},
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Cell, CellId};
use crate::compiled::{
    Compiled, l7,
    matcher::MatcherId,
    rule::{PeerMatch, Rule},
    shape::ShapeId,
};

/// All cells.
pub(in crate::compiled) struct Cells {
    pub(in crate::compiled) cells: Vec<Cell>,
    pub(super) cell_of_pod: Vec<Option<CellId>>,
    /// How many variants there are: see [`Key::variant`].
    pub(super) variants: u32,
    /// A cell of each variant.
    pub(super) example: Vec<CellId>,
    cells_of_shape: Vec<Vec<CellId>>,
    plain: usize,
    /// The host-network cells.
    pub(in crate::compiled) hosts: Vec<CellId>,
}

/// What makes two pods one cell.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// The class of the shape; nothing for a host-network pod, which no selector sees.
    class: Option<u32>,
    /// Everything else by which a rule can tell pods apart, numbered.
    variant: u32,
}

/// What rules can tell of a pod beside its shape.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Variant {
    /// Where its addresses lie between the boundaries of all networks that rules name.
    addresses: Vec<(Family, usize)>,
    /// Whether they are not known: then those of a host-network pod's node are only where it can be.
    guessed: bool,
    /// Its container ports of the names that rules use.
    ports: Vec<(Text, Protocol, u16)>,
    /// For a host-network pod: which node selectors select its node, or why that is not known.
    node: Option<NodeView>,
    families: Vec<Family>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum NodeView {
    Unknown,
    NotGiven,
    Selected(Vec<bool>),
}

/// What all rules together look at.
#[derive(Default)]
struct Lenses {
    v4: Vec<u128>,
    v6: Vec<u128>,
    names: FxHashSet<Text>,
    nodes: Vec<Selector>,
}

impl Lenses {
    fn new(compiled: &Compiled) -> Self {
        let mut lenses = Self::default();
        if let Some(known) = compiled.facts.api_servers() {
            lenses.add_addresses(known);
        }
        let rules = compiled.parts.iter().flatten().flat_map(|part| part.ingress.iter().chain(&part.egress));
        for rule in rules {
            lenses.add(rule);
        }
        for list in [&mut lenses.v4, &mut lenses.v6] {
            list.sort_unstable();
            list.dedup();
        }
        lenses
    }

    fn add(&mut self, rule: &Rule) {
        for entry in &rule.ports {
            if let PortSpec::Named(name) = &entry.ports {
                self.names.insert(name.clone());
            }
        }
        for peer in rule.peers.iter().flatten() {
            match &peer.what {
                PeerMatch::Block(block) if block.matches_cluster => self.add_addresses(&block.addresses),
                PeerMatch::Services { addresses, .. } => self.add_addresses(addresses),
                PeerMatch::Nodes(selector) if !self.nodes.contains(selector) => {
                    self.nodes.push(selector.clone());
                }
                _ => {}
            }
        }
    }

    fn add_addresses(&mut self, set: &IpSet) {
        for range in set.ranges() {
            let list = if range.first.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
            list.push(bits(range.first));
            list.extend(bits(range.last).checked_add(1));
        }
    }

    fn place(&self, address: &IpAddr) -> (Family, usize) {
        let family = Family::of(*address);
        let list = if family == Family::V4 { &self.v4 } else { &self.v6 };
        (family, list.partition_point(|start| *start <= bits(*address)))
    }

    fn variant(&self, compiled: &Compiled, pod: &Pod, default_families: &[Family]) -> Variant {
        let facts = &compiled.facts;
        let node = pod.node.as_ref().and_then(|name| facts.node_of_name(&compiled.cluster, name));
        let view = pod.host_network.then(|| match (&pod.node, node) {
            (None, _) => NodeView::Unknown,
            (Some(_), None) => NodeView::NotGiven,
            (Some(_), Some(node)) => NodeView::Selected(
                self.nodes.iter().map(|s| l7::node_selector_matches(s, &node.labels)).collect(),
            ),
        });
        let known = if pod.host_network && pod.addresses.is_empty() {
            node.map_or(&[][..], |node| &node.addresses)
        } else {
            &pod.addresses
        };
        let mut families: Vec<Family> = pod.addresses.iter().map(|address| Family::of(*address)).collect();
        if families.is_empty() {
            families = default_families.to_vec();
        }
        families.sort_unstable();
        families.dedup();
        let mut addresses: Vec<_> = known.iter().map(|address| self.place(address)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let named = pod.ports.iter().filter_map(|port| {
            let name = port.name.as_ref().filter(|name| self.names.contains(*name))?;
            Some((name.clone(), port.protocol, port.port))
        });
        let mut ports: Vec<_> = named.collect();
        ports.sort();
        ports.dedup();
        Variant { addresses, guessed: pod.addresses.is_empty(), ports, node: view, families }
    }
}

impl Cells {
    pub(in crate::compiled) fn new(compiled: &Compiled) -> Self {
        let lenses = Lenses::new(compiled);
        let classes = classes(compiled);
        let default_families = compiled.cluster.families();
        let mut node_numbers: FxHashMap<&Text, u32> = FxHashMap::default();
        let mut variants: FxHashMap<Variant, u32> = FxHashMap::default();
        let mut by_key: FxHashMap<Key, CellId> = FxHashMap::default();
        let mut all = Self {
            cells: Vec::new(),
            cell_of_pod: vec![None; compiled.cluster.pods.len()],
            variants: 0,
            example: Vec::new(),
            cells_of_shape: vec![Vec::new(); compiled.shapes.len()],
            plain: 0,
            hosts: Vec::new(),
        };
        let pods = (0..).zip(&compiled.cluster.pods).zip(&compiled.shape_of_pod);
        for ((at, pod), shape) in pods {
            let Some(shape) = *shape else { continue };
            let variant = lenses.variant(compiled, pod, &default_families);
            let families = variant.families.clone();
            let next = u32::try_from(variants.len()).unwrap_or(u32::MAX);
            let variant = *variants.entry(variant).or_insert(next);
            let class = if pod.host_network { None } else { classes.get(shape as usize).copied() };
            let id = *by_key.entry(Key { class, variant }).or_insert_with(|| {
                let id = CellId(u32::try_from(all.cells.len()).unwrap_or(u32::MAX));
                if variant == next {
                    all.example.push(id);
                }
                if pod.host_network {
                    all.hosts.push(id);
                } else {
                    all.plain += 1;
                }
                all.cells.push(Cell {
                    pods: Vec::new(),
                    host_network: pod.host_network,
                    representative: PodId(at),
                    variant,
                    families,
                    nodes: Vec::new(),
                });
                id
            });
            let count = u32::try_from(node_numbers.len()).unwrap_or(u32::MAX);
            let node = pod.node.as_ref().map(|name| *node_numbers.entry(name).or_insert(count));
            all.join(id, PodId(at), node, shape);
        }
        all.variants = u32::try_from(variants.len()).unwrap_or(u32::MAX);
        for cell in &mut all.cells {
            cell.nodes.sort_unstable();
            cell.nodes.dedup();
        }
        all
    }

    fn join(&mut self, id: CellId, pod: PodId, node: Option<u32>, shape: ShapeId) {
        let Some(cell) = self.cells.get_mut(id.0 as usize) else { return };
        cell.pods.push(pod);
        if cell.nodes.last() != Some(&node) {
            cell.nodes.push(node);
        }
        if let Some(slot) = self.cell_of_pod.get_mut(pod.0 as usize) {
            *slot = Some(id);
        }
        if !cell.host_network
            && let Some(list) = self.cells_of_shape.get_mut(shape as usize)
            && !list.contains(&id)
        {
            list.push(id);
        }
    }

    /// The cells that have pods of a shape, other than host-network ones.
    pub(in crate::compiled) fn of_shape(&self, shape: ShapeId) -> &[CellId] {
        self.cells_of_shape.get(shape as usize).map_or(&[], Vec::as_slice)
    }

    /// The cells that a matcher selects, ascending.
    pub(super) fn selected(&self, compiled: &Compiled, matcher: MatcherId) -> Vec<CellId> {
        let shapes = compiled.matchers.selected(matcher).into_iter().flat_map(|selected| selected.iter());
        let mut cells: Vec<CellId> =
            shapes.filter_map(|shape| self.cells_of_shape.get(shape as usize)).flatten().copied().collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// How many cells are not of host-network pods.
    pub(super) fn plain(&self) -> usize {
        self.plain
    }
}

/// The class of each shape: two shapes are of one class if every matcher selects both or neither.
fn classes(compiled: &Compiled) -> Vec<u32> {
    let mut class_of = vec![0_u32; compiled.shapes.len()];
    let mut sizes = vec![compiled.shapes.len()];
    let mut split: Vec<(u32, ShapeId)> = Vec::new();
    for matcher in 0..compiled.matchers.len() {
        let Some(selected) =
            compiled.matchers.selected(MatcherId::try_from(matcher).unwrap_or(MatcherId::MAX))
        else {
            continue;
        };
        split.clear();
        split.extend(selected.iter().filter_map(|shape| Some((*class_of.get(shape as usize)?, shape))));
        split.sort_unstable();
        for part in split.chunk_by(|a, b| a.0 == b.0) {
            let Some((class, _)) = part.first() else { continue };
            let Some(size) = sizes.get_mut(*class as usize).filter(|size| **size != part.len()) else {
                continue;
            };
            *size -= part.len();
            let new = u32::try_from(sizes.len()).unwrap_or(u32::MAX);
            sizes.push(part.len());
            for (_, shape) in part {
                if let Some(slot) = class_of.get_mut(*shape as usize) {
                    *slot = new;
                }
            }
        }
    }
    class_of
}
