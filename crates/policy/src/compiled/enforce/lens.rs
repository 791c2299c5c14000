//! By what a set's rules can tell pods apart. In: rules and pods. Out: a signature for each pod: pods with the same one
//! meet the same decisions.

use ringfence_model::{
    Text,
    address::{Family, IpRange, IpSet},
    verdict::Direction,
    workload::Pod,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Enforcement, PodAddress, Resolution, SelectorId, named_ports, peers::BROAD, resolution, survey::region_of,
};
use crate::compiled::{
    matcher::MatcherId,
    rule::{PeerMatch, RuleSet},
    shape::ShapeId,
};

/// The selectors, names of ports and Services that rules mention.
#[derive(Debug, Default)]
pub(super) struct Lens {
    /// The broad selectors, in the order in which they are tried.
    pub(super) broad: Vec<SelectorId>,
    /// All matchers, those of broad selectors first, with their places among these.
    matchers: Vec<(Option<usize>, MatcherId)>,
    /// The matchers that are broad selectors or would be if they selected more.
    peers: FxHashSet<MatcherId>,
    /// The class of each shape that a matcher selects, greater than 0: shapes that the same ones select.
    pub(super) classes: FxHashMap<ShapeId, u32>,
    /// Class and matcher to the class of what both select.
    children: FxHashMap<(u32, MatcherId), u32>,
    /// By class: the first broad selector that selects it.
    selector: Vec<Option<usize>>,
    /// How many shapes have been classified.
    shapes: usize,
    names: Vec<Text>,
    services: Vec<IpSet>,
}

impl Lens {
    pub(super) fn new(enforcement: &Enforcement<'_>, set: &RuleSet, direction: Direction) -> Self {
        let mut seen: FxHashSet<MatcherId> = FxHashSet::default();
        let mut ids: Vec<MatcherId> = Vec::new();
        let mut peers: FxHashSet<MatcherId> = FxHashSet::default();
        let mut services = Vec::new();
        for rule in set.rules() {
            let required = rule.requires.iter().map(|selection| selection.id);
            ids.extend(required.filter(|id| seen.insert(*id)));
            for peer in rule.peers.iter().flatten() {
                match &peer.what {
                    PeerMatch::Pods(selection) => {
                        peers.insert(selection.id);
                        ids.extend(seen.insert(selection.id).then_some(selection.id));
                    }
                    PeerMatch::Services { pods, addresses } => {
                        ids.extend(pods.iter().copied().filter(|id| seen.insert(*id)));
                        services.extend((!addresses.is_empty()).then(|| addresses.clone()));
                    }
                    _ => {}
                }
            }
        }
        let compiled = enforcement.compiled;
        let size = |id: MatcherId| enforcement.index.sizes.get(id as usize).copied().unwrap_or(0);
        let (mut broad, narrow): (Vec<_>, Vec<_>) =
            ids.into_iter().partition(|id| size(*id) > BROAD && peers.contains(id));
        broad.sort_by_cached_key(|id| {
            let matcher = compiled.matchers.get(*id);
            matcher.map(|matcher| (std::cmp::Reverse(matcher.demands()), matcher.canonical()))
        });
        let numbered = broad.iter().enumerate().map(|(at, id)| (Some(at), *id));
        let mut lens = Self {
            matchers: numbered.chain(narrow.into_iter().map(|id| (None, id))).collect(),
            broad: broad.into_iter().map(SelectorId).collect(),
            peers,
            selector: vec![None],
            shapes: compiled.shapes.len(),
            names: if direction == Direction::Egress { named_ports(set) } else { Vec::new() },
            services,
            ..Self::default()
        };
        for (place, id) in lens.matchers.clone() {
            for shape in compiled.matchers.selected(id).into_iter().flat_map(|selected| selected.iter()) {
                lens.refine(shape, place, id);
            }
        }
        lens
    }

    /// A matcher selects a shape too.
    fn refine(&mut self, shape: ShapeId, place: Option<usize>, id: MatcherId) {
        let class = self.classes.entry(shape).or_default();
        *class = *self.children.entry((*class, id)).or_insert_with(|| {
            let first = self.selector.get(*class as usize).copied().flatten().or(place);
            let next = u32::try_from(self.selector.len()).unwrap_or(u32::MAX);
            self.selector.push(first);
            next
        });
    }

    /// The class of a shape; 0 if nothing selects it.
    pub(super) fn class(&mut self, enforcement: &Enforcement<'_>, shape: ShapeId) -> u32 {
        while self.shapes <= shape as usize {
            let new = ShapeId::try_from(self.shapes).unwrap_or(ShapeId::MAX);
            for at in 0..self.matchers.len() {
                let Some((place, id)) = self.matchers.get(at).copied() else { break };
                if enforcement.compiled.matchers.selects(id, new) {
                    self.refine(new, place, id);
                }
            }
            self.shapes += 1;
        }
        self.classes.get(&shape).copied().unwrap_or(0)
    }

    /// The first broad selector that selects a class.
    pub(super) fn selector(&self, class: u32) -> Option<usize> {
        self.selector.get(class as usize).copied().flatten()
    }

    /// Whether nothing but selectors and addresses matters about a pod.
    pub(super) fn only_selects(&self) -> bool {
        self.names.is_empty() && self.services.is_empty()
    }

    /// Whether one of the matchers being broad or not matters.
    pub(super) fn minds(&self, crossed: &[MatcherId]) -> bool {
        crossed.iter().any(|id| self.peers.contains(id))
    }
}

/// Class, place of the addresses, named ports, Services that list an address.
pub(super) type Signature = (u32, u32, u32, u32);

/// The signatures of pods, and the behaviours that they have.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    pub(super) known: FxHashMap<Signature, usize>,
    /// By the number of a list of container ports: the number of what it says about the names.
    ports: FxHashMap<u32, u32>,
    resolutions: FxHashMap<Resolution, u32>,
    services: FxHashMap<Vec<bool>, u32>,
    /// Regions of pods with several addresses.
    regions: FxHashMap<Vec<usize>, u32>,
}

impl Signatures {
    pub(super) fn of(
        &mut self,
        lens: &Lens,
        regions: &[(IpRange, usize)],
        seat: &PodAddress,
        pod: &Pod,
        (class, region): (u32, usize),
    ) -> Signature {
        let one = |region: usize| u32::try_from(region).unwrap_or(u32::MAX).saturating_mul(2);
        let place = if seat.alone || regions.len() <= 1 {
            one(region)
        } else {
            let family = Family::of(seat.address);
            let others = pod.addresses.iter().filter(|other| Family::of(**other) == family);
            let mut own: Vec<usize> = others.map(|other| region_of(regions, *other)).collect();
            own.sort_unstable();
            own.dedup();
            match own.as_slice() {
                [only] => one(*only),
                _ => number(&mut self.regions, own).saturating_mul(2).saturating_add(1),
            }
        };
        let ports = if lens.names.is_empty() {
            0
        } else {
            match self.ports.get(&seat.ports) {
                Some(known) => *known,
                None => {
                    let ports = number(&mut self.resolutions, resolution(pod, &lens.names));
                    self.ports.insert(seat.ports, ports);
                    ports
                }
            }
        };
        let services = if lens.services.is_empty() {
            0
        } else {
            let listed = |list: &IpSet| pod.addresses.iter().any(|address| list.contains(*address));
            number(&mut self.services, lens.services.iter().map(listed).collect())
        };
        (class, place, ports, services)
    }
}

/// The number of a value.
fn number<K: std::hash::Hash + Eq>(known: &mut FxHashMap<K, u32>, value: K) -> u32 {
    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
    *known.entry(value).or_insert(next)
}
