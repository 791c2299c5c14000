//! The rules that allow, of all dialects in one form. In: the policies of a cluster. Out: whom each rule lets in or out, how
//! far that goes, and where it is written.

use std::sync::Arc;

use ringfence_model::{
    Text,
    address::IpSet,
    cilium::{CiliumPeer, CiliumPolicy, CiliumRule, CiliumSpec, CiliumSubject, Entity, derived},
    cluster::Cluster,
    label::{Operator, Requirement, Selector},
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule, PolicyMeta},
    origin::Origin,
    port::{PortMatch, PortSpec, Protocol},
    tier::{Action, TierPeer, TierPolicy, TierRule},
    verdict::Direction,
};
use ringfence_policy::compiled::{Choice, PodSet};

use crate::context::Context;

/// How much of the world outside the cluster a rule's peers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outside {
    /// Some addresses or none.
    Part,
    /// Every public address.
    Public,
    /// Every address.
    Everything,
}

/// Why a rule's peers are so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// It names none.
    NoPeers,
    /// A selector, or an entity, that is everybody's.
    Selector,
    /// A network.
    Network,
}

/// How far a rule's peers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Breadth {
    /// How much of the world outside they are.
    pub outside: Outside,
    /// Whether they are every pod of the cluster.
    pub pods: bool,
    /// The peer that goes furthest, or the rule if it names none.
    pub at: Origin,
    /// What makes it go so far.
    pub by: By,
}

impl Breadth {
    /// Whether they are everybody, inside and outside.
    pub(crate) fn is_everyone(&self) -> bool {
        self.pods && self.outside == Outside::Everything
    }
}

/// A rule as its dialect has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body<'a> {
    /// Of a NetworkPolicy.
    Network(&'a NetworkPolicy, &'a NetworkRule),
    /// Of the Admin or Baseline tier: one that accepts.
    Tier(&'a TierPolicy, &'a TierRule),
    /// Of a Cilium policy.
    Cilium(&'a CiliumPolicy, &'a CiliumSpec, &'a CiliumRule),
}

/// A rule that allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allow<'a> {
    /// Its policy.
    pub meta: &'a Arc<PolicyMeta>,
    /// Its direction.
    pub direction: Direction,
    /// The rule.
    pub body: Body<'a>,
    /// Where it is written.
    pub origin: Origin,
}

/// Every rule of a cluster that allows and that has a say: those of a NetworkPolicy only in a direction that it isolates.
pub(crate) fn allows(cluster: &Cluster) -> Vec<Allow<'_>> {
    let mut all = Vec::new();
    for policy in &cluster.tier_policies {
        for (direction, rules) in [(Direction::Ingress, &policy.ingress), (Direction::Egress, &policy.egress)]
        {
            let accepting = rules.iter().filter(|rule| rule.action == Action::Accept);
            all.extend(accepting.map(|rule| Allow {
                meta: &policy.meta,
                direction,
                body: Body::Tier(policy, rule),
                origin: rule.origin,
            }));
        }
    }
    for policy in &cluster.network_policies {
        for direction in [Direction::Ingress, Direction::Egress] {
            let rules = if isolates(policy, direction) { rules(policy, direction) } else { &[] };
            all.extend(rules.iter().map(|rule| Allow {
                meta: &policy.meta,
                direction,
                body: Body::Network(policy, rule),
                origin: rule.origin,
            }));
        }
    }
    for policy in &cluster.cilium_policies {
        for spec in &policy.specs {
            for (direction, rules) in [(Direction::Ingress, &spec.ingress), (Direction::Egress, &spec.egress)]
            {
                all.extend(rules.iter().map(|rule| Allow {
                    meta: &policy.meta,
                    direction,
                    body: Body::Cilium(policy, spec, rule),
                    origin: rule.origin,
                }));
            }
        }
    }
    all
}

/// Whether a NetworkPolicy isolates its subject in a direction.
pub(crate) fn isolates(policy: &NetworkPolicy, direction: Direction) -> bool {
    match direction {
        Direction::Ingress => policy.isolates_ingress,
        Direction::Egress => policy.isolates_egress,
    }
}

/// Whether a spec of a Cilium policy isolates its subject in a direction.
pub(crate) fn spec_isolates(spec: &CiliumSpec, direction: Direction) -> bool {
    match direction {
        Direction::Ingress => spec.isolates_ingress,
        Direction::Egress => spec.isolates_egress,
    }
}

/// The rules of a NetworkPolicy in a direction.
pub(crate) fn rules(policy: &NetworkPolicy, direction: Direction) -> &[NetworkRule] {
    match direction {
        Direction::Ingress => &policy.ingress,
        Direction::Egress => &policy.egress,
    }
}

/// `ingress` or `egress`.
pub(crate) fn field(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

impl<'a> Allow<'a> {
    /// What it is about.
    pub(crate) fn choice(&self) -> Choice<'a> {
        match self.body {
            Body::Network(policy, _) => Choice::NetworkSubject(policy),
            Body::Tier(policy, _) => Choice::TierSubject(policy),
            Body::Cilium(policy, spec, _) => Choice::CiliumSubject(policy, spec),
        }
    }

    /// The pods that it is about.
    pub(crate) fn subject(&self, context: &Context<'_>) -> PodSet {
        context.scope.chosen(self.choice())
    }

    /// The namespace of which it is about every pod, if that is so.
    pub(crate) fn whole_namespace(&self) -> Option<&'a Text> {
        let selector = match self.body {
            Body::Network(policy, _) => &policy.subject,
            Body::Cilium(_, CiliumSpec { subject: CiliumSubject::Endpoints(selector), .. }, _) => selector,
            Body::Cilium(..) | Body::Tier(..) => return None,
        };
        self.meta.namespace.as_ref().filter(|_| selector.is_empty())
    }

    /// Whether its policy denies something in the direction too, so that it is not all that the policy says.
    pub(crate) fn has_denials_beside(&self) -> bool {
        match (self.body, self.direction) {
            (Body::Network(..), _) => false,
            (Body::Tier(policy, _), Direction::Ingress) => denies(&policy.ingress),
            (Body::Tier(policy, _), Direction::Egress) => denies(&policy.egress),
            (Body::Cilium(_, spec, _), Direction::Ingress) => !spec.ingress_deny.is_empty(),
            (Body::Cilium(_, spec, _), Direction::Egress) => !spec.egress_deny.is_empty(),
        }
    }

    /// How far its peers go.
    pub(crate) fn breadth(&self, context: &Context<'_>) -> Breadth {
        let narrow = Breadth { outside: Outside::Part, pods: false, at: self.origin, by: By::Selector };
        let nobody = Breadth { by: By::NoPeers, ..narrow };
        let everyone = Breadth { outside: Outside::Everything, pods: true, ..nobody };
        match self.body {
            Body::Network(_, rule) if rule.peers.is_empty() => everyone,
            Body::Cilium(_, _, CiliumRule { requires, .. }) if !requires.is_empty() => narrow,
            Body::Cilium(_, _, CiliumRule { peers: None, .. }) => everyone,
            Body::Network(_, rule) => {
                sum(context, narrow, rule.peers.iter().map(|peer| network_peer(context, peer)))
            }
            Body::Tier(_, rule) => sum(context, narrow, rule.peers.iter().map(tier_peer)),
            Body::Cilium(policy, _, rule) => {
                let peers = rule.peers.iter().flatten();
                sum(context, narrow, peers.map(|peer| cilium_peer(policy, peer)))
            }
        }
    }

    /// The pods that its peers are, but for peers that are everybody.
    pub(crate) fn named_pods(&self, context: &Context<'_>) -> PodSet {
        let sets: Vec<PodSet> = match self.body {
            Body::Network(policy, rule) => (rule.peers.iter())
                .filter(|peer| !network_peer(context, peer).pods)
                .map(|peer| context.scope.network_peer(policy, peer))
                .collect(),
            Body::Tier(_, rule) => (rule.peers.iter())
                .filter(|peer| !tier_peer(peer).pods)
                .map(|peer| context.scope.tier_peer(peer))
                .collect(),
            Body::Cilium(policy, _, rule) => (rule.peers.iter().flatten())
                .filter(|peer| !cilium_peer(policy, peer).pods)
                .map(|peer| context.scope.cilium_peer(policy, peer))
                .collect(),
        };
        sets.into_iter().reduce(|a, b| a.union(&b)).unwrap_or_default()
    }

    /// Its ports; every port if [`Self::is_every_port`] says so.
    pub(crate) fn ports(&self) -> Vec<&'a PortMatch> {
        match self.body {
            Body::Network(_, rule) => rule.ports.iter().collect(),
            Body::Tier(_, rule) => rule.ports.iter().collect(),
            Body::Cilium(_, _, rule) => rule.ports.iter().flat_map(|list| &list.ports).collect(),
        }
    }

    /// Whether it is for every port of every protocol, without conditions of layer 7.
    pub(crate) fn is_every_port(&self) -> bool {
        match self.body {
            Body::Network(_, rule) => rule.ports.is_empty(),
            Body::Tier(_, rule) => rule.ports.is_empty(),
            Body::Cilium(_, _, rule) => {
                (rule.ports.is_empty() && rule.icmps.is_empty())
                    || rule.ports.iter().any(|list| list.ports.is_empty() && list.l7.is_empty())
            }
        }
    }

    /// Whether it is for one of these ports of a pod; no ports mean any.
    pub(crate) fn is_for(&self, context: &Context<'_>, pods: &PodSet, ports: &[(Protocol, u16)]) -> bool {
        if self.is_every_port() || ports.is_empty() {
            return true;
        }
        let resolves = |name: &Text, protocol, port| {
            let mut pods = pods.iter().filter_map(|pod| context.cluster.pod(pod));
            pods.any(|pod| pod.named_ports(name, protocol).any(|known| known == port))
        };
        self.ports().into_iter().any(|entry| {
            ports.iter().any(|(protocol, port)| {
                entry.protocol.is_none_or(|known| known == *protocol)
                    && match &entry.ports {
                        PortSpec::All => true,
                        PortSpec::Range(first, last) => (*first..=*last).contains(port),
                        PortSpec::Named(name) => resolves(name, *protocol, *port),
                    }
            })
        })
    }
}

fn denies(rules: &[TierRule]) -> bool {
    rules.iter().any(|rule| rule.action != Action::Accept)
}

/// What one peer is.
struct One {
    pods: bool,
    addresses: IpSet,
    at: Origin,
    by: By,
}

fn sum(context: &Context<'_>, narrow: Breadth, peers: impl Iterator<Item = One>) -> Breadth {
    let mut breadth = narrow;
    let mut addresses = IpSet::empty();
    for peer in peers {
        if peer.pods && !breadth.pods {
            breadth = Breadth { pods: true, at: peer.at, by: peer.by, ..breadth };
        }
        if peer.addresses.is_empty() {
            continue;
        }
        addresses = addresses.union(&peer.addresses);
        let families = context.families();
        let outside = if families.iter().all(|family| addresses.contains_set(&IpSet::family(*family))) {
            Outside::Everything
        } else if families.iter().all(|family| addresses.contains_set(context.internet(*family))) {
            Outside::Public
        } else {
            Outside::Part
        };
        if outside > breadth.outside {
            breadth = Breadth { outside, at: peer.at, by: peer.by, ..breadth };
        }
    }
    breadth
}

/// Whether it selects everything.
fn is_open(selector: Option<&Selector>) -> bool {
    selector.is_none_or(Selector::is_empty)
}

fn network_peer(context: &Context<'_>, peer: &NetworkPeer) -> One {
    match peer {
        NetworkPeer::Pods { namespace, pod, origin } => One {
            pods: namespace.as_ref().is_some_and(Selector::is_empty) && is_open(pod.as_ref()),
            addresses: IpSet::empty(),
            at: *origin,
            by: By::Selector,
        },
        NetworkPeer::IpBlock { cidr, except, origin } => {
            let addresses = if cidr.prefix_len() <= 1 { IpSet::block(cidr, except) } else { IpSet::empty() };
            let all = context.families().iter().all(|family| addresses.contains_set(&IpSet::family(*family)));
            One {
                pods: all && context.cluster.profile.ip_block_matches_cluster,
                addresses,
                at: *origin,
                by: By::Network,
            }
        }
    }
}

fn tier_peer(peer: &TierPeer) -> One {
    let none = |at| One { pods: false, addresses: IpSet::empty(), at, by: By::Selector };
    match peer {
        TierPeer::Namespaces(selector, origin) => One { pods: selector.is_empty(), ..none(*origin) },
        TierPeer::Pods { namespace, pod, origin } => {
            One { pods: namespace.is_empty() && pod.is_empty(), ..none(*origin) }
        }
        TierPeer::Networks(nets, origin) => {
            One { addresses: IpSet::from_nets(nets), by: By::Network, ..none(*origin) }
        }
        TierPeer::Nodes(_, origin) | TierPeer::DomainNames(_, origin) | TierPeer::Unknown(origin) => {
            none(*origin)
        }
    }
}

/// Whether a selector of endpoints is those of every namespace: an empty one of a clusterwide policy, or one that only asks
/// that there is a namespace.
pub(crate) fn is_every_endpoint(policy: &CiliumPolicy, selector: &Selector) -> bool {
    let any_namespace = |one: &Requirement| {
        let key = one.key.split_once(':').map_or(&*one.key, |(_, key)| key);
        one.operator == Operator::Exists && key == derived::NAMESPACE
    };
    (policy.meta.namespace.is_none() || !selector.is_empty())
        && selector.requirements.iter().all(any_namespace)
}

fn cilium_peer(policy: &CiliumPolicy, peer: &CiliumPeer) -> One {
    let none = |at| One { pods: false, addresses: IpSet::empty(), at, by: By::Selector };
    match peer {
        CiliumPeer::Endpoints(selector, origin) => {
            One { pods: is_every_endpoint(policy, selector), ..none(*origin) }
        }
        CiliumPeer::Entity(entity, origin) => One {
            pods: matches!(entity, Entity::All | Entity::Cluster),
            addresses: match entity {
                Entity::All | Entity::World => IpSet::all(),
                Entity::WorldIpv4 => IpSet::family(ringfence_model::address::Family::V4),
                Entity::WorldIpv6 => IpSet::family(ringfence_model::address::Family::V6),
                _ => IpSet::empty(),
            },
            ..none(*origin)
        },
        CiliumPeer::Cidr { cidr, except, origin } => {
            One { addresses: IpSet::block(cidr, except), by: By::Network, ..none(*origin) }
        }
        CiliumPeer::Service(_, origin)
        | CiliumPeer::Fqdn(_, origin)
        | CiliumPeer::Nodes(_, origin)
        | CiliumPeer::Unresolved(_, origin) => none(*origin),
    }
}
