//! The policies of every dialect as parts. In: a cluster. Out: parts, each place with the pods that the engine says it
//! means.

use ringfence_model::{
    Text,
    cilium::{CiliumPeer, CiliumPolicy, CiliumRule, CiliumSpec, CiliumSubject, derived},
    label::{Requirement, Selector},
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule, PolicyMeta},
    origin::Origin,
    tier::{Action, TierPeer, TierPolicy, TierRule, TierSubject},
    verdict::Direction,
    workload::NAMESPACE_NAME_LABEL,
};
use ringfence_policy::compiled::Choice;

use super::{Part, Peer, Place, RuleView};
use crate::context::Context;

/// All of them.
pub(super) fn parts<'a>(context: &Context<'a>) -> Vec<Part<'a>> {
    let cluster = context.cluster;
    let network = cluster.network_policies.iter().map(|policy| of_network(context, policy));
    let tiers = cluster.tier_policies.iter().map(|policy| of_tier(context, policy));
    let specs = cluster
        .cilium_policies
        .iter()
        .flat_map(|policy| policy.specs.iter().filter_map(|spec| of_cilium(context, policy, spec)));
    network.chain(tiers).chain(specs).collect()
}

fn place<'a>(context: &Context<'a>, meta: &'a PolicyMeta, choice: Choice<'a>, origin: Origin) -> Place<'a> {
    Place {
        meta,
        choice,
        home: None,
        namespace: None,
        pod: None,
        derived: Vec::new(),
        origin,
        pods: context.scope.chosen(choice),
        cause: None,
    }
}

fn of_network<'a>(context: &Context<'a>, policy: &'a NetworkPolicy) -> Part<'a> {
    let home = policy.meta.namespace.as_ref();
    let choice = Choice::NetworkSubject(policy);
    let subject = Place {
        home,
        pod: Some(policy.subject.clone()),
        ..place(context, &policy.meta, choice, policy.subject.origin)
    };
    let peer = |peer: &'a NetworkPeer| match peer {
        NetworkPeer::Pods { namespace, pod, origin } => Peer::Pods(Box::new(Place {
            home: if namespace.is_none() { home } else { None },
            namespace: namespace.clone(),
            pod: pod.clone(),
            ..place(context, &policy.meta, Choice::NetworkPeer(policy, peer), *origin)
        })),
        NetworkPeer::IpBlock { .. } => Peer::Other,
    };
    let view = |direction, rule: &'a NetworkRule| RuleView {
        direction,
        action: Action::Accept,
        peers: (!rule.peers.is_empty()).then(|| rule.peers.iter().map(peer).collect()),
        ports: rule.ports.iter().collect(),
        origin: rule.origin,
    };
    let ingress = policy.ingress.iter().map(|rule| view(Direction::Ingress, rule));
    let egress = policy.egress.iter().map(|rule| view(Direction::Egress, rule));
    Part { subject, rules: ingress.chain(egress).collect() }
}

fn of_tier<'a>(context: &Context<'a>, policy: &'a TierPolicy) -> Part<'a> {
    let (namespace, pod) = match &policy.subject {
        TierSubject::Namespaces(namespace) => (namespace, None),
        TierSubject::Pods { namespace, pod } => (namespace, Some(pod.clone())),
    };
    let subject = Place {
        namespace: Some(namespace.clone()),
        pod,
        ..place(context, &policy.meta, Choice::TierSubject(policy), namespace.origin)
    };
    let peer = |peer: &'a TierPeer| {
        let (namespace, pod, origin) = match peer {
            TierPeer::Namespaces(namespace, origin) => (namespace, None, *origin),
            TierPeer::Pods { namespace, pod, origin } => (namespace, Some(pod.clone()), *origin),
            TierPeer::Nodes(..)
            | TierPeer::Networks(..)
            | TierPeer::DomainNames(..)
            | TierPeer::Unknown(_) => {
                return Peer::Other;
            }
        };
        Peer::Pods(Box::new(Place {
            namespace: Some(namespace.clone()),
            pod,
            ..place(context, &policy.meta, Choice::TierPeer(peer), origin)
        }))
    };
    let view = |direction, rule: &'a TierRule| RuleView {
        direction,
        action: rule.action,
        peers: Some(rule.peers.iter().map(peer).collect()),
        ports: rule.ports.iter().collect(),
        origin: rule.origin,
    };
    let ingress = policy.ingress.iter().map(|rule| view(Direction::Ingress, rule));
    let egress = policy.egress.iter().map(|rule| view(Direction::Egress, rule));
    Part { subject, rules: ingress.chain(egress).collect() }
}

fn of_cilium<'a>(context: &Context<'a>, policy: &'a CiliumPolicy, spec: &'a CiliumSpec) -> Option<Part<'a>> {
    let CiliumSubject::Endpoints(selector) = &spec.subject else { return None };
    let home = policy.meta.namespace.as_ref();
    let sourced = |choice, selector: &'a Selector, origin| {
        let split = Split::of(selector);
        let bound = split.namespace.is_none();
        Place {
            home: if bound { home } else { None },
            namespace: split.namespace,
            pod: Some(split.pod),
            derived: split.derived,
            ..place(context, &policy.meta, choice, origin)
        }
    };
    let mut subject = sourced(Choice::CiliumSubject(policy, spec), selector, selector.origin);
    subject.home = home;
    let peer = |peer: &'a CiliumPeer| match peer {
        // An entity by another name: such a selector is not only about pods.
        CiliumPeer::Endpoints(selector, _)
            if selector.requirements.iter().any(|one| one.key.starts_with("reserved:")) =>
        {
            Peer::Other
        }
        CiliumPeer::Endpoints(selector, origin) => {
            Peer::Pods(Box::new(sourced(Choice::CiliumPeer(policy, peer), selector, *origin)))
        }
        _ => Peer::Other,
    };
    let view = |direction, action, rule: &'a CiliumRule| RuleView {
        direction,
        action,
        peers: rule.peers.as_ref().map(|peers| peers.iter().map(peer).collect()),
        ports: rule.ports.iter().flat_map(|list| &list.ports).collect(),
        origin: rule.origin,
    };
    let lists = [
        (Direction::Ingress, Action::Accept, &spec.ingress),
        (Direction::Ingress, Action::Deny, &spec.ingress_deny),
        (Direction::Egress, Action::Accept, &spec.egress),
        (Direction::Egress, Action::Deny, &spec.egress_deny),
    ];
    let rules = lists
        .into_iter()
        .flat_map(|(direction, action, list)| list.iter().map(move |rule| (direction, action, rule)));
    let rules = rules.map(|(direction, action, rule)| view(direction, action, rule)).collect();
    Some(Part { subject, rules })
}

/// An endpoint selector of Cilium by what its keys are about.
struct Split<'a> {
    namespace: Option<Selector>,
    pod: Selector,
    derived: Vec<&'a Requirement>,
}

impl<'a> Split<'a> {
    fn of(selector: &'a Selector) -> Self {
        let empty = Selector { requirements: Vec::new(), origin: selector.origin };
        let mut split = Self { namespace: None, pod: empty.clone(), derived: Vec::new() };
        for requirement in &selector.requirements {
            let bare = match requirement.key.split_once(':') {
                None => &*requirement.key,
                Some(("k8s" | "any", bare)) => bare,
                Some(_) => {
                    split.derived.push(requirement);
                    continue;
                }
            };
            let with = |key: &str| Requirement { key: Text::from(key), ..requirement.clone() };
            if bare == derived::NAMESPACE {
                let namespace = split.namespace.get_or_insert_with(|| empty.clone());
                namespace.requirements.push(with(NAMESPACE_NAME_LABEL));
            } else if let Some(label) = bare.strip_prefix(derived::NAMESPACE_LABELS) {
                split.namespace.get_or_insert_with(|| empty.clone()).requirements.push(with(label));
            } else if bare == derived::SERVICE_ACCOUNT || bare == derived::CLUSTER {
                split.derived.push(requirement);
            } else {
                split.pod.requirements.push(with(bare));
            }
        }
        split
    }
}
