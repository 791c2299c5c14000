//! What a data plane of one node needs to know. In: a compiled cluster and a node's name. Out: its subjects in groups that
//! share all rules, and what the engine decides about every address that can be at the other end.
//!
//! Nothing here says what a rule means: every behaviour is what `decide` says. An end is what its packets show, an
//! address: a pod's, a node's (and those of host-network pods are their node's), or one outside.

mod behaviour;
mod index;
mod judge;
mod lens;
mod peers;
mod survey;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use ringfence_model::{
    Text,
    address::Family,
    network_policy::PolicyMeta,
    port::{PortSpec, Protocol},
    verdict::Direction,
    workload::{Pod, PodId},
};
use rustc_hash::{FxHashMap, FxHashSet};

pub use behaviour::{Behaviour, Decision, Run};
pub use index::{Index, Moved, Standing};
pub use peers::{Peers, Shared};
pub use survey::{Listing, Survey};

use super::{
    Compiled, SetId,
    matcher::MatcherId,
    matching::{End, own_node},
    rule::RuleSet,
    shape::ShapeId,
    truth::Match,
};

/// How a data plane looks at a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct View {
    /// Whether NetworkPolicy applies to traffic between a pod and its own node too, which upstream exempts.
    pub strict_own_node: bool,
    /// Whether an allowing decision names its rules; else two rules that allow the same make one behaviour.
    pub allow_reasons: bool,
}

/// A selector of pods that rules use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SelectorId(MatcherId);

/// Pods of the node that the same rules of one direction apply to in the same way. For ingress, they resolve the named
/// ports of those rules alike.
#[derive(Clone, Debug)]
pub struct Subjects {
    /// The direction.
    pub direction: Direction,
    /// What makes them one, in a text that depends on nothing else: kinds and names of policies, and named ports.
    pub key: String,
    /// The policies that have rules for them or isolate them in the direction, or could.
    pub policies: Vec<Arc<PolicyMeta>>,
    /// Their addresses, ascending; not empty.
    pub addresses: Vec<IpAddr>,
    set: SetId,
    ports: Resolution,
}

impl Subjects {
    /// Whether two groups of one direction are of the same policies, unchanged, and the same named ports.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        (self.direction, self.set) == (other.direction, other.set) && self.ports == other.ports
    }
}

/// Where an address is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// A pod's.
    Pod(PodId),
    /// The node's own, of its Node object (by its number) or not.
    Own(Option<u32>),
    /// Another node's, by its number.
    Node(u32),
    /// A host-network pod's whose node is not given.
    Host,
}

/// A pod's address in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PodAddress {
    address: IpAddr,
    pod: PodId,
    shape: ShapeId,
    /// The number of its list of container ports.
    ports: u32,
    /// Whether the pod has no other address of the family.
    alone: bool,
}

/// One node's view of a cluster.
#[derive(Debug)]
pub struct Enforcement<'a> {
    compiled: &'a Compiled,
    index: Index,
}

/// What a pod's container ports say about some names, sorted.
type Resolution = Vec<(Text, Protocol, u16)>;

fn slot(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

impl Compiled {
    /// What the node's data plane needs to know. `more` are addresses that the node has beside those of its Node object
    /// (of its bridge, say).
    #[must_use]
    pub fn enforcement(&self, node: &str, more: &[IpAddr], view: View) -> Enforcement<'_> {
        Enforcement { compiled: self, index: Index::new(self, node, more, view) }
    }

    /// The same from an index that [`Enforcement::replace`] has kept up to date, since policies or one pod changed.
    #[must_use]
    pub fn enforcement_with(&self, mut index: Index) -> Enforcement<'_> {
        index.sync(self);
        Enforcement { compiled: self, index }
    }
}

impl<'a> Enforcement<'a> {
    /// The index, for later.
    #[must_use]
    pub fn into_index(self) -> Index {
        self.index
    }

    /// The families of the addresses of pods and nodes.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.index.families
    }

    /// Addresses that several pods have; those of the pod that came last count.
    #[must_use]
    pub fn claimed(&self) -> &[IpAddr] {
        &self.index.claimed
    }

    /// Whether any address of the node itself is known.
    #[must_use]
    pub fn knows_own_node(&self) -> bool {
        self.index.knows_own_node
    }

    /// The node's pods that policies can select and whose addresses are not known.
    pub fn without_address(&self) -> impl Iterator<Item = &'a Pod> {
        self.local().filter(|(_, pod, _)| pod.addresses.is_empty()).map(|(_, pod, _)| pod)
    }

    /// The addresses of the node's pods that policies can select, whether any does or not, ascending.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<IpAddr> {
        let mut addresses: Vec<IpAddr> = self.local().flat_map(|(id, pod, _)| self.own_of(id, pod)).collect();
        addresses.sort_unstable();
        addresses
    }

    fn local(&self) -> impl Iterator<Item = (PodId, &'a Pod, ShapeId)> {
        let compiled = self.compiled;
        self.index.local.iter().filter_map(|id| match compiled.pod_end(*id) {
            Some(End::Pod(id, pod, shape)) => Some((id, pod, shape)),
            _ => None,
        })
    }

    /// The addresses of a pod that no other pod has taken over.
    fn own_of<'p>(&self, id: PodId, pod: &'p Pod) -> impl Iterator<Item = IpAddr> + use<'p, '_, 'a> {
        let its = move |address: &&IpAddr| matches!(self.index.places.get(address), Some(Place::Pod(owner)) if *owner == id);
        pod.addresses.iter().filter(its).copied()
    }

    /// The node's subjects of a direction, sorted by their keys: pods that no rule applies to and nothing isolates are
    /// none, and those without an address cannot be told apart from others.
    #[must_use]
    pub fn subjects(&self, direction: Direction) -> Vec<Subjects> {
        if !self.compiled.cluster.profile.enforces {
            return Vec::new();
        }
        let mut names_of_set: FxHashMap<SetId, Vec<Text>> = FxHashMap::default();
        let mut keys: FxHashMap<(SetId, Resolution), String> = FxHashMap::default();
        let mut groups: BTreeMap<String, Subjects> = BTreeMap::new();
        for (id, pod, shape) in self.local() {
            let Some((set, rules)) = self.subject_to(shape, direction) else { continue };
            let mut addresses = self.own_of(id, pod).peekable();
            if addresses.peek().is_none() {
                continue;
            }
            let names = names_of_set.entry(set).or_insert_with(|| names_for(rules, direction));
            let key = keys
                .entry((set, resolution(pod, names)))
                .or_insert_with_key(|(_, ports)| self.key_of(shape, ports));
            let group = groups.entry(key.clone()).or_insert_with(|| Subjects {
                direction,
                key: key.clone(),
                policies: policies(rules),
                addresses: Vec::new(),
                set,
                ports: resolution(pod, names),
            });
            group.addresses.extend(addresses);
        }
        let mut groups: Vec<Subjects> = groups.into_values().collect();
        for group in &mut groups {
            group.addresses.sort_unstable();
            group.addresses.dedup();
        }
        groups
    }

    /// The key of the group of subjects of a direction that a pod belongs to; nothing if it is of none.
    #[must_use]
    pub fn group_of(&self, standing: &Standing, direction: Direction) -> Option<String> {
        let Standing { pod, shape, .. } = standing;
        let elsewhere = pod.host_network || pod.node.as_ref() != Some(&self.index.node);
        if elsewhere || pod.addresses.is_empty() || !self.compiled.cluster.profile.enforces {
            return None;
        }
        let (_, rules) = self.subject_to(*shape, direction)?;
        Some(self.key_of(*shape, &resolution(pod, &names_for(rules, direction))))
    }

    /// The rules that pods of a shape are subject to, unless there are none.
    fn subject_to(&self, shape: ShapeId, direction: Direction) -> Option<(SetId, &'a RuleSet)> {
        let set = *self.compiled.set_of_shape.get(shape as usize)?;
        let rules = self.compiled.rules_of(shape, direction)?;
        let any = !rules.isolating.is_empty() || rules.rules().next().is_some();
        any.then_some((set, rules))
    }

    fn key_of(&self, shape: ShapeId, ports: &Resolution) -> String {
        let parts = self.compiled.parts_of_shape.get(shape as usize).into_iter().flatten();
        let parts = parts.filter_map(|id| self.compiled.parts.get(*id as usize)?.as_ref());
        let mut lines: Vec<String> = parts
            .map(|part| format!("{} {} {}", part.meta.kind.as_str(), part.meta.full_name(), part.spec))
            .collect();
        lines.sort();
        lines.extend(ports.iter().map(|(name, protocol, port)| format!("{name} {protocol} {port}")));
        lines.join("\n")
    }

    /// The addresses of a family that are in a shared set, ascending.
    #[must_use]
    pub fn members(&self, shared: Shared, family: Family) -> Vec<IpAddr> {
        let of_places = |wanted: fn(&Place) -> bool| {
            let places = self.index.places.iter().filter(|(address, _)| Family::of(**address) == family);
            places.filter(|(_, place)| wanted(place)).map(|(address, _)| *address).collect()
        };
        match shared {
            Shared::OwnNode => of_places(|place| matches!(place, Place::Own(_))),
            Shared::OtherNodes => of_places(|place| matches!(place, Place::Node(_))),
            Shared::Pods => of_places(|place| matches!(place, Place::Pod(_))),
            Shared::Selector(SelectorId(id)) => {
                let Some(of_shape) = self.index.of_shape.get(slot(family)) else { return Vec::new() };
                let shapes =
                    self.compiled.matchers.selected(id).into_iter().flat_map(|selected| selected.iter());
                let pods = shapes.filter_map(|shape| of_shape.get(shape as usize)).flatten();
                let mut addresses: Vec<IpAddr> = pods.map(|pod| pod.address).collect();
                addresses.sort_unstable();
                addresses
            }
        }
    }

    /// Whether the addresses of a pod are in a shared set.
    #[must_use]
    pub fn holds(&self, shared: Shared, standing: &Standing) -> bool {
        match shared {
            Shared::OwnNode | Shared::OtherNodes => false,
            Shared::Pods => true,
            Shared::Selector(SelectorId(id)) => self.compiled.matchers.selects(id, standing.shape),
        }
    }

    /// What a selector selects by, in one line that no other selector has.
    #[must_use]
    pub fn selector(&self, id: SelectorId) -> String {
        self.compiled.matchers.get(id.0).map(super::matcher::Matcher::canonical).unwrap_or_default()
    }

    /// The end at an address that is a pod's or a node's, and whether it is the subject's own node.
    fn end(&self, address: IpAddr, place: Place, subject: &Pod) -> Option<(End<'a>, Match)> {
        let cluster = &self.compiled.cluster;
        let node = |number: u32| cluster.nodes.get(number as usize);
        Some(match place {
            Place::Pod(id) => (self.compiled.pod_end(id)?, Match::No),
            Place::Own(number) => {
                (End::Address { address, node: number.and_then(node), own: true }, Match::Yes)
            }
            Place::Node(number) => {
                let end = End::Address { address, node: node(number), own: true };
                let own = own_node(subject, &end);
                (end, own)
            }
            Place::Host => (End::Address { address, node: None, own: true }, Match::No),
        })
    }
}

/// The names of ports that rules use, sorted.
fn named_ports(rules: &RuleSet) -> Vec<Text> {
    let names = rules.rules().flat_map(|rule| &rule.ports).filter_map(|entry| match &entry.ports {
        PortSpec::Named(name) => Some(name.clone()),
        _ => None,
    });
    let names: FxHashSet<Text> = names.collect();
    let mut names: Vec<Text> = names.into_iter().collect();
    names.sort();
    names
}

/// The names of ports by which pods are told apart as subjects: those of ingress rules mean the subject's own.
fn names_for(rules: &RuleSet, direction: Direction) -> Vec<Text> {
    match direction {
        Direction::Ingress => named_ports(rules),
        Direction::Egress => Vec::new(),
    }
}

/// What a pod's container ports say about the names, sorted.
fn resolution(pod: &Pod, names: &[Text]) -> Resolution {
    if names.is_empty() {
        return Vec::new();
    }
    let named = pod.ports.iter().filter_map(|port| {
        let name = port.name.as_ref().filter(|name| names.binary_search(name).is_ok())?;
        Some((name.clone(), port.protocol, port.port))
    });
    let mut ports: Vec<_> = named.collect();
    ports.sort();
    ports.dedup();
    ports
}

fn policies(rules: &RuleSet) -> Vec<Arc<PolicyMeta>> {
    let mut all: Vec<Arc<PolicyMeta>> =
        rules.isolating.iter().chain(rules.rules().map(|rule| &rule.policy)).cloned().collect();
    all.sort();
    all.dedup();
    all
}
