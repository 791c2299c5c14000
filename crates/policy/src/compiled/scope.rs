//! Which pods a selector means. In: a compiled cluster and subjects or peers of policies, as the model has them. Out: sets of
//! pods.
//!
//! Selectors go through the same lowering as for verdicts; each distinct one is evaluated once, against shapes.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use ringfence_model::{
    address::IpSet,
    cilium::{CiliumPeer, CiliumPolicy, CiliumSpec, Entity},
    label::Selector,
    network_policy::{NetworkPeer, NetworkPolicy},
    tier::{TierPeer, TierPolicy},
    workload::{Namespace, PodId},
};
use rustc_hash::FxHashMap;

use super::{
    Compiled,
    lower::{Chosen, Lowering},
    matcher::{Matcher, MatcherId, Matchers},
    rule::PeerMatch,
};

/// A set of pods; copies share their list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodSet(Arc<[PodId]>);

impl FromIterator<PodId> for PodSet {
    fn from_iter<I: IntoIterator<Item = PodId>>(pods: I) -> Self {
        let mut pods: Vec<PodId> = pods.into_iter().collect();
        pods.sort_unstable();
        pods.dedup();
        Self(pods.into())
    }
}

impl PodSet {
    /// The pods, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = PodId> + '_ {
        self.0.iter().copied()
    }

    /// The pods, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[PodId] {
        &self.0
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the pod is one of them.
    #[must_use]
    pub fn contains(&self, pod: PodId) -> bool {
        self.0.binary_search(&pod).is_ok()
    }

    /// The first pod of both.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<PodId> {
        let (few, many) = if self.len() <= other.len() { (self, other) } else { (other, self) };
        few.iter().find(|pod| many.contains(*pod))
    }

    /// Whether the two have a pod in common.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.common(other).is_some()
    }

    /// Whether all of its pods are in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.len() <= other.len()
            && (Arc::ptr_eq(&self.0, &other.0) || self.iter().all(|pod| other.contains(pod)))
    }

    /// The pods of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_subset(other) {
            return other.clone();
        }
        if other.is_subset(self) {
            return self.clone();
        }
        self.iter().chain(other.iter()).collect()
    }

    /// The pods of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (few, many) = if self.len() <= other.len() { (self, other) } else { (other, self) };
        if few.is_subset(many) {
            return few.clone();
        }
        few.iter().filter(|pod| many.contains(*pod)).collect()
    }

    /// The pods that the other has not.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if !self.intersects(other) {
            return self.clone();
        }
        self.iter().filter(|pod| !other.contains(*pod)).collect()
    }
}

/// A place in a policy that selects pods.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'a> {
    /// `spec.podSelector` of a NetworkPolicy.
    NetworkSubject(&'a NetworkPolicy),
    /// A peer of one of its rules.
    NetworkPeer(&'a NetworkPolicy, &'a NetworkPeer),
    /// `spec.subject` of a policy of the Admin or Baseline tier.
    TierSubject(&'a TierPolicy),
    /// A peer of one of its rules.
    TierPeer(&'a TierPeer),
    /// `endpointSelector` of one spec of a Cilium policy; a `nodeSelector` selects no pods.
    CiliumSubject(&'a CiliumPolicy, &'a CiliumSpec),
    /// A peer of one of its rules, without what `fromRequires` and `toRequires` ask beside it.
    CiliumPeer(&'a CiliumPolicy, &'a CiliumPeer),
}

/// Answers which pods a selector means.
///
/// Finished pods are in no set. Host-network pods are in none either: policies never select them, and selectors of
/// peers never match them; [`Scope::host_network_pods`] says which ones the labels would have chosen.
#[derive(Debug)]
pub struct Scope<'a> {
    compiled: &'a Compiled,
    /// Those of the policies, and those that were asked for beside.
    state: Mutex<State>,
    pods: Lists,
    hosts: Lists,
    /// Known addresses of pods that are not host-network ones, sorted.
    addresses: OnceLock<Vec<(IpAddr, PodId)>>,
}

/// By shape: its pods of one sort, ascending.
type Lists = Vec<Vec<PodId>>;

#[derive(Debug)]
struct State {
    matchers: Matchers,
    sets: FxHashMap<MatcherId, PodSet>,
}

impl Compiled {
    /// Which pods selectors mean. Answers are kept: make one and ask it often, from several threads if need be.
    #[must_use]
    pub fn scope(&self) -> Scope<'_> {
        let mut pods: Lists = vec![Vec::new(); self.shapes.len()];
        let mut hosts = pods.clone();
        for ((id, pod), shape) in (0..).map(PodId).zip(&self.cluster.pods).zip(&self.shape_of_pod) {
            let lists = if pod.host_network { &mut hosts } else { &mut pods };
            if let Some(list) = shape.and_then(|shape| lists.get_mut(shape as usize)) {
                list.push(id);
            }
        }
        let state = State { matchers: self.matchers.clone(), sets: FxHashMap::default() };
        Scope { compiled: self, state: Mutex::new(state), pods, hosts, addresses: OnceLock::new() }
    }
}

impl<'a> Scope<'a> {
    /// The pods that a NetworkPolicy applies to.
    #[must_use]
    pub fn network_subject(&self, policy: &NetworkPolicy) -> PodSet {
        self.chosen(Choice::NetworkSubject(policy))
    }

    /// The pods that a peer of a NetworkPolicy is: by its selectors, or for an `ipBlock` those with an address in it, where the
    /// profile has it that blocks match pods. Pods without a known address are in a block that holds all that they can have.
    #[must_use]
    pub fn network_peer(&self, policy: &NetworkPolicy, peer: &NetworkPeer) -> PodSet {
        self.chosen(Choice::NetworkPeer(policy, peer))
    }

    /// The pods that a policy of the Admin or Baseline tier applies to.
    #[must_use]
    pub fn tier_subject(&self, policy: &TierPolicy) -> PodSet {
        self.chosen(Choice::TierSubject(policy))
    }

    /// The pods that a peer of such a policy is; for `networks` those with an address there. Nodes, domain names and
    /// peers of unknown kinds are no pods.
    #[must_use]
    pub fn tier_peer(&self, peer: &TierPeer) -> PodSet {
        self.chosen(Choice::TierPeer(peer))
    }

    /// The pods that one spec of a Cilium policy applies to; none for a `nodeSelector`.
    #[must_use]
    pub fn cilium_subject(&self, policy: &CiliumPolicy, spec: &CiliumSpec) -> PodSet {
        self.chosen(Choice::CiliumSubject(policy, spec))
    }

    /// The pods that a peer of a Cilium policy is: by its selector (within the policy's namespace unless it speaks of
    /// namespaces), as backends of the Services that it names, or all of them for the entities `all` and `cluster`.
    /// CIDRs, names, nodes and the other entities are no pods.
    #[must_use]
    pub fn cilium_peer(&self, policy: &CiliumPolicy, peer: &CiliumPeer) -> PodSet {
        self.chosen(Choice::CiliumPeer(policy, peer))
    }

    /// The pods that a place in a policy selects.
    #[must_use]
    pub fn chosen(&self, choice: Choice<'_>) -> PodSet {
        let mut state = self.state();
        match self.lower(&mut state, choice) {
            Chosen::Subject(matcher) => self.selected(&mut state, matcher),
            Chosen::Peers(peers) => {
                let sets = peers.iter().map(|peer| self.matched(&mut state, &peer.what));
                sets.reduce(|a, b| a.union(&b)).unwrap_or_default()
            }
        }
    }

    /// The host-network pods whose namespace and labels meet the selectors of a place in a policy. The policy does not
    /// apply to them, and the peer does not match them: somebody who expects so is mistaken.
    #[must_use]
    pub fn host_network_pods(&self, choice: Choice<'_>) -> PodSet {
        let mut state = self.state();
        let matchers: Vec<MatcherId> = match self.lower(&mut state, choice) {
            Chosen::Subject(matcher) => vec![matcher],
            Chosen::Peers(peers) => peers.iter().flat_map(|peer| selectors(&peer.what)).collect(),
        };
        matchers.into_iter().flat_map(|matcher| listed(&state.matchers, matcher, &self.hosts)).collect()
    }

    /// The pods of the namespaces that one selector selects which the other selects.
    #[must_use]
    pub fn pods(&self, namespace: &Selector, pod: &Selector) -> PodSet {
        let mut state = self.state();
        let matcher = self.lowering(&mut state).matcher(Matcher::pods(None, Some(namespace), Some(pod)));
        self.selected(&mut state, matcher)
    }

    /// The namespaces that a selector selects, in the order of their names.
    #[must_use]
    pub fn namespaces(&self, selector: &Selector) -> Vec<&'a Namespace> {
        let all = self.compiled.cluster.namespaces.iter();
        all.filter(|namespace| selector.matches(&namespace.labels)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lowering<'s>(&'s self, state: &'s mut State) -> Lowering<'s> {
        let Compiled { cluster, shapes, .. } = self.compiled;
        Lowering { cluster, shapes, matchers: &mut state.matchers }
    }

    fn lower(&self, state: &mut State, choice: Choice<'_>) -> Chosen {
        self.lowering(state).choice(choice)
    }

    fn selected(&self, state: &mut State, matcher: MatcherId) -> PodSet {
        let State { matchers, sets } = state;
        let find = || listed(matchers, matcher, &self.pods).collect();
        sets.entry(matcher).or_insert_with(find).clone()
    }

    /// The pods that a lowered peer certainly matches.
    fn matched(&self, state: &mut State, what: &PeerMatch) -> PodSet {
        match what {
            PeerMatch::Pods(selection) => self.selected(state, selection.id),
            PeerMatch::Block(block) if block.matches_cluster => {
                let known = self.within(&block.addresses);
                if self.holds_unknown(&block.addresses) {
                    known.union(&self.without_address())
                } else {
                    known
                }
            }
            PeerMatch::Entity(Entity::All | Entity::Cluster) => self.pods.iter().flatten().copied().collect(),
            PeerMatch::Services { pods, addresses } => {
                let selected = pods.iter().map(|matcher| self.selected(state, *matcher));
                selected.fold(self.within(addresses), |set, more| set.union(&more))
            }
            PeerMatch::Block(_)
            | PeerMatch::World(_)
            | PeerMatch::Nodes(_)
            | PeerMatch::Domains(_)
            | PeerMatch::Entity(_)
            | PeerMatch::Reserved(_)
            | PeerMatch::Fqdn(_)
            | PeerMatch::Unresolved(_) => PodSet::default(),
        }
    }

    /// Whether the set holds every address of one of the cluster's families that a pod can have.
    fn holds_unknown(&self, set: &IpSet) -> bool {
        let families = self.compiled.cluster.families();
        families.iter().any(|family| set.contains_set(self.compiled.facts.unknown_pod_addresses(*family)))
    }

    fn without_address(&self) -> PodSet {
        let all = self.pods.iter().flatten().copied();
        all.filter(|id| self.compiled.cluster.pod(*id).is_some_and(|pod| pod.addresses.is_empty())).collect()
    }

    /// The pods with a known address in the set.
    fn within(&self, set: &IpSet) -> PodSet {
        let addresses = self.addresses.get_or_init(|| {
            let pods =
                self.pods.iter().flatten().filter_map(|id| Some((*id, self.compiled.cluster.pod(*id)?)));
            let mut all: Vec<(IpAddr, PodId)> =
                pods.flat_map(|(id, pod)| pod.addresses.iter().map(move |address| (*address, id))).collect();
            all.sort_unstable();
            all
        });
        let of_range = |range: ringfence_model::address::IpRange| {
            let from = addresses.partition_point(|(address, _)| *address < range.first);
            let to = addresses.partition_point(|(address, _)| *address <= range.last);
            addresses.get(from..to).unwrap_or_default()
        };
        set.ranges().flat_map(of_range).map(|(_, id)| *id).collect()
    }
}

/// The matchers of a lowered peer.
fn selectors(what: &PeerMatch) -> Vec<MatcherId> {
    match what {
        PeerMatch::Pods(selection) => vec![selection.id],
        PeerMatch::Services { pods, .. } => pods.clone(),
        _ => Vec::new(),
    }
}

fn listed<'s>(
    matchers: &'s Matchers,
    matcher: MatcherId,
    lists: &'s Lists,
) -> impl Iterator<Item = PodId> + 's {
    let shapes = matchers.selected(matcher).into_iter().flat_map(|selected| selected.iter());
    shapes.filter_map(|shape| lists.get(shape as usize)).flatten().copied()
}
