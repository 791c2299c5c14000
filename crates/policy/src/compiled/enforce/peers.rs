//! What a group of subjects does with every address of a family. In: the group's rules, and the pods, nodes and networks.
//! Out: distinct behaviours, and how to find an address's: listed, by a shared set, or by where it lies.
//!
//! A behaviour is computed once for each *signature*, everything by which the rules can tell ends apart: which of the
//! matchers select a pod's shape, between which bounds of networks its addresses lie, what its named ports are.

use std::net::IpAddr;

use ringfence_model::{
    address::{Family, IpRange, IpSet, bits},
    cilium::Entity,
    label::Selector,
    verdict::Direction,
    workload::PodId,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Behaviour, Enforcement, Place, PodAddress, Resolution, SelectorId, Subjects, behaviour::Seen,
    named_ports, resolution, slot,
};
use crate::compiled::{
    l7,
    matcher::MatcherId,
    matching::{Context, End},
    rule::{PeerMatch, RuleSet},
    runs::regions,
    shape::ShapeId,
    truth::Match,
};

/// A selector that selects more pods than this has a set of its own, which all groups share.
const BROAD: usize = 64;

/// A set of addresses that groups share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shared {
    /// The addresses of the node itself.
    OwnNode,
    /// The pods that a selector selects.
    Selector(SelectorId),
    /// The addresses of the other nodes.
    OtherNodes,
    /// All pods.
    Pods,
}

/// What a group of subjects does with every address of one family. The first that holds an address decides: `listed`, then
/// `shared` in order, then `outside`, else `rest`. Behaviours are given by their places in `behaviours`.
#[derive(Clone, Debug)]
pub struct Peers {
    /// The distinct behaviours.
    pub behaviours: Vec<Behaviour>,
    /// For each behaviour, single addresses that have it, ascending. No address is listed twice.
    pub listed: Vec<Vec<IpAddr>>,
    /// Shared sets, whose members have the behaviour unless something before them says otherwise.
    pub shared: Vec<(Shared, usize)>,
    /// For each behaviour, ranges of addresses that have it; disjoint. Empty for that of the rest.
    pub outside: Vec<IpSet>,
    /// The behaviour of all other addresses.
    pub rest: usize,
    /// The behaviours of the node's own addresses, wherever they are found.
    pub own_node: Vec<usize>,
}

/// Work on one [`Peers`].
struct Table<'a> {
    enforcement: &'a Enforcement<'a>,
    set: &'a RuleSet,
    direction: Direction,
    family: Family,
    subject: End<'a>,
    behaviours: Vec<Behaviour>,
    known: FxHashMap<Behaviour, usize>,
    /// The bounds between which rules cannot tell addresses apart, and the behaviour of addresses outside there.
    regions: Vec<(IpRange, usize)>,
}

/// One pod or node as it is found.
struct Found {
    address: IpAddr,
    behaviour: usize,
    /// What it would have were it not known.
    outside: usize,
    /// The first broad selector that selects it.
    selector: Option<usize>,
}

impl Enforcement<'_> {
    /// What the subjects do with every address of the family.
    #[must_use]
    pub fn peers(&self, subjects: &Subjects, family: Family) -> Option<Peers> {
        let subject = self.compiled.pod_end(subjects.representative)?;
        let (_, shape) = subject.plain_pod()?;
        let set = self.compiled.rules_of(shape, subjects.direction)?;
        let mut table = Table {
            enforcement: self,
            set,
            direction: subjects.direction,
            family,
            subject,
            behaviours: Vec::new(),
            known: FxHashMap::default(),
            regions: Vec::new(),
        };
        table.outside();
        let (nodes, pods) = (table.nodes(), Lens::new(&table).pods(&mut table));
        Some(table.arrange(&nodes, &pods))
    }
}

impl<'a> Table<'a> {
    /// The number of an end's behaviour.
    fn behaviour(&mut self, other: &End<'_>, own_node: &Match) -> usize {
        let enforcement = self.enforcement;
        let compiled = enforcement.compiled;
        let context = Context {
            cluster: &compiled.cluster,
            facts: &compiled.facts,
            matchers: &compiled.matchers,
            shapes: &compiled.shapes,
            family: self.family,
            own_node,
        };
        let exempt = if enforcement.view.strict_own_node { &Match::No } else { own_node };
        let seen = Seen { context, exempt, subject: &self.subject, other, direction: self.direction };
        let behaviour = seen.behaviour(self.set, enforcement.view.allow_reasons);
        if let Some(known) = self.known.get(&behaviour) {
            return *known;
        }
        let number = self.behaviours.len();
        self.behaviours.push(behaviour.clone());
        self.known.insert(behaviour, number);
        number
    }

    /// Addresses that are no pod's and no node's.
    fn outside(&mut self) {
        let facts = &self.enforcement.compiled.facts;
        let nothing = IpSet::empty();
        let own = if minds_the_cluster(self.set) { facts.pod_networks() } else { &nothing };
        for range in regions(self.enforcement.compiled, self.set, self.family, own) {
            let end = End::Address {
                address: range.first,
                node: None,
                own: facts.pod_networks().contains(range.first),
            };
            let behaviour = self.behaviour(&end, &Match::No);
            self.regions.push((range, behaviour));
        }
    }

    /// Where an address lies, and what it would have were it not known.
    fn region(&self, address: IpAddr) -> (usize, usize) {
        let after = self.regions.partition_point(|(range, _)| bits(range.first) <= bits(address));
        let at = after.saturating_sub(1);
        (at, self.regions.get(at).map_or(0, |(_, behaviour)| *behaviour))
    }

    fn nodes(&mut self) -> Vec<(Found, bool)> {
        let enforcement = self.enforcement;
        let Some((subject, _)) = self.subject.plain_pod() else { return Vec::new() };
        let selectors: Vec<&Selector> = self
            .set
            .rules()
            .flat_map(|rule| rule.peers.iter().flatten())
            .filter_map(|peer| match &peer.what {
                PeerMatch::Nodes(selector) => Some(selector),
                _ => None,
            })
            .collect();
        let mut known: FxHashMap<(usize, Option<bool>, bool, Vec<bool>), usize> = FxHashMap::default();
        let mut found = Vec::new();
        for (address, place) in &enforcement.places {
            if Family::of(*address) != self.family || matches!(place, Place::Pod(_)) {
                continue;
            }
            let Some((end, own)) = enforcement.end(*address, *place, subject) else { continue };
            let (region, outside) = self.region(*address);
            let node = match &end {
                End::Address { node, .. } => *node,
                _ => None,
            };
            let selected = selectors
                .iter()
                .map(|selector| node.is_some_and(|node| l7::node_selector_matches(selector, &node.labels)));
            let is_own = match own {
                Match::Yes => Some(true),
                Match::No => Some(false),
                Match::Perhaps(_) => None,
            };
            let signature = (region, is_own, node.is_some(), selected.collect());
            let behaviour = match known.get(&signature) {
                Some(behaviour) => *behaviour,
                None => {
                    let behaviour = self.behaviour(&end, &own);
                    known.insert(signature, behaviour);
                    behaviour
                }
            };
            let found_here = Found { address: *address, behaviour, outside, selector: None };
            found.push((found_here, matches!(place, Place::Own(_))));
        }
        found
    }

    /// Chooses the shared sets, and lists what they do not say right.
    fn arrange(self, nodes: &[(Found, bool)], pods: &Pods) -> Peers {
        let mut shared: Vec<(Shared, usize)> = Vec::new();
        let mut listed: Vec<Vec<IpAddr>> = vec![Vec::new(); self.behaviours.len()];
        let mut list = |found: &Found, answer: usize| {
            if found.behaviour != answer
                && let Some(list) = listed.get_mut(found.behaviour)
            {
                list.push(found.address);
            }
        };
        let own = || nodes.iter().filter(|(_, own)| *own).map(|(found, _)| found);
        let own_differs = own().any(|found| found.behaviour != found.outside);
        let own_answer = own().next().filter(|_| own_differs).map(|found| found.behaviour);
        shared.extend(own_answer.map(|answer| (Shared::OwnNode, answer)));
        own().for_each(|found| list(found, own_answer.unwrap_or(found.outside)));

        let behaviours = self.behaviours.len();
        for (at, selector) in pods.broad.iter().enumerate() {
            let of = || pods.found.iter().filter(|found| found.selector == Some(at));
            if let Some(answer) = commonest(of().map(|found| (found.behaviour, 1)), behaviours) {
                shared.push((Shared::Selector(*selector), answer));
                of().for_each(|found| list(found, answer));
            }
        }

        let others = || nodes.iter().filter(|(_, own)| !own).map(|(found, _)| found);
        let differ = others().filter(|found| found.behaviour != found.outside).count();
        let answer =
            commonest(others().map(|found| (found.behaviour, 1)), behaviours).filter(|_| differ > BROAD);
        shared.extend(answer.map(|answer| (Shared::OtherNodes, answer)));
        others().for_each(|found| list(found, answer.unwrap_or(found.outside)));

        let narrow = || pods.found.iter().filter(|found| found.selector.is_none());
        let unselected = pods.unselected.iter();
        let differ = narrow().filter(|found| found.behaviour != found.outside).count()
            + unselected.clone().filter(|(behaviour, outside, _)| behaviour != outside).count() * (BROAD + 1);
        let weights = narrow()
            .map(|found| (found.behaviour, 1))
            .chain(unselected.map(|(behaviour, _, n)| (*behaviour, *n)));
        let answer = commonest(weights, behaviours).filter(|_| differ > BROAD);
        let answer = match pods.unselected {
            // Those that nothing selects are not written down one by one.
            Some((behaviour, outside, _)) if behaviour != outside => Some(behaviour),
            Some((behaviour, ..)) => answer.filter(|answer| *answer == behaviour),
            None => answer,
        };
        shared.extend(answer.map(|answer| (Shared::Pods, answer)));
        narrow().for_each(|found| list(found, answer.unwrap_or(found.outside)));

        for list in &mut listed {
            list.sort_unstable();
        }
        let (rest, outside) = self.partition();
        // What the last tests say, the rest says too.
        if outside.iter().all(IpSet::is_empty) {
            while shared.pop_if(|(_, answer)| *answer == rest).is_some() {}
        }
        let own_node = own().map(|found| found.behaviour).collect();
        Peers { behaviours: self.behaviours, listed, shared, outside, rest, own_node }
    }

    /// The behaviour of most addresses outside, and the ranges that have others.
    fn partition(&self) -> (usize, Vec<IpSet>) {
        let mut sizes = vec![0_u128; self.behaviours.len()];
        let mut ranges: Vec<Vec<IpRange>> = vec![Vec::new(); self.behaviours.len()];
        for (range, behaviour) in &self.regions {
            if let (Some(size), Some(ranges)) = (sizes.get_mut(*behaviour), ranges.get_mut(*behaviour)) {
                *size = size.saturating_add(bits(range.last) - bits(range.first)).saturating_add(1);
                ranges.push(*range);
            }
        }
        let rest = commonest(sizes.into_iter().enumerate(), self.behaviours.len()).unwrap_or(0);
        if let Some(ranges) = ranges.get_mut(rest) {
            ranges.clear();
        }
        (rest, ranges.into_iter().map(IpSet::from_ranges).collect())
    }
}

/// The value with the greatest weight; the smallest of several.
fn commonest<W: Copy + Ord + Default + std::ops::Add<Output = W>>(
    weights: impl Iterator<Item = (usize, W)>,
    values: usize,
) -> Option<usize> {
    let mut sums = vec![W::default(); values];
    for (value, weight) in weights {
        if let Some(sum) = sums.get_mut(value) {
            *sum = *sum + weight;
        }
    }
    let best = sums.iter().copied().max().filter(|best| *best > W::default())?;
    sums.iter().position(|sum| *sum == best)
}

/// Whether a rule can tell an address in a pod network from others.
fn minds_the_cluster(set: &RuleSet) -> bool {
    let minds = |what: &PeerMatch| match what {
        PeerMatch::Block(block) => !block.matches_cluster,
        PeerMatch::Entity(entity) => !matches!(entity, Entity::All | Entity::Host | Entity::KubeApiserver),
        PeerMatch::World(_) | PeerMatch::Domains(_) | PeerMatch::Fqdn(_) | PeerMatch::Reserved(_) => true,
        PeerMatch::Pods(_) | PeerMatch::Nodes(_) | PeerMatch::Services { .. } | PeerMatch::Unresolved(_) => {
            false
        }
    };
    set.rules().flat_map(|rule| rule.peers.iter().flatten()).any(|peer| minds(&peer.what))
}

/// All pods, as far as they are not alike.
struct Pods {
    /// The broad selectors, in the order in which they are tried.
    broad: Vec<SelectorId>,
    found: Vec<Found>,
    /// The behaviour of the pods that nothing selects and that are not in `found`, what they would have were they not
    /// known, and how many there are.
    unselected: Option<(usize, usize, usize)>,
}

/// By what a set's rules can tell pods apart.
struct Lens<'a> {
    broad: Vec<SelectorId>,
    /// The class of each shape that a matcher selects, greater than 0: shapes that the same ones select.
    classes: FxHashMap<ShapeId, u32>,
    /// By class: the first broad selector that selects it.
    selector: Vec<Option<usize>>,
    names: Vec<ringfence_model::Text>,
    services: Vec<&'a IpSet>,
}

impl<'a> Lens<'a> {
    fn new(table: &Table<'a>) -> Self {
        let enforcement = table.enforcement;
        let mut seen: FxHashSet<MatcherId> = FxHashSet::default();
        let mut ids: Vec<MatcherId> = Vec::new();
        let mut peers: FxHashSet<MatcherId> = FxHashSet::default();
        let mut services = Vec::new();
        for rule in table.set.rules() {
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
                        services.extend((!addresses.is_empty()).then_some(addresses));
                    }
                    _ => {}
                }
            }
        }
        let size = |id: MatcherId| enforcement.sizes.get(id as usize).copied().unwrap_or(0);
        let (mut broad, narrow): (Vec<_>, Vec<_>) =
            ids.into_iter().partition(|id| size(*id) > BROAD && peers.contains(id));
        broad.sort_by_cached_key(|id| {
            let matcher = enforcement.compiled.matchers.get(*id);
            matcher.map(|matcher| (std::cmp::Reverse(matcher.demands()), matcher.canonical()))
        });
        let mut lens = Self {
            classes: FxHashMap::default(),
            selector: vec![None],
            names: if table.direction == Direction::Egress { named_ports(table.set) } else { Vec::new() },
            services,
            broad: broad.iter().copied().map(SelectorId).collect(),
        };
        let mut children: FxHashMap<(u32, MatcherId), u32> = FxHashMap::default();
        let numbered = broad.iter().enumerate().map(|(at, id)| (Some(at), *id));
        for (place, id) in numbered.chain(narrow.into_iter().map(|id| (None, id))) {
            let Some(selected) = enforcement.compiled.matchers.selected(id) else { continue };
            for shape in selected.iter() {
                let class = lens.classes.entry(shape).or_default();
                *class = *children.entry((*class, id)).or_insert_with(|| {
                    let first = lens.selector.get(*class as usize).copied().flatten().or(place);
                    let next = u32::try_from(lens.selector.len()).unwrap_or(u32::MAX);
                    lens.selector.push(first);
                    next
                });
            }
        }
        lens
    }

    /// Whether nothing but its selectors matters about a pod.
    fn only_selects(&self, table: &Table<'_>) -> bool {
        table.regions.len() <= 1 && self.names.is_empty() && self.services.is_empty()
    }

    /// Finds the behaviour of every pod.
    fn pods(self, table: &mut Table<'a>) -> Pods {
        let enforcement = table.enforcement;
        let (Some(all), Some(of_shape)) =
            (enforcement.pods.get(slot(table.family)), enforcement.of_shape.get(slot(table.family)))
        else {
            return Pods { broad: Vec::new(), found: Vec::new(), unselected: None };
        };
        let mut signatures = Signatures::default();
        let mut find = |table: &mut Table<'a>, pod: &PodAddress| {
            let class = self.classes.get(&pod.shape).copied().unwrap_or(0);
            let (region, outside) = table.region(pod.address);
            let signature = signatures.of(&self, table, pod, class, region);
            let behaviour = match signatures.known.get(&signature) {
                Some(behaviour) => *behaviour,
                None => {
                    let end = enforcement.compiled.pod_end(pod.pod);
                    let behaviour = end.map_or(0, |end| table.behaviour(&end, &Match::No));
                    signatures.known.insert(signature, behaviour);
                    behaviour
                }
            };
            let selector = self.selector.get(class as usize).copied().flatten();
            Found { address: pod.address, behaviour, outside, selector }
        };
        if !self.only_selects(table) {
            let found = all.iter().map(|pod| find(table, pod)).collect();
            return Pods { broad: self.broad, found, unselected: None };
        }
        let mut places: Vec<u32> = self
            .classes
            .keys()
            .filter_map(|shape| of_shape.get(*shape as usize))
            .flatten()
            .copied()
            .collect();
        places.sort_unstable();
        let found: Vec<Found> =
            places.iter().filter_map(|at| all.get(*at as usize)).map(|pod| find(table, pod)).collect();
        let example = all.iter().find(|pod| !self.classes.contains_key(&pod.shape));
        let unselected = example.map(|pod| {
            let found_here = find(table, pod);
            (found_here.behaviour, found_here.outside, all.len() - found.len())
        });
        Pods { broad: self.broad, found, unselected }
    }
}

/// Class, place of the addresses, named ports, Services that list an address.
type Signature = (u32, u32, u32, u32);

/// The signatures of pods, and the behaviours that they have.
#[derive(Default)]
struct Signatures {
    known: FxHashMap<Signature, usize>,
    /// By the number of a list of container ports: the number of what it says about the names.
    ports: FxHashMap<u32, u32>,
    resolutions: FxHashMap<Resolution, u32>,
    services: FxHashMap<Vec<bool>, u32>,
    regions: FxHashMap<Vec<usize>, u32>,
}

impl Signatures {
    fn of(
        &mut self,
        lens: &Lens<'_>,
        table: &Table<'_>,
        pod: &PodAddress,
        class: u32,
        region: usize,
    ) -> Signature {
        let PodAddress { pod: PodId(at), .. } = *pod;
        let Some(full) = table.enforcement.compiled.cluster.pod(pod.pod) else { return (class, 0, 0, 0) };
        let mut own = vec![region];
        if full.addresses.len() > 1 && table.regions.len() > 1 {
            let others = full.addresses.iter().filter(|other| Family::of(**other) == table.family);
            own = others.map(|other| table.region(*other).0).collect();
            own.sort_unstable();
            own.dedup();
        }
        let place = number(&mut self.regions, own);
        let ports = if lens.names.is_empty() {
            0
        } else {
            let list = table.enforcement.ports_of_pod.get(at as usize).copied().unwrap_or(u32::MAX);
            match self.ports.get(&list) {
                Some(known) => *known,
                None => {
                    let ports = number(&mut self.resolutions, resolution(full, &lens.names));
                    self.ports.insert(list, ports);
                    ports
                }
            }
        };
        let services = if lens.services.is_empty() {
            0
        } else {
            let listed = |list: &&IpSet| full.addresses.iter().any(|address| list.contains(*address));
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
