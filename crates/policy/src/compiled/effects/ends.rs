//! Who meets whom where something is taken away. In: a policy set with and without it. Out: one encounter for each kind of subject
//! and other end that a rule can tell from others, both on hand as real ends.

use std::{borrow::Cow, collections::BTreeMap, ops::ControlFlow};

use ringfence_model::{
    Text,
    address::Family,
    flow::Endpoint,
    verdict::{Direction, Missing},
    workload::PodId,
};
use rustc_hash::FxHashSet;

use super::{
    removal::Change,
    study::{FEW, Study, names},
};
use crate::compiled::{
    matcher::MatcherId,
    matching::{Context, End, own_node},
    reach::CellId,
    rule::{PeerMatch, Rule},
    runs::regions,
    truth::Match,
};

/// A subject and an other end that at least one of the rules in question matches, or any.
pub(super) struct Encounter<'e> {
    pub(super) family: Family,
    pub(super) subject: End<'e>,
    pub(super) other: End<'e>,
    /// Whether the other end is the subject's own node.
    pub(super) own_node: &'e Match,
    /// The rules that match the other end in some way.
    pub(super) relevant: Vec<&'e Rule>,
    /// Whether one of the rules in question does.
    pub(super) matched: bool,
}

/// Subjects that no rule can tell apart but by their nodes.
struct Subjects<'a> {
    families: Vec<Family>,
    /// Two of them, so that one is left when the other is the other end.
    pods: Vec<PodId>,
    /// One on each node, and one whose node is not known.
    spots: BTreeMap<Option<&'a Text>, PodId>,
}

/// What makes ends alike for the rules: which of them match, and their named ports.
type Signature = (Vec<u32>, u32);

impl<'a> Study<'a> {
    /// Visits every encounter that the change can matter to, until one breaks off.
    pub(super) fn visit<B>(
        &self,
        change: &Change<'_>,
        f: &mut dyn FnMut(&Encounter<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let whole: Option<Vec<&Rule>> = matches!(change.full, Cow::Borrowed(_))
            .then(|| change.full.rules().map(|rule| &**rule).collect::<Vec<_>>())
            .filter(|rules| rules.len() >= FEW && rules.iter().all(|rule| rule.requires.is_empty()));
        let whole = whole.as_deref();
        for subjects in self.kinds(change) {
            for family in &subjects.families {
                let mut visit = Visit { study: self, change, subjects: &subjects, family: *family, whole, f };
                visit.all()?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The kinds of subjects of a set.
    fn kinds(&self, change: &Change<'_>) -> Vec<Subjects<'a>> {
        // An ingress rule's named ports are the subject's own.
        let by_ports =
            change.direction == Direction::Ingress && change.full.rules().any(|rule| rule.uses_named_ports());
        let mut kinds: BTreeMap<(Vec<Family>, u32), Subjects<'a>> = BTreeMap::new();
        for cell in self.subjects(change.set).iter().filter_map(|id| self.cell(*id)) {
            let families = self.families(cell).to_vec();
            let key = (families.clone(), if by_ports { cell.variant } else { 0 });
            let kind = kinds.entry(key).or_insert_with(|| Subjects {
                families,
                pods: Vec::new(),
                spots: BTreeMap::new(),
            });
            for id in &cell.pods {
                if kind.pods.len() < 2 {
                    kind.pods.push(*id);
                }
                if let Some(pod) = self.compiled.cluster.pod(*id) {
                    kind.spots.entry(pod.node.as_ref()).or_insert(*id);
                }
            }
        }
        kinds.into_values().collect()
    }
}

/// How the rules match an end.
struct Look<'v> {
    relevant: Vec<&'v Rule>,
    matched: bool,
    /// The numbers of the rules that match; nothing if it is not certain which do.
    signature: Option<Vec<u32>>,
}

/// One kind of subjects in one family.
struct Visit<'v, 'a, B> {
    study: &'v Study<'a>,
    change: &'v Change<'v>,
    subjects: &'v Subjects<'a>,
    family: Family,
    /// The rules of the set by their numbers, if nothing was taken from it before, and it is worth remembering what they match.
    whole: Option<&'v [&'v Rule]>,
    f: &'v mut dyn FnMut(&Encounter<'_>) -> ControlFlow<B>,
}

/// Whether a peer can be nothing but pods that its selector selects.
fn by_selector(what: &PeerMatch) -> bool {
    match what {
        PeerMatch::Pods(_) => true,
        PeerMatch::Services { addresses, .. } => addresses.is_empty(),
        _ => false,
    }
}

impl<'v, B> Visit<'v, '_, B> {
    fn all(&mut self) -> ControlFlow<B> {
        let Change { removed, wide, .. } = self.change;
        let narrow = !wide
            && removed.iter().all(|rule| {
                rule.peers.as_ref().is_some_and(|peers| peers.iter().all(|peer| by_selector(&peer.what)))
            });
        if narrow {
            return self.pods(&self.selected(removed.iter().copied()));
        }
        let cells = self.telling();
        // A rule about addresses is best shown by an address.
        if !wide && removed.iter().all(|rule| rule.peers.is_some()) {
            self.outside()?;
            self.pods(&cells)?;
        } else {
            self.pods(&cells)?;
            self.outside()?;
        }
        self.hosts()?;
        self.nodes()
    }

    /// The cells that the selectors of rules select.
    fn selected<'r>(&self, rules: impl Iterator<Item = &'r Rule>) -> Vec<CellId> {
        let of_peer = |what: &'r PeerMatch| match what {
            PeerMatch::Pods(selection) => std::slice::from_ref(&selection.id),
            PeerMatch::Services { pods, .. } => pods,
            _ => &[],
        };
        let matchers = rules.flat_map(|rule| {
            let peers = rule.peers.iter().flatten().flat_map(move |peer| of_peer(&peer.what));
            peers.chain(rule.requires.iter().map(|required| &required.id))
        });
        let mut found = Vec::new();
        let (mut asked, mut seen) = (FxHashSet::<MatcherId>::default(), FxHashSet::default());
        let matchers = matchers.copied().filter(|id| asked.insert(*id));
        for shapes in matchers.filter_map(|id| self.study.compiled.matchers.selected(id)) {
            for cell in shapes.iter().flat_map(|shape| self.study.cells.of_shape(shape)) {
                if seen.insert(*cell) {
                    found.push(*cell);
                }
            }
        }
        found
    }

    /// The cells that the rules of the set can tell from each other: those that a selector selects, and of the others two of each
    /// variant, so that one is left where the subject itself is the other.
    fn telling(&self) -> Vec<CellId> {
        let mut cells = self.selected(self.change.full.rules().map(|rule| &**rule));
        let known: FxHashSet<CellId> = cells.iter().copied().collect();
        for variant in &self.study.of_variant {
            cells.extend(variant.iter().filter(|cell| !known.contains(cell)).take(2));
        }
        cells.sort_unstable();
        cells
    }

    fn context<'c>(&'c self, own_node: &'c Match) -> Context<'c> {
        let compiled = self.study.compiled;
        Context {
            cluster: &compiled.cluster,
            facts: &compiled.facts,
            matchers: &compiled.matchers,
            shapes: &compiled.shapes,
            family: self.family,
            own_node,
        }
    }

    /// How the rules match an end; nothing if it is none that the change can matter to.
    fn look(&self, other: &End<'_>, own_node: &Match) -> Option<Look<'v>> {
        let change: &'v Change<'v> = self.change;
        let context = self.context(own_node);
        let matched = change.removed.iter().any(|rule| context.peers(rule, other) != Match::No);
        if !matched && !change.wide {
            return None;
        }
        if let Some(known) = self.remembered(&context, other) {
            return Some(Look { matched, ..known });
        }
        let (mut relevant, mut numbers, mut certain) = (Vec::new(), Vec::new(), *own_node == Match::No);
        for (at, rule) in (0..).zip(change.full.rules()) {
            match context.peers(rule, other) {
                Match::No => {
                    // Without what a rule requires, others match more; their ports count too.
                    if !rule.requires.is_empty() {
                        relevant.push(&**rule);
                    }
                    continue;
                }
                Match::Yes => {}
                Match::Perhaps(_) => certain = false,
            }
            relevant.push(&**rule);
            numbers.push(at);
        }
        // In these sets, other requirements count than those that the rules have here.
        certain &= !change.full.rules().any(|rule| !rule.requires.is_empty());
        Some(Look { relevant, matched, signature: certain.then_some(numbers) })
    }

    /// How the rules of a set from which nothing was taken before match a pod, if that is certain.
    fn remembered(&self, context: &Context<'_>, other: &End<'_>) -> Option<Look<'v>> {
        let (End::Pod(pod, ..), Some(rules), Match::No) = (other, self.whole, context.own_node) else {
            return None;
        };
        let asked = (self.change.set, self.change.direction, self.family, *pod);
        let numbers = self.study.matching(asked, || {
            let mut numbers = Vec::new();
            for (at, rule) in (0..).zip(rules) {
                match context.peers(rule, other) {
                    Match::No => {}
                    Match::Yes => numbers.push(at),
                    Match::Perhaps(_) => return None,
                }
            }
            Some(numbers)
        })?;
        let relevant = numbers.iter().filter_map(|at| rules.get(*at as usize).copied()).collect();
        Some(Look { relevant, matched: false, signature: Some(numbers.to_vec()) })
    }

    fn meet(
        &mut self,
        subject: PodId,
        other: End<'_>,
        seen: &mut FxHashSet<Signature>,
        variant: u32,
    ) -> ControlFlow<B> {
        let study = self.study;
        let Some(subject) = study.compiled.pod_end(subject) else { return ControlFlow::Continue(()) };
        let End::Pod(_, pod, _) = subject else { return ControlFlow::Continue(()) };
        let own_node = own_node(pod, &other);
        let Some(Look { relevant, matched, signature }) = self.look(&other, &own_node) else {
            return ControlFlow::Continue(());
        };
        if signature.is_some_and(|numbers| !seen.insert((numbers, variant))) {
            return ControlFlow::Continue(());
        }
        let encounter =
            Encounter { family: self.family, subject, other, own_node: &own_node, relevant, matched };
        (self.f)(&encounter)
    }

    /// Pods that selectors can see.
    fn pods(&mut self, cells: &[CellId]) -> ControlFlow<B> {
        let study = self.study;
        let by_ports = self.change.direction == Direction::Egress
            && self.change.full.rules().any(|rule| rule.uses_named_ports());
        let mut seen = FxHashSet::default();
        for cell in cells.iter().filter_map(|id| study.cell(*id)) {
            if cell.host_network || !study.families(cell).contains(&self.family) {
                continue;
            }
            // A pod always reaches itself.
            let others = cell.pods.iter().take(2);
            let mut pairs = others.flat_map(|other| self.subjects.pods.iter().map(move |pod| (*pod, *other)));
            let Some((subject, other)) = pairs.find(|(subject, other)| subject != other) else { continue };
            let Some(other) = study.compiled.pod_end(other) else { continue };
            self.meet(subject, other, &mut seen, if by_ports { cell.variant } else { 0 })?;
        }
        ControlFlow::Continue(())
    }

    /// Addresses that are no node's, and names.
    fn outside(&mut self) -> ControlFlow<B> {
        let study = self.study;
        let Some(subject) = self.subjects.pods.first().copied() else { return ControlFlow::Continue(()) };
        for range in
            regions(study.compiled, &self.change.full, self.family, &ringfence_model::address::IpSet::empty())
        {
            for address in study.samples(range) {
                let endpoint = Endpoint::Address(address);
                let Some(other) = study.compiled.end(&endpoint) else { continue };
                self.meet(subject, other, &mut FxHashSet::default(), 0)?;
            }
        }
        for name in names(&self.change.full) {
            self.meet(subject, End::Name(&name), &mut FxHashSet::default(), 0)?;
        }
        ControlFlow::Continue(())
    }

    /// Whether any node could be one that the change matters to.
    fn reaches(&self, other: &End<'_>) -> bool {
        let possible = Match::unknown(Missing::PodNode("".into()));
        self.look(other, &possible).is_some()
    }

    /// A subject for each way in which it and a node can lie.
    fn beside(&self, node: Option<&Text>) -> Vec<PodId> {
        let spots = &self.subjects.spots;
        let same = node.and_then(|name| spots.get(&Some(name)));
        let elsewhere = spots.iter().find(|(spot, _)| spot.is_some() && **spot != node);
        let unknown = spots.get(&None);
        [same, elsewhere.map(|(_, pod)| pod), unknown].into_iter().flatten().copied().collect()
    }

    /// Host-network pods.
    fn hosts(&mut self) -> ControlFlow<B> {
        let study = self.study;
        for cell in study.cells.hosts.iter().filter_map(|id| study.cell(*id)) {
            if !study.families(cell).contains(&self.family) {
                continue;
            }
            let first = cell.pods.first().and_then(|pod| study.compiled.pod_end(*pod));
            if !first.is_some_and(|first| self.reaches(&first)) {
                continue;
            }
            // Each of the ways to lie that there is, once: the same node, another, and those that are not known.
            let mut tried = [false; 4];
            for other in &cell.pods {
                let Some(end) = study.compiled.pod_end(*other) else { continue };
                let End::Pod(_, pod, _) = end else { continue };
                let theirs = pod.node.as_ref();
                for subject in self.beside(theirs) {
                    let own = study.compiled.cluster.pod(subject).and_then(|pod| pod.node.as_ref());
                    let way = match (own, theirs) {
                        (Some(own), Some(theirs)) => usize::from(own == theirs),
                        (None, _) => 2,
                        (_, None) => 3,
                    };
                    match tried.get_mut(way) {
                        Some(tried) if !*tried => *tried = true,
                        _ => continue,
                    }
                    self.meet(subject, end, &mut FxHashSet::default(), 0)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Addresses of nodes.
    fn nodes(&mut self) -> ControlFlow<B> {
        let study = self.study;
        let (family, mut seen) = (self.family, FxHashSet::default());
        for node in &study.compiled.cluster.nodes {
            for address in node.addresses.iter().filter(|address| Family::of(**address) == family) {
                let endpoint = Endpoint::Address(*address);
                let Some(other) = study.compiled.end(&endpoint) else { continue };
                if !self.reaches(&other) {
                    continue;
                }
                let End::Address { node: Some(owner), .. } = other else { continue };
                for subject in self.beside(Some(&owner.name)) {
                    self.meet(subject, other, &mut seen, 0)?;
                }
            }
        }
        ControlFlow::Continue(())
    }
}
