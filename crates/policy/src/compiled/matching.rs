//! Whether a rule's peer or port matches. In: a rule and the ends of a connection. Out: a three-valued, conditional
//! match, by the conventions of each dialect.

use std::net::IpAddr;

use ringfence_model::{
    Text,
    address::{Family, IpSet},
    cilium::{Entity, FqdnMatch},
    cluster::Cluster,
    label::Selector,
    origin::Origin,
    port::{PortSpec, Protocol},
    verdict::{Condition, Missing},
    workload::{Node, Pod, PodId},
};

use super::{
    facts::Facts,
    l7,
    matcher::Matchers,
    rule::{Block, Peer, PeerMatch, Protocols, Rule},
    shape::{ShapeId, Shapes},
    truth::Match,
};

/// One end of a connection, looked up.
#[derive(Clone, Copy, Debug)]
pub(super) enum End<'a> {
    /// A pod.
    Pod(PodId, &'a Pod, ShapeId),
    /// An address, with the node that has it, and whether it is the cluster's own.
    Address { address: IpAddr, node: Option<&'a Node>, own: bool },
    /// A DNS name.
    Name(&'a Text),
}

impl<'a> End<'a> {
    /// A pod that policies can select: not one in its node's network.
    pub(super) fn plain_pod(&self) -> Option<(&'a Pod, ShapeId)> {
        match self {
            Self::Pod(_, pod, shape) if !pod.host_network => Some((pod, *shape)),
            _ => None,
        }
    }

    fn host_pod(&self) -> Option<&'a Pod> {
        match self {
            Self::Pod(_, pod, _) if pod.host_network => Some(pod),
            _ => None,
        }
    }

    /// Whether it is a node: a node's address or a host-network pod.
    fn is_node(&self) -> bool {
        matches!(self, Self::Address { node: Some(_), .. }) || self.host_pod().is_some()
    }

    /// Whether it is outside the cluster.
    fn is_world(&self) -> bool {
        match self {
            Self::Pod(..) => false,
            Self::Address { own, .. } => !own,
            Self::Name(_) => true,
        }
    }
}

/// `namespace/name` of a pod.
pub(super) fn pod_name(pod: &Pod) -> Text {
    format!("{}/{}", pod.namespace, pod.name).into()
}

/// What matching needs to know beside the two ends.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) facts: &'a Facts,
    pub(super) matchers: &'a Matchers,
    pub(super) shapes: &'a Shapes,
    pub(super) family: Family,
    /// Whether the other end is the node that the subject runs on.
    pub(super) own_node: &'a Match,
}

/// Whether `other` is the node that a pod runs on (docs: "traffic to and from the node where a Pod is running").
pub(super) fn own_node(subject: &Pod, other: &End<'_>) -> Match {
    let other_node = match other {
        End::Address { node: Some(node), .. } => Some(&node.name),
        End::Pod(_, pod, _) if pod.host_network => pod.node.as_ref(),
        _ => return Match::No,
    };
    match (&subject.node, other_node, other) {
        (Some(own), Some(theirs), _) => (own == theirs).into(),
        (None, _, _) => Match::unknown(Missing::PodNode(pod_name(subject))),
        (_, None, End::Pod(_, pod, _)) => Match::unknown(Missing::PodNode(pod_name(pod))),
        (_, None, _) => Match::No,
    }
}

impl Context<'_> {
    /// Whether one of the rule's peers is the other end.
    pub(super) fn peers(&self, rule: &Rule, other: &End<'_>) -> Match {
        let Some(peers) = &rule.peers else { return Match::Yes };
        peers.iter().fold(Match::No, |so_far, peer| so_far.or(|| self.peer_of(rule, peer, other)))
    }

    /// Whether a peer of a rule is the other end.
    fn peer_of(&self, rule: &Rule, peer: &Peer, other: &End<'_>) -> Match {
        let matched = self.peer(&peer.what, other);
        match peer.what {
            PeerMatch::Pods(_) | PeerMatch::Reserved(_) => matched.and(|| self.requires(rule, other)),
            _ => matched,
        }
    }

    /// Where the first matching peer is written: one that certainly matches before one that may.
    pub(super) fn peer_origin(&self, rule: &Rule, other: &End<'_>) -> Origin {
        let peers: &[Peer] = rule.peers.as_deref().unwrap_or(&[]);
        let rank = |peer: &&Peer| match self.peer_of(rule, peer, other) {
            Match::Yes => 0,
            Match::Perhaps(_) => 1,
            Match::No => 2,
        };
        peers.iter().min_by_key(rank).map_or(Origin::NONE, |peer| peer.origin)
    }

    fn requires(&self, rule: &Rule, other: &End<'_>) -> Match {
        let met = rule.requires.iter().all(|required| {
            other.plain_pod().is_some_and(|(_, shape)| self.matchers.selects(required.id, shape))
        });
        met.into()
    }

    pub(super) fn peer(&self, what: &PeerMatch, other: &End<'_>) -> Match {
        match what {
            PeerMatch::Pods(selection) => {
                other.plain_pod().is_some_and(|(_, shape)| self.matchers.selects(selection.id, shape)).into()
            }
            PeerMatch::Block(block) => self.block(block, other),
            PeerMatch::World(block) if other.is_world() => self.block(block, other),
            PeerMatch::World(_) => Match::No,
            PeerMatch::Nodes(selector) => self.nodes(selector, other),
            PeerMatch::Domains(names) => domains(names, other),
            PeerMatch::Entity(entity) => self.entity(*entity, other),
            PeerMatch::Reserved(_) if other.plain_pod().is_some() => Match::No,
            PeerMatch::Reserved(entities) => entities.iter().fold(Match::Yes, |so_far, (entity, wanted)| {
                so_far.and(|| {
                    let is = self.entity(*entity, other);
                    if *wanted { is } else { is.not() }
                })
            }),
            PeerMatch::Services { pods, addresses } => match other {
                End::Pod(_, pod, shape) => {
                    let selected =
                        !pod.host_network && pods.iter().any(|m| self.matchers.selects(*m, *shape));
                    let listed = || pod.addresses.iter().any(|address| addresses.contains(*address));
                    (selected || listed()).into()
                }
                End::Address { address, .. } => addresses.contains(*address).into(),
                End::Name(_) => Match::No,
            },
            PeerMatch::Fqdn(wanted) => match other {
                End::Name(name) => l7::name_matches(wanted, name).into(),
                End::Address { own: false, .. } => {
                    Match::conditional(vec![Condition::ResolvedFrom(wanted.clone())])
                }
                _ => Match::No,
            },
            PeerMatch::Unresolved(what) => match other {
                End::Pod(..) => Match::No,
                End::Address { .. } | End::Name(_) => Match::unknown(Missing::ExternalReference(what)),
            },
        }
    }

    fn block(&self, block: &Block, other: &End<'_>) -> Match {
        let within = |possible: &IpSet, fact: Missing| {
            if block.addresses.contains_set(possible) {
                Match::Yes
            } else if block.addresses.is_disjoint(possible) {
                Match::No
            } else {
                Match::unknown(fact)
            }
        };
        match other {
            End::Address { own: true, .. } if !block.matches_cluster => Match::No,
            End::Address { address, .. } => block.addresses.contains(*address).into(),
            End::Name(name) => {
                let possible = IpSet::family(self.family).difference(self.facts.own());
                within(&possible, Missing::NameAddress((*name).clone()))
            }
            End::Pod(..) if !block.matches_cluster => Match::No,
            End::Pod(_, pod, _) if !pod.addresses.is_empty() => {
                let mut of_family =
                    pod.addresses.iter().filter(|address| Family::of(**address) == self.family);
                of_family.any(|address| block.addresses.contains(*address)).into()
            }
            End::Pod(_, pod, _) if pod.host_network => {
                let node = pod.node.as_ref().and_then(|name| self.facts.node_of_name(self.cluster, name));
                let addresses = node.map_or(&[][..], |node| &node.addresses).iter();
                let known =
                    addresses.fold(IpSet::empty(), |set, address| set.union(&IpSet::single(*address)));
                let known = known.only(self.family);
                let possible = match &pod.node {
                    _ if !known.is_empty() => known,
                    Some(_) => IpSet::family(self.family),
                    None => self.facts.unknown_node_addresses(self.family).clone(),
                };
                let name = pod.node.clone().unwrap_or_else(|| pod_name(pod));
                within(&possible, Missing::NodeAddress(name))
            }
            End::Pod(_, pod, _) => {
                let possible = self.facts.unknown_pod_addresses(self.family);
                within(possible, Missing::PodAddress(pod_name(pod)))
            }
        }
    }

    fn nodes(&self, selector: &Selector, other: &End<'_>) -> Match {
        let node = match other {
            End::Address { node, .. } => *node,
            End::Pod(_, pod, _) if pod.host_network => {
                if selector.is_empty() {
                    return Match::Yes;
                }
                let Some(name) = &pod.node else { return Match::unknown(Missing::PodNode(pod_name(pod))) };
                let Some(node) = self.facts.node_of_name(self.cluster, name) else {
                    return Match::unknown(Missing::NodeLabels(name.clone()));
                };
                Some(node)
            }
            _ => None,
        };
        node.is_some_and(|node| l7::node_selector_matches(selector, &node.labels)).into()
    }

    fn entity(&self, entity: Entity, other: &End<'_>) -> Match {
        match entity {
            Entity::All => Match::Yes,
            Entity::World => other.is_world().into(),
            Entity::WorldIpv4 => (other.is_world() && self.family == Family::V4).into(),
            Entity::WorldIpv6 => (other.is_world() && self.family == Family::V6).into(),
            Entity::Cluster => (!other.is_world()).into(),
            Entity::Host => self.own_node.clone(),
            Entity::RemoteNode if !other.is_node() => Match::No,
            Entity::RemoteNode => self.own_node.clone().not(),
            Entity::KubeApiserver => self.api_server(other),
            Entity::Ingress | Entity::Init | Entity::Health | Entity::Unmanaged | Entity::None => Match::No,
        }
    }

    fn api_server(&self, other: &End<'_>) -> Match {
        match (other, self.facts.api_servers()) {
            (End::Pod(_, pod, _), _) if !pod.host_network => Match::No,
            (_, None) => Match::unknown(Missing::ApiServerAddress),
            (End::Pod(_, pod, _), Some(known)) => pod.addresses.iter().any(|a| known.contains(*a)).into(),
            (End::Address { address, .. }, Some(known)) => known.contains(*address).into(),
            (End::Name(_), Some(_)) => Match::No,
        }
    }
}

/// Whether a DNS name is one of a tier rule's `domainNames`; an address may be what one of them resolved to.
fn domains(names: &[Text], other: &End<'_>) -> Match {
    let pattern = |name: &Text| {
        if name.starts_with("*.") { FqdnMatch::Pattern(name.clone()) } else { FqdnMatch::Name(name.clone()) }
    };
    match other {
        End::Name(asked) => names.iter().any(|name| l7::domain_matches(name, asked)).into(),
        End::Address { own: false, .. } => {
            Match::conditional(names.iter().map(|name| Condition::ResolvedFrom(pattern(name))).collect())
        }
        _ => Match::No,
    }
}

/// Whether one of the rule's port entries matches; `to` is the destination, whose container ports named ports mean.
pub(super) fn ports(
    rule: &Rule,
    protocol: Protocol,
    port: u16,
    to: &End<'_>,
    request: Option<&ringfence_model::flow::Request>,
) -> Match {
    if rule.ports.is_empty() {
        return Match::Yes;
    }
    rule.ports.iter().fold(Match::No, |so_far, entry| {
        so_far.or(|| {
            if !entry.protocols.contains(protocol) {
                return Match::No;
            }
            let hit = match &entry.ports {
                PortSpec::All => true,
                PortSpec::Range(first, last) => (*first..=*last).contains(&port),
                PortSpec::Named(name) => match to {
                    End::Pod(_, pod, _) => pod.named_ports(name, protocol).any(|number| number == port),
                    _ => false,
                },
            };
            if !hit {
                Match::No
            } else if entry.l7.is_empty() {
                Match::Yes
            } else {
                l7::request(&entry.l7, request)
            }
        })
    })
}

/// Whether one of the rule's port entries matches a protocol that has no ports and is not ICMP (GRE, say): no policy can
/// name one, so only entries for every protocol do.
pub(super) fn portless(rule: &Rule) -> Match {
    if rule.ports.is_empty() {
        return Match::Yes;
    }
    let every = rule.ports.iter().filter(|entry| entry.protocols == Protocols::Every);
    every.fold(Match::No, |so_far, entry| {
        so_far.or(|| if entry.l7.is_empty() { Match::Yes } else { l7::request(&entry.l7, None) })
    })
}
