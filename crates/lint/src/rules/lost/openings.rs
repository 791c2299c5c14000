//! What the rules that apply to a pod could let through to or from ends that the input does not hold. In: a pod, a direction, a
//! port. Out: the peers of its allow rules for that port, whether they match anybody of the input or not. Only ever used to keep
//! silent: what is open is for the engine to say.

use std::{collections::BTreeMap, sync::Arc};

use ringfence_model::{
    Text,
    cilium::{CiliumPeer, CiliumPolicy, CiliumRule, CiliumSubject, Entity},
    cluster::Cluster,
    label::{Labels, Selector},
    network_policy::{NetworkPeer, NetworkPolicy, PolicyKind, PolicyMeta},
    origin::Origin,
    port::{PortMatch, PortSpec, Protocol},
    tier::{Action, TierPeer, TierPolicy},
    verdict::Direction,
    workload::{NAMESPACE_NAME_LABEL, Pod, PodId},
};
use ringfence_policy::compiled::{Group, Isolation};

use crate::context::Context;

/// A policy of the cluster.
#[derive(Clone, Copy)]
enum Policy<'c> {
    Network(&'c NetworkPolicy),
    Tier(&'c TierPolicy),
    Cilium(&'c CiliumPolicy),
}

type Key<'c> = (PolicyKind, Option<&'c Text>, &'c Text);

fn key(meta: &PolicyMeta) -> Key<'_> {
    (meta.kind, meta.namespace.as_ref(), &meta.name)
}

/// Who a rule is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who<'c> {
    /// Everybody.
    Everyone,
    /// Pods by their labels; those of one namespace only, if it is named.
    Pods {
        /// The only namespace.
        own: Option<&'c Text>,
        /// The namespaces, if they are selected.
        namespaces: Option<&'c Selector>,
    },
    /// Addresses.
    Addresses,
    /// A single address: who is told it needs no name.
    Address,
    /// A named group of Cilium.
    Entity(Entity),
    /// A DNS name outside the cluster.
    Name,
    /// Anything else: nodes, what is not known.
    Other,
}

/// A peer of an allow rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening<'c> {
    /// Who it is for.
    pub(super) who: Who<'c>,
    /// Where the peer is written, or the rule.
    pub(super) origin: Origin,
    /// Where the port is written that is for the port asked for; nothing if the rule is for all ports.
    pub(super) port: Origin,
}

/// A port that is asked for.
pub(super) type Asked = Option<(Protocol, u16)>;

/// The policies of all pods.
pub(super) struct Policies<'c> {
    cluster: &'c Cluster,
    known: BTreeMap<Key<'c>, Policy<'c>>,
    groups: &'c [Group],
    group_of: Vec<Option<usize>>,
}

impl<'c> Policies<'c> {
    pub(super) fn new(context: &'c Context<'_>) -> Self {
        let cluster = context.cluster;
        let network =
            cluster.network_policies.iter().map(|policy| (key(&policy.meta), Policy::Network(policy)));
        let tiers = cluster.tier_policies.iter().map(|policy| (key(&policy.meta), Policy::Tier(policy)));
        let cilium = cluster.cilium_policies.iter().map(|policy| (key(&policy.meta), Policy::Cilium(policy)));
        let groups = context.groups();
        let mut group_of = vec![None; cluster.pods.len()];
        for (at, group) in groups.iter().enumerate() {
            for pod in &group.pods {
                if let Some(slot) = group_of.get_mut(pod.0 as usize) {
                    *slot = Some(at);
                }
            }
        }
        Self { cluster, known: network.chain(tiers).chain(cilium).collect(), groups, group_of }
    }

    /// The policies of a pod in a direction; nothing for one that no policy can select.
    pub(super) fn of(&self, pod: PodId, direction: Direction) -> Option<&'c Isolation> {
        let group = self.group_of.get(pod.0 as usize).copied().flatten()?;
        self.groups.get(group).map(|group| group.of(direction))
    }

    /// The policies that isolate a pod.
    pub(super) fn isolating(&self, pod: PodId, direction: Direction) -> &'c [Arc<PolicyMeta>] {
        self.of(pod, direction).map_or(&[], |isolation| &isolation.isolating)
    }

    /// The peers of the allow rules that apply to a pod and are for a port, or for any. For ingress named ports are looked up at
    /// the pod; for egress they could be any.
    pub(super) fn openings(&self, id: PodId, direction: Direction, asked: Asked) -> Vec<Opening<'c>> {
        let pod = self.cluster.pod(id).filter(|_| direction == Direction::Ingress);
        let covering = |ports: &[PortMatch]| -> Option<Origin> {
            let Some((protocol, port)) = asked.filter(|_| !ports.is_empty()) else {
                return Some(Origin::NONE);
            };
            ports.iter().find(|entry| covers(entry, pod, protocol, port)).map(|entry| entry.origin)
        };
        let selecting = self.of(id, direction).map_or(&[][..], |isolation| &isolation.selecting);
        let mut found = Vec::new();
        for policy in selecting.iter().filter_map(|meta| self.known.get(&key(meta))) {
            match policy {
                Policy::Network(policy) => {
                    let (isolates, rules) = match direction {
                        Direction::Ingress => (policy.isolates_ingress, &policy.ingress),
                        Direction::Egress => (policy.isolates_egress, &policy.egress),
                    };
                    for rule in rules.iter().filter(|_| isolates) {
                        let Some(port) = covering(&rule.ports) else { continue };
                        if rule.peers.is_empty() {
                            found.push(Opening { who: Who::Everyone, origin: rule.origin, port });
                        }
                        found.extend(rule.peers.iter().map(|peer| network(policy, peer, port)));
                    }
                }
                Policy::Tier(policy) => {
                    let rules = match direction {
                        Direction::Ingress => &policy.ingress,
                        Direction::Egress => &policy.egress,
                    };
                    for rule in rules.iter().filter(|rule| rule.action == Action::Accept) {
                        let Some(port) = covering(&rule.ports) else { continue };
                        found.extend(rule.peers.iter().map(|peer| tier(peer, port)));
                    }
                }
                Policy::Cilium(policy) => {
                    // Which of its specs selects the pod does not matter here.
                    for spec in
                        policy.specs.iter().filter(|spec| matches!(spec.subject, CiliumSubject::Endpoints(_)))
                    {
                        let rules = match direction {
                            Direction::Ingress => &spec.ingress,
                            Direction::Egress => &spec.egress,
                        };
                        let open = |rule: &CiliumRule| match rule.ports.as_slice() {
                            [] => rule.icmps.is_empty().then_some(Origin::NONE),
                            ports => ports.iter().find_map(|ports| covering(&ports.ports)),
                        };
                        for rule in rules {
                            let Some(port) = open(rule) else { continue };
                            match &rule.peers {
                                None => found.push(Opening { who: Who::Everyone, origin: rule.origin, port }),
                                Some(peers) => {
                                    found.extend(peers.iter().map(|peer| cilium(policy, peer, port)));
                                }
                            }
                        }
                    }
                }
            }
        }
        found
    }

    /// Whether a selector of namespaces could select one of this name: a namespace that is not given can have any labels beside
    /// its name.
    pub(super) fn may_select(&self, selector: &Selector, namespace: &str) -> bool {
        match self.cluster.namespace(namespace).filter(|known| known.given) {
            Some(known) => selector.matches(&known.labels),
            None => {
                let mut labels = Labels::default();
                labels.insert(NAMESPACE_NAME_LABEL, namespace);
                let of_name = |key: &str| key == NAMESPACE_NAME_LABEL;
                let mut named = selector.requirements.iter().filter(|requirement| of_name(&requirement.key));
                named.all(|requirement| requirement.holds(labels.get(&requirement.key).map(|value| &**value)))
            }
        }
    }
}

fn network<'c>(policy: &'c NetworkPolicy, peer: &'c NetworkPeer, port: Origin) -> Opening<'c> {
    match peer {
        NetworkPeer::Pods { namespace, origin, .. } => {
            let own = policy.meta.namespace.as_ref().filter(|_| namespace.is_none());
            Opening { who: Who::Pods { own, namespaces: namespace.as_ref() }, origin: *origin, port }
        }
        NetworkPeer::IpBlock { cidr, origin, .. } => {
            Opening { who: block(cidr.max_prefix_len() - cidr.prefix_len()), origin: *origin, port }
        }
    }
}

/// A block of addresses, by how many bits of them it leaves open.
fn block(open: u8) -> Who<'static> {
    if open == 0 { Who::Address } else { Who::Addresses }
}

fn tier(peer: &TierPeer, port: Origin) -> Opening<'_> {
    let (who, origin) = match peer {
        TierPeer::Namespaces(selector, origin) => {
            (Who::Pods { own: None, namespaces: Some(selector) }, *origin)
        }
        TierPeer::Pods { namespace, origin, .. } => {
            (Who::Pods { own: None, namespaces: Some(namespace) }, *origin)
        }
        TierPeer::Networks(_, origin) => (Who::Addresses, *origin),
        TierPeer::DomainNames(_, origin) => (Who::Name, *origin),
        TierPeer::Nodes(_, origin) | TierPeer::Unknown(origin) => (Who::Other, *origin),
    };
    Opening { who, origin, port }
}

fn cilium<'c>(policy: &'c CiliumPolicy, peer: &'c CiliumPeer, port: Origin) -> Opening<'c> {
    let (who, origin) = match peer {
        CiliumPeer::Endpoints(selector, origin) => {
            let elsewhere = selector
                .requirements
                .iter()
                .any(|requirement| requirement.key.contains("io.kubernetes.pod.namespace"));
            let own = policy.meta.namespace.as_ref().filter(|_| !elsewhere);
            (Who::Pods { own, namespaces: None }, *origin)
        }
        CiliumPeer::Entity(entity, origin) => (Who::Entity(*entity), *origin),
        CiliumPeer::Cidr { cidr, origin, .. } => (block(cidr.max_prefix_len() - cidr.prefix_len()), *origin),
        CiliumPeer::Fqdn(_, origin) => (Who::Name, *origin),
        CiliumPeer::Service(_, origin) | CiliumPeer::Nodes(_, origin) | CiliumPeer::Unresolved(_, origin) => {
            (Who::Other, *origin)
        }
    };
    Opening { who, origin, port }
}

/// Whether an entry of a rule's ports is for a port of a pod; any name could be, of a pod that is not known.
pub(super) fn covers(entry: &PortMatch, pod: Option<&Pod>, protocol: Protocol, port: u16) -> bool {
    if entry.protocol.is_some_and(|own| own != protocol) {
        return false;
    }
    match &entry.ports {
        PortSpec::All => true,
        PortSpec::Range(first, last) => (*first..=*last).contains(&port),
        PortSpec::Named(name) => {
            pod.is_none_or(|pod| pod.named_ports(name, protocol).any(|number| number == port))
        }
    }
}
