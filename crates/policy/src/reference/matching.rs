//! Who an end is. In: one side of a flow. Out: whether the other end is in a network, on the subject's own node, a
//! node with some labels, or part of the world; with the facts that the answer depends on.

use std::{cell::Cell, collections::BTreeSet, net::IpAddr, rc::Rc};

use ringfence_model::{
    Text,
    address::{Family, IpSet},
    cluster::Cluster,
    flow::{Endpoint, Flow},
    label::Labels,
    origin::Origin,
    verdict::{Condition, Direction, Missing},
    workload::{Node, Pod, PodId},
};

use super::unknown::{Alike, Test, Tree};

/// How a rule, or a part of one, matches in one world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It does not.
    No,
    /// If one of these holds.
    If(BTreeSet<Condition>),
    /// It does.
    Yes,
}

/// How a rule matches, and by which of its peers.
#[derive(Clone, Debug)]
pub(super) struct Match {
    /// How.
    pub(super) how: How,
    /// Where the peer is written.
    pub(super) peer: Origin,
}

impl Alike for Match {
    fn alike(&self, other: &Self) -> bool {
        self.how == other.how
    }
}

impl Match {
    /// By this peer, or not.
    pub(super) fn by(peer: Origin, matches: bool) -> Self {
        Self { how: if matches { How::Yes } else { How::No }, peer }
    }

    /// By a part that has no origin of its own.
    pub(super) fn plain(matches: bool) -> Self {
        Self::by(Origin::NONE, matches)
    }

    /// By this peer, under conditions: no alternative means that it does not match.
    pub(super) fn provided(peer: Origin, conditions: BTreeSet<Condition>) -> Self {
        let how = if conditions.is_empty() { How::No } else { How::If(conditions) };
        Self { how, peer }
    }

    /// Either of two alternatives. The earlier one names the peer.
    fn or(&self, other: &Self) -> Self {
        match (&self.how, &other.how) {
            (How::Yes, _) | (_, How::No) => self.clone(),
            (_, How::Yes) | (How::No, _) => other.clone(),
            (How::If(left), How::If(right)) => {
                Self { how: How::If(left.union(right).cloned().collect()), peer: self.peer }
            }
        }
    }

    /// Both. The first one names the peer. The conditions of both go into one list.
    fn and(&self, other: &Self) -> Self {
        let how = match (&self.how, &other.how) {
            (How::No, _) | (_, How::No) => How::No,
            (How::Yes, how) | (how, How::Yes) => how.clone(),
            (How::If(left), How::If(right)) => How::If(left.union(right).cloned().collect()),
        };
        Self { how, peer: self.peer }
    }
}

impl Tree<Match> {
    /// A match or its absence, both known.
    pub(super) fn known(matches: bool) -> Self {
        Self::Known(Match::plain(matches))
    }

    /// Any of some alternatives.
    pub(super) fn any(alternatives: impl IntoIterator<Item = Self>) -> Self {
        alternatives.into_iter().fold(Self::known(false), |all, next| all.zip(&next, &Match::or))
    }

    /// This and another.
    pub(super) fn and(&self, other: &Self) -> Self {
        self.zip(other, &Match::and)
    }

    /// It does not match. Only for matches without conditions.
    pub(super) fn not(&self) -> Self {
        self.turned(&|found| Match::plain(found.how == How::No))
    }

    /// The same, by this peer.
    pub(super) fn at(&self, peer: Origin) -> Self {
        self.map(&|found| Match { peer, ..found.clone() })
    }
}

/// An end of a flow.
#[derive(Clone, Copy, Debug)]
pub(super) enum End<'a> {
    /// A pod.
    Pod(PodId, &'a Pod),
    /// An address.
    Address(IpAddr),
    /// A DNS name.
    Name(&'a Text),
}

/// One side of a flow, as the subject's policies see it.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// The cluster.
    pub(super) cluster: &'a Cluster,
    /// The flow.
    pub(super) flow: &'a Flow,
    /// Whether the subject connects or is connected to.
    pub(super) direction: Direction,
    /// The pod at this side. Never a host-network pod.
    pub(super) subject: &'a Pod,
    /// The end beyond.
    pub(super) other: End<'a>,
    tests: Cell<u32>,
}

impl<'a> Context<'a> {
    /// A side.
    pub(super) fn new(
        cluster: &'a Cluster,
        flow: &'a Flow,
        direction: Direction,
        subject: &'a Pod,
        other: End<'a>,
    ) -> Self {
        Self { cluster, flow, direction, subject, other, tests: Cell::new(0) }
    }

    /// A number for the next unknown test: tests are numbered in the order of evaluation.
    pub(super) fn next_test(&self) -> u32 {
        self.tests.set(self.tests.get() + 1);
        self.tests.get()
    }

    /// A yes-or-no test whose answer depends on a missing fact.
    fn ask(&self, fact: Missing) -> Tree<bool> {
        let test = Rc::new(Test { number: self.next_test(), variant: 0, facts: vec![fact] });
        Tree::depends(test, vec![Tree::Known(true), Tree::Known(false)])
    }

    /// A match that depends on a missing fact.
    pub(super) fn unknown(&self, fact: Missing) -> Tree<Match> {
        self.ask(fact).map(&|answer| Match::plain(*answer))
    }

    /// The pod that is connected to: the one that named ports are resolved on.
    pub(super) fn destination(&self) -> Option<&'a Pod> {
        match (&self.flow.to, self.direction, self.other) {
            (Endpoint::Pod(_), Direction::Ingress, _) => Some(self.subject),
            (Endpoint::Pod(_), Direction::Egress, End::Pod(_, pod)) => Some(pod),
            _ => None,
        }
    }

    /// The other end, if policies can select it as a pod: host-network pods are their nodes.
    pub(super) fn other_pod(&self) -> Option<&'a Pod> {
        match self.other {
            End::Pod(_, pod) if !pod.host_network => Some(pod),
            _ => None,
        }
    }

    /// The labels of a namespace.
    pub(super) fn namespace_labels(&self, name: &str) -> Labels {
        self.cluster.namespace(name).map(|namespace| namespace.labels.clone()).unwrap_or_default()
    }

    /// Whether an address belongs to a pod: it is one's known address, or lies in a pod network.
    fn is_pod_address(&self, address: IpAddr) -> bool {
        self.cluster.pods.iter().any(|pod| pod.addresses.contains(&address))
            || self.cluster.pod_networks().contains(address)
    }

    /// Whether the other end is an address of a pod network, of no pod in particular.
    pub(super) fn other_is_pod_address(&self) -> bool {
        matches!(self.other, End::Address(address) if self.is_pod_address(address))
    }

    /// The node that the other end is by its address.
    fn node_by_address(&self) -> Option<&'a Node> {
        match self.other {
            End::Address(address) => self.cluster.node_of_address(address),
            _ => None,
        }
    }

    /// Whether the other end is a node: by its address, or as a host-network pod.
    pub(super) fn other_is_node(&self) -> bool {
        match self.other {
            End::Pod(_, pod) => pod.host_network,
            End::Address(_) => self.node_by_address().is_some(),
            End::Name(_) => false,
        }
    }

    /// Whether the other end is outside the cluster: an address of no node and no pod, or a name.
    pub(super) fn other_is_world(&self) -> bool {
        match self.other {
            End::Pod(..) => false,
            End::Address(_) => !self.other_is_node() && !self.other_is_pod_address(),
            End::Name(_) => true,
        }
    }

    /// Whether the other end is the node that the subject runs on.
    pub(super) fn own_node(&self) -> Tree<bool> {
        if !self.other_is_node() {
            return Tree::Known(false);
        }
        let Some(own) = &self.subject.node else {
            return self.ask(Missing::PodNode(full_name(self.subject)));
        };
        match self.other {
            End::Pod(_, pod) => match &pod.node {
                Some(node) => Tree::Known(node == own),
                None => self.ask(Missing::PodNode(full_name(pod))),
            },
            End::Address(_) => Tree::Known(self.node_by_address().is_some_and(|node| node.name == *own)),
            End::Name(_) => Tree::Known(false),
        }
    }

    /// Whether the other end is a node whose labels satisfy `selects`. `every` says that any labels do.
    pub(super) fn node_with(&self, every: bool, selects: impl Fn(&Labels) -> bool) -> Tree<Match> {
        if every {
            return Tree::known(self.other_is_node());
        }
        match self.other {
            End::Pod(_, pod) if pod.host_network => match &pod.node {
                None => self.unknown(Missing::PodNode(full_name(pod))),
                Some(name) => match self.cluster.node(name) {
                    None => self.unknown(Missing::NodeLabels(name.clone())),
                    Some(node) => Tree::known(selects(&node.labels)),
                },
            },
            End::Address(_) => Tree::known(self.node_by_address().is_some_and(|node| selects(&node.labels))),
            End::Pod(..) | End::Name(_) => Tree::known(false),
        }
    }

    /// Whether the other end's address is in the set, whatever the end is.
    pub(super) fn in_networks(&self, set: &IpSet) -> Tree<Match> {
        let family = self.flow.family;
        let (possible, fact) = match self.other {
            End::Address(address) => return Tree::known(set.contains(address)),
            End::Pod(_, pod) if !pod.addresses.is_empty() => {
                let mut own = pod.addresses.iter().filter(|address| Family::of(**address) == family);
                return Tree::known(own.any(|address| set.contains(*address)));
            }
            End::Pod(_, pod) if pod.host_network => {
                let name = pod.node.clone().unwrap_or_else(|| full_name(pod));
                (self.host_addresses(pod), Missing::NodeAddress(name))
            }
            End::Pod(_, pod) => {
                (self.cluster.unknown_pod_addresses(family), Missing::PodAddress(full_name(pod)))
            }
            End::Name(name) => (
                IpSet::family(family).difference(&self.cluster.own_addresses()),
                Missing::NameAddress(name.clone()),
            ),
        };
        if set.contains_set(&possible) {
            Tree::known(true)
        } else if set.is_disjoint(&possible) {
            Tree::known(false)
        } else {
            self.unknown(fact)
        }
    }

    /// Where a host-network pod without a known address can be: at its node, if that has an address of the family.
    fn host_addresses(&self, pod: &Pod) -> IpSet {
        let node = pod.node.as_ref().and_then(|name| self.cluster.node(name));
        let known = (node.iter().flat_map(|node| &node.addresses))
            .fold(IpSet::empty(), |all, address| all.union(&IpSet::single(*address)))
            .only(self.flow.family);
        match &pod.node {
            _ if !known.is_empty() => known,
            Some(_) => IpSet::family(self.flow.family),
            None => self.cluster.unknown_node_addresses(self.flow.family),
        }
    }
}

/// `namespace/name`.
pub(super) fn full_name(pod: &Pod) -> Text {
    format!("{}/{}", pod.namespace, pod.name).into()
}
