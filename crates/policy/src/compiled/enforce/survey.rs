//! What a group of subjects does with every end of a family. In: the group's rules, and the pods, nodes and networks; then
//! pods that come and go. Out: the behaviour of each end, and how many have which.
//!
//! A behaviour is computed once for each *signature*, everything by which the rules can tell ends apart: which of the
//! matchers select a pod's shape, between which bounds of networks its addresses lie, what its named ports are.

use std::{net::IpAddr, sync::Arc};

use ringfence_model::{
    address::{Family, IpRange, IpSet},
    cilium::Entity,
    label::Selector,
    verdict::Direction,
    workload::Pod,
};
use rustc_hash::FxHashMap;

use super::{
    Behaviour, Enforcement, Moved, Peers, Place, PodAddress, Standing, Subjects, View,
    behaviour::Seen,
    lens::{Lens, Signatures},
    peers::{BROAD, Weights},
    slot,
};
use crate::compiled::{
    PolicySet, l7,
    matching::{Context, End},
    rule::{PeerMatch, RuleSet},
    runs::regions,
    truth::Match,
};

/// By what an end is told from others before its address is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeenBy {
    /// The first broad selector that selects it.
    Selector(usize),
    /// Nothing: it is a pod that rules can tell from the others all the same, or a node.
    Address,
    /// A pod that no rule can tell from the others that it could.
    Nothing,
}

/// One pod or node as it is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) address: IpAddr,
    pub(super) behaviour: usize,
    /// What it would have were it not known.
    pub(super) outside: usize,
    pub(super) seen_by: SeenBy,
}

/// What the shared sets of pods say.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// For each broad selector.
    pub(super) broad: Vec<Option<usize>>,
    /// For all pods.
    pub(super) pods: Option<usize>,
}

/// What a group of subjects does with every end of one family, kept as pods come and go.
#[derive(Debug)]
pub struct Survey {
    /// The rules of the group.
    set: Arc<PolicySet>,
    direction: Direction,
    family: Family,
    pub(super) behaviours: Vec<Behaviour>,
    known: FxHashMap<Behaviour, usize>,
    /// How many ranges and ends have each behaviour.
    uses: Weights,
    /// The bounds between which rules cannot tell addresses apart, and the behaviour of addresses outside there.
    pub(super) regions: Vec<(IpRange, usize)>,
    pub(super) nodes: Vec<(Found, bool)>,
    pub(super) lens: Lens,
    signatures: Signatures,
    /// By broad selector: the behaviours of the pods that it is the first to select.
    broad: Vec<Weights>,
    /// The behaviours of the pods that no broad selector selects, but for those counted in `alike`.
    narrow: Weights,
    /// How many of those have another than what is outside.
    differ: usize,
    /// Pods that nothing tells apart: their behaviour, what is outside, and how many there are.
    alike: Option<(usize, usize, usize)>,
    pub(super) answers: Answers,
}

/// One address that a list of a behaviour loses or gains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The address.
    pub address: IpAddr,
    /// The behaviour, as in [`Peers::behaviours`](super::Peers::behaviours).
    pub behaviour: usize,
    /// Whether it comes.
    pub comes: bool,
}

/// Where an address lies.
pub(super) fn region_of(regions: &[(IpRange, usize)], address: IpAddr) -> usize {
    regions.partition_point(|(range, _)| range.first <= address).saturating_sub(1)
}

impl<'a> Enforcement<'a> {
    /// What the subjects do with every address of the family.
    #[must_use]
    pub fn peers(&self, subjects: &Subjects, family: Family) -> Option<Peers> {
        Some(self.survey(subjects, family)?.peers(self, subjects))
    }

    /// The same, to be kept as pods come and go.
    #[must_use]
    pub fn survey(&self, subjects: &Subjects, family: Family) -> Option<Survey> {
        let subject = self.subject(subjects)?;
        let (_, shape) = subject.plain_pod()?;
        let number = self.compiled.set_of_shape.get(shape as usize)?;
        let set = self.compiled.sets.get(*number as usize)?.clone();
        let lens = Lens::new(self, set.of(subjects.direction), subjects.direction);
        let mut survey = Survey {
            direction: subjects.direction,
            family,
            behaviours: Vec::new(),
            known: FxHashMap::default(),
            uses: Weights::default(),
            regions: Vec::new(),
            nodes: Vec::new(),
            signatures: Signatures::default(),
            broad: lens.broad.iter().map(|_| Weights::default()).collect(),
            narrow: Weights::default(),
            differ: 0,
            alike: None,
            answers: Answers::default(),
            set,
            lens,
        };
        survey.meet_outside(self, &subject);
        survey.meet_nodes(self, &subject);
        survey.meet_pods(self, &subject);
        Some(survey)
    }

    /// One of the subjects: to the rules, they are all the same.
    pub(super) fn subject(&self, subjects: &Subjects) -> Option<End<'a>> {
        match self.index.places.get(subjects.addresses.first()?)? {
            Place::Pod(id) => self.compiled.pod_end(*id),
            _ => None,
        }
    }

    /// Whether a survey that was made of subjects is what it would be for these: the rules are the very same.
    #[must_use]
    pub fn still(&self, survey: &Survey, was: &Subjects, is: &Subjects) -> bool {
        let now = self.compiled.sets.get(is.set as usize).map(|set| set.of(is.direction));
        let then = survey.set.of(survey.direction);
        (was.direction, &was.ports) == (is.direction, &is.ports) && now.is_some_and(|now| now.same(then))
    }
}

impl Survey {
    /// The number of an end's behaviour.
    fn behaviour(
        &mut self,
        enforcement: &Enforcement<'_>,
        subject: &End<'_>,
        other: &End<'_>,
        own_node: &Match,
    ) -> usize {
        let compiled = enforcement.compiled;
        let context = Context {
            cluster: &compiled.cluster,
            facts: &compiled.facts,
            matchers: &compiled.matchers,
            shapes: &compiled.shapes,
            family: self.family,
            own_node,
        };
        let View { strict_own_node, allow_reasons } = enforcement.index.view;
        let exempt = if strict_own_node { &Match::No } else { own_node };
        let seen = Seen { context, exempt, subject, other, direction: self.direction };
        let behaviour = seen.behaviour(self.set.of(self.direction), allow_reasons);
        if let Some(known) = self.known.get(&behaviour) {
            return *known;
        }
        let number = self.behaviours.len();
        self.behaviours.push(behaviour.clone());
        self.known.insert(behaviour, number);
        number
    }

    /// Addresses that are no pod's and no node's.
    fn meet_outside(&mut self, enforcement: &Enforcement<'_>, subject: &End<'_>) {
        let facts = &enforcement.compiled.facts;
        let nothing = IpSet::empty();
        let set = self.set.clone();
        let set = set.of(self.direction);
        let own = if minds_the_cluster(set) { facts.pod_networks() } else { &nothing };
        for range in regions(enforcement.compiled, set, self.family, own) {
            let end = End::Address {
                address: range.first,
                node: None,
                own: facts.pod_networks().contains(range.first),
            };
            let behaviour = self.behaviour(enforcement, subject, &end, &Match::No);
            self.regions.push((range, behaviour));
            self.uses.add(behaviour, 1);
        }
    }

    /// Where an address lies, and what it would have were it not known.
    fn region(&self, address: IpAddr) -> (usize, usize) {
        let at = region_of(&self.regions, address);
        (at, self.regions.get(at).map_or(0, |(_, behaviour)| *behaviour))
    }

    fn meet_nodes(&mut self, enforcement: &Enforcement<'_>, subject: &End<'_>) {
        let Some((pod, _)) = subject.plain_pod() else { return };
        let set = self.set.clone();
        let selectors: Vec<&Selector> = set
            .of(self.direction)
            .rules()
            .flat_map(|rule| rule.peers.iter().flatten())
            .filter_map(|peer| match &peer.what {
                PeerMatch::Nodes(selector) => Some(selector),
                _ => None,
            })
            .collect();
        let mut known: FxHashMap<(usize, Option<bool>, bool, Vec<bool>), usize> = FxHashMap::default();
        for (address, place) in &enforcement.index.places {
            if Family::of(*address) != self.family || matches!(place, Place::Pod(_)) {
                continue;
            }
            let Some((end, own)) = enforcement.end(*address, *place, pod) else { continue };
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
                    let behaviour = self.behaviour(enforcement, subject, &end, &own);
                    known.insert(signature, behaviour);
                    behaviour
                }
            };
            let found = Found { address: *address, behaviour, outside, seen_by: SeenBy::Address };
            self.nodes.push((found, matches!(place, Place::Own(_))));
            self.uses.add(behaviour, 1);
        }
    }

    fn meet_pods(&mut self, enforcement: &Enforcement<'_>, subject: &End<'_>) {
        let (seats, in_bulk) = self.seats(enforcement);
        for seat in seats {
            if let Some(found) = self.find_seat(enforcement, subject, seat) {
                self.count(&found, 1);
            }
        }
        for bulk in in_bulk {
            if let Some(found) = bulk.first().and_then(|seat| self.find_seat(enforcement, subject, seat)) {
                self.count(&found, bulk.len());
            }
        }
        self.answers.broad =
            self.broad.iter().map(|weights| weights.heaviest(&self.behaviours, None)).collect();
        self.answers.pods = self.pods_answer();
    }

    /// The addresses of pods: one by one, and those that nothing selects in lots that nothing tells apart.
    pub(super) fn seats<'e>(
        &self,
        enforcement: &'e Enforcement<'_>,
    ) -> (Vec<&'e PodAddress>, Vec<Vec<&'e PodAddress>>) {
        let slot = slot(self.family);
        let index = &enforcement.index;
        let (Some(all), Some(several)) = (index.pods.get(slot), index.several.get(slot)) else {
            return Default::default();
        };
        if !self.lens.only_selects() || (*several > 0 && self.regions.len() > 1) {
            return (all.iter().collect(), Vec::new());
        }
        let (mut seats, mut in_bulk) = (Vec::new(), Vec::new());
        let selected: Vec<bool> = {
            let mut selected = vec![false; enforcement.compiled.shapes.len()];
            #[expect(clippy::iter_over_hash_type, reason = "the order in which shapes are marked shows nowhere")]
            for shape in self.lens.classes.keys() {
                if let Some(selected) = selected.get_mut(*shape as usize) {
                    *selected = true;
                }
            }
            selected
        };
        let mut from = 0;
        for (range, _) in &self.regions {
            let rest = all.get(from..).unwrap_or_default();
            let count = rest.partition_point(|seat| seat.address <= range.last);
            let (some, others) = rest
                .get(..count)
                .unwrap_or_default()
                .iter()
                .partition::<Vec<_>, _>(|seat| selected.get(seat.shape as usize) == Some(&true));
            seats.extend(some);
            in_bulk.push(others);
            from += count;
        }
        (seats, in_bulk)
    }

    pub(super) fn find_seat(
        &mut self,
        enforcement: &Enforcement<'_>,
        subject: &End<'_>,
        seat: &PodAddress,
    ) -> Option<Found> {
        let pod = enforcement.compiled.cluster.pod(seat.pod)?;
        Some(self.find(enforcement, subject, seat, pod))
    }

    fn find(
        &mut self,
        enforcement: &Enforcement<'_>,
        subject: &End<'_>,
        seat: &PodAddress,
        pod: &Pod,
    ) -> Found {
        let class = self.lens.class(enforcement, seat.shape);
        let (region, outside) = self.region(seat.address);
        let signature = self.signatures.of(&self.lens, &self.regions, seat, pod, (class, region));
        let behaviour = match self.signatures.known.get(&signature) {
            Some(behaviour) => *behaviour,
            None => {
                let end = End::Pod(seat.pod, pod, seat.shape);
                let behaviour = self.behaviour(enforcement, subject, &end, &Match::No);
                self.signatures.known.insert(signature, behaviour);
                behaviour
            }
        };
        let seen_by = match self.lens.selector(class) {
            Some(selector) => SeenBy::Selector(selector),
            None if class == 0 && self.lens.only_selects() && self.regions.len() <= 1 => SeenBy::Nothing,
            None => SeenBy::Address,
        };
        Found { address: seat.address, behaviour, outside, seen_by }
    }

    fn count(&mut self, found: &Found, many: usize) {
        self.uses.add(found.behaviour, many);
        match found.seen_by {
            SeenBy::Selector(at) => {
                if let Some(weights) = self.broad.get_mut(at) {
                    weights.add(found.behaviour, many);
                }
            }
            SeenBy::Address => {
                self.narrow.add(found.behaviour, many);
                self.differ += if found.behaviour == found.outside { 0 } else { many };
            }
            SeenBy::Nothing => {
                let before = self.alike.map_or(0, |(.., count)| count);
                self.alike = Some((found.behaviour, found.outside, before + many));
            }
        }
    }

    /// Says whether it was the last of its behaviour.
    fn discount(&mut self, found: &Found) -> bool {
        match found.seen_by {
            SeenBy::Selector(at) => {
                if let Some(weights) = self.broad.get_mut(at) {
                    weights.sub(found.behaviour, 1);
                }
            }
            SeenBy::Address => {
                self.narrow.sub(found.behaviour, 1);
                self.differ -= usize::from(found.behaviour != found.outside);
            }
            SeenBy::Nothing => {
                self.alike =
                    self.alike.map(|(behaviour, outside, n)| (behaviour, outside, n.saturating_sub(1)));
                self.alike = self.alike.filter(|(.., count)| *count > 0);
            }
        }
        self.uses.sub(found.behaviour, 1)
    }

    /// What the set of all pods says, if it is worth testing.
    fn pods_answer(&self) -> Option<usize> {
        match self.alike {
            // Those that nothing selects are not written down one by one.
            Some((behaviour, outside, _)) if behaviour != outside => Some(behaviour),
            _ if self.differ <= BROAD => None,
            Some((behaviour, _, count)) => {
                let answer = self.narrow.heaviest(&self.behaviours, Some((behaviour, count)));
                answer.filter(|answer| *answer == behaviour)
            }
            None => self.narrow.heaviest(&self.behaviours, None),
        }
    }

    /// What the tests but for lists say of a pod; nothing if it needs none.
    pub(super) fn answer(&self, found: &Found) -> Option<usize> {
        match found.seen_by {
            SeenBy::Selector(at) => self.answers.broad.get(at).copied().flatten(),
            SeenBy::Address => Some(self.answers.pods.unwrap_or(found.outside)),
            SeenBy::Nothing => None,
        }
    }

    /// Takes note of a pod that has changed. Out: what the lists of behaviours lose and gain, or nothing if other things
    /// change too, and the survey must be made anew.
    #[must_use]
    pub fn replace(
        &mut self,
        enforcement: &Enforcement<'_>,
        subjects: &Subjects,
        moved: &Moved,
        [before, after]: [Option<&Standing>; 2],
    ) -> Option<Vec<Listing>> {
        if self.lens.minds(&moved.crossed) {
            return None;
        }
        let family = self.family;
        let of_family = |seat: &&PodAddress| Family::of(seat.address) == family;
        if !moved.gone.iter().chain(&moved.come).any(|seat| of_family(&seat)) {
            return Some(Vec::new());
        }
        let subject = enforcement.subject(subjects)?;
        let mut find = |seats: &[PodAddress], standing: Option<&Standing>| -> Vec<Found> {
            let Some(standing) = standing else { return Vec::new() };
            let seats = seats.iter().filter(of_family);
            seats.map(|seat| self.find(enforcement, &subject, seat, &standing.pod)).collect()
        };
        let (gone, come) = (find(&moved.gone, before), find(&moved.come, after));
        let mut listings = Vec::new();
        let mut list = |survey: &Self, found: &Found, comes| {
            if survey.answer(found).is_some_and(|answer| answer != found.behaviour) {
                listings.push(Listing { address: found.address, behaviour: found.behaviour, comes });
            }
        };
        let mut emptied = Vec::new();
        for found in &gone {
            list(self, found, false);
            emptied.extend(self.discount(found).then_some(found.behaviour));
        }
        for found in &come {
            let new = self.uses.of(found.behaviour) == 0 && !emptied.contains(&found.behaviour);
            if new {
                return None;
            }
            self.count(found, 1);
        }
        let unused = emptied.iter().any(|behaviour| self.uses.of(*behaviour) == 0);
        let flipped = gone.iter().chain(&come).any(|found| match found.seen_by {
            SeenBy::Selector(at) => {
                let answer = self.broad.get(at).and_then(|weights| weights.heaviest(&self.behaviours, None));
                self.answers.broad.get(at) != Some(&answer)
            }
            SeenBy::Address | SeenBy::Nothing => self.pods_answer() != self.answers.pods,
        });
        if unused || flipped {
            return None;
        }
        come.iter().for_each(|found| list(self, found, true));
        Some(listings)
    }
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
