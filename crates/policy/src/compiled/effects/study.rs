//! What all comparisons share. In: a compiled cluster. Out: the subjects and parts of each policy set, and samples of the ends that
//! no rule can tell from others.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use ringfence_model::{
    Text,
    address::{Family, IpRange, IpSet},
    cilium::FqdnMatch,
    verdict::Direction,
    workload::PodId,
};

use rustc_hash::FxHashMap;

use super::removal::Left;
use crate::compiled::{
    Compiled, PartId, SetId,
    reach::{Cell, CellId, cells::Cells},
    rule::{Part, PeerMatch, RuleSet},
    runs::after,
};

/// A name that no policy mentions.
const UNMENTIONED: &str = "unmentioned.invalid";
/// What stands for the `*` of a pattern.
const FILLER: &str = "any-label";
/// Patterns for several labels are tried with up to so many.
const LABELS: usize = 4;

/// The cluster as comparisons see it.
pub(super) struct Study<'a> {
    pub(super) compiled: &'a Compiled,
    pub(super) cells: Cells,
    /// By set: its parts in the order in which they are evaluated.
    parts: Vec<Vec<PartId>>,
    /// By set: the cells of its pods.
    subjects: Vec<Vec<CellId>>,
    /// By part: the sets that it is in and that have pods, ascending.
    sets: Vec<Vec<SetId>>,
    /// By what rules can tell of a pod beside its labels: the cells of pods that policies can select.
    pub(super) of_variant: Vec<Vec<CellId>>,
    /// The cluster's own addresses.
    own: Vec<IpRange>,
    /// Those that are not nodes'.
    own_of_no_node: Vec<IpRange>,
    /// Which rules of a set match a pod, where that is certain: asked anew for everything that is taken from the set.
    matching: Mutex<FxHashMap<Asked, Option<Arc<[u32]>>>>,
}

/// A set of rules of one direction, and a pod that they may match in one family.
type Asked = (SetId, Direction, Family, PodId);

/// Of sets with fewer rules it is not worth remembering what they match.
pub(super) const FEW: usize = 12;

impl<'a> Study<'a> {
    pub(super) fn new(compiled: &'a Compiled) -> Self {
        let cells = Cells::new(compiled);
        let mut parts = vec![Vec::new(); compiled.sets.len()];
        let mut subjects = vec![Vec::new(); compiled.sets.len()];
        let mut sets = vec![Vec::new(); compiled.parts.len()];
        for (at, cell) in (0..).map(CellId).zip(&cells.cells) {
            let set = Self::set_of(compiled, cell).and_then(|set| subjects.get_mut(set as usize));
            if let Some(list) = set {
                list.push(at);
            }
        }
        let lists: BTreeMap<SetId, &Vec<PartId>> =
            compiled.set_of_parts.iter().map(|(list, set)| (*set, list)).collect();
        for (set, list) in lists {
            let mut ordered: Vec<(PartId, &Arc<Part>)> = list
                .iter()
                .filter_map(|id| Some((*id, compiled.parts.get(*id as usize)?.as_ref()?)))
                .collect();
            ordered.sort_by(|(_, a), (_, b)| a.order().cmp(&b.order()));
            let populated = subjects.get(set as usize).is_some_and(|subjects| !subjects.is_empty());
            for (id, _) in ordered.iter().filter(|_| populated) {
                if let Some(list) = sets.get_mut(*id as usize) {
                    list.push(set);
                }
            }
            if let Some(slot) = parts.get_mut(set as usize) {
                *slot = ordered.into_iter().map(|(id, _)| id).collect();
            }
        }
        let mut of_variant: BTreeMap<u32, Vec<CellId>> = BTreeMap::new();
        for (at, cell) in (0..).map(CellId).zip(&cells.cells).filter(|(_, cell)| !cell.host_network) {
            of_variant.entry(cell.variant).or_default().push(at);
        }
        let of_variant = of_variant.into_values().collect();
        let own = compiled.facts.inside();
        let of_nodes = compiled.cluster.nodes.iter().flat_map(|node| &node.addresses);
        let of_nodes = IpSet::from_ranges(of_nodes.map(|at| IpRange { first: *at, last: *at }));
        let own_of_no_node = own.difference(&of_nodes).ranges().collect();
        Self {
            compiled,
            cells,
            parts,
            subjects,
            sets,
            of_variant,
            own: own.ranges().collect(),
            own_of_no_node,
            matching: Mutex::default(),
        }
    }

    fn set_of(compiled: &Compiled, cell: &Cell) -> Option<SetId> {
        let pod = cell.pods.first().filter(|_| !cell.host_network)?;
        let shape = compiled.shape_of_pod.get(pod.0 as usize).copied().flatten()?;
        compiled.set_of_shape.get(shape as usize).copied()
    }

    pub(super) fn cell(&self, id: CellId) -> Option<&Cell> {
        self.cells.cells.get(id.0 as usize)
    }

    /// What is left of a part.
    pub(super) fn part<'p>(&'p self, left: &'p Left, id: PartId) -> Option<&'p Arc<Part>> {
        match left.get(&id) {
            Some(part) => part.as_ref(),
            None => self.compiled.parts.get(id as usize)?.as_ref(),
        }
    }

    /// The parts of a set, in order.
    pub(super) fn parts_of(&self, set: SetId) -> &[PartId] {
        self.parts.get(set as usize).map_or(&[], Vec::as_slice)
    }

    /// The cells of a set's pods.
    pub(super) fn subjects(&self, set: SetId) -> &[CellId] {
        self.subjects.get(set as usize).map_or(&[], Vec::as_slice)
    }

    /// The sets that have pods and one of the parts, ascending.
    pub(super) fn sets(&self, parts: impl Iterator<Item = PartId>) -> Vec<SetId> {
        let mut found: Vec<SetId> =
            parts.filter_map(|part| self.sets.get(part as usize)).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The rules of a set with what is left.
    pub(super) fn rules(&self, left: &Left, set: SetId, direction: Direction) -> Option<Cow<'_, RuleSet>> {
        let parts = self.parts_of(set);
        if parts.iter().any(|part| left.contains_key(part)) {
            let parts = parts.iter().filter_map(|id| self.part(left, *id));
            return Some(Cow::Owned(RuleSet::new(parts, direction)));
        }
        self.compiled.sets.get(set as usize).map(|set| Cow::Borrowed(set.of(direction)))
    }

    /// The numbers of the rules of a set that match a pod, the set being whole; nothing where that is not certain.
    pub(super) fn matching(
        &self,
        asked: Asked,
        find: impl FnOnce() -> Option<Vec<u32>>,
    ) -> Option<Arc<[u32]>> {
        let known = |matching: &Self| {
            matching.matching.lock().unwrap_or_else(PoisonError::into_inner).get(&asked).cloned()
        };
        if let Some(known) = known(self) {
            return known;
        }
        let found: Option<Arc<[u32]>> = find().map(Into::into);
        self.matching.lock().unwrap_or_else(PoisonError::into_inner).insert(asked, found.clone());
        found
    }

    /// The policy set of a pod that policies can select.
    pub(super) fn set_of_pod(&self, pod: PodId) -> Option<SetId> {
        let end = self.compiled.pod_end(pod)?;
        let (_, shape) = end.plain_pod()?;
        self.compiled.set_of_shape.get(shape as usize).copied()
    }

    /// Of a range of addresses, one outside the cluster, and one of the cluster's own that is no node's.
    pub(super) fn samples(&self, range: IpRange) -> impl Iterator<Item = IpAddr> {
        [outside(&self.own, range), within(&self.own_of_no_node, range)].into_iter().flatten()
    }

    /// The families that a cell's pods have addresses of, or may have.
    pub(super) fn families<'c>(&self, cell: &'c Cell) -> &'c [Family] {
        let known = cell.pods.first().and_then(|pod| self.compiled.cluster.pod(*pod));
        if known.is_some_and(|pod| pod.addresses.is_empty()) { &Family::BOTH } else { &cell.families }
    }
}

/// The first of the sorted ranges that has an address of the range.
fn overlapping(sorted: &[IpRange], range: IpRange) -> Option<&IpRange> {
    let at = sorted.partition_point(|known| known.last < range.first);
    sorted.get(at).filter(|known| known.first <= range.last)
}

/// An address of a range that is in none of the others: one for documentation if there is one, else the first.
fn outside(sorted: &[IpRange], range: IpRange) -> Option<IpAddr> {
    let known = match range.first {
        IpAddr::V4(_) => IpAddr::from([203, 0, 113, 1]),
        IpAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
    };
    if (range.first..=range.last).contains(&known)
        && overlapping(sorted, IpRange { first: known, last: known }).is_none()
    {
        return Some(known);
    }
    let mut first = range.first;
    while let Some(known) =
        overlapping(sorted, IpRange { first, ..range }).filter(|known| known.first <= first)
    {
        first = after(known.last).filter(|next| *next <= range.last)?;
    }
    Some(first)
}

/// The first address of a range that is in one of the others.
fn within(sorted: &[IpRange], range: IpRange) -> Option<IpAddr> {
    overlapping(sorted, range).map(|known| known.first.max(range.first))
}

/// The names that the rules mention, one or more for each pattern, and one that nothing mentions.
pub(super) fn names(rules: &RuleSet) -> Vec<Text> {
    let mut names: Vec<Text> = vec![UNMENTIONED.into()];
    for peer in rules.rules().flat_map(|rule| rule.peers.iter().flatten()) {
        match &peer.what {
            PeerMatch::Domains(entries) => {
                for entry in entries {
                    match entry.strip_prefix("*.") {
                        Some(rest) => names.extend(with_labels(rest)),
                        None => names.push(entry.clone()),
                    }
                }
            }
            PeerMatch::Fqdn(FqdnMatch::Name(name)) => names.push(name.clone()),
            PeerMatch::Fqdn(FqdnMatch::Pattern(pattern)) => match pattern.strip_prefix("**.") {
                Some(rest) => names.extend(with_labels(&rest.replace('*', FILLER))),
                None => names.push(pattern.replace('*', FILLER).into()),
            },
            _ => {}
        }
    }
    for name in &mut names {
        *name = name.trim_end_matches('.').to_ascii_lowercase().into();
    }
    names.sort();
    names.dedup();
    names
}

/// A name under another, with one label more, with two, and so on.
fn with_labels(rest: &str) -> impl Iterator<Item = Text> {
    (1..=LABELS).map(move |count| format!("{}{rest}", format!("{FILLER}.").repeat(count)).into())
}
