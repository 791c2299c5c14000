//! Whether one policy or peer is wider than another whatever pods there are. In: selectors and networks as written. Out: yes, or
//! not known to be.
//!
//! The engine says that a rule does nothing in the cluster as it is. Two rules may select the same pods today by labels that
//! part tomorrow: that is no reason to call one of them superfluous.

use ringfence_model::{
    address::IpSet,
    cilium::{CiliumPeer, CiliumSubject, Entity},
    label::{Requirement, Selector},
    network_policy::NetworkPeer,
};

use crate::allow::{Allow, Body};

/// Whether a selector selects whatever the other does.
pub(crate) fn selector(wide: &Selector, narrow: &Selector) -> bool {
    let same =
        |a: &Requirement, b: &Requirement| (&a.key, a.operator, &a.values) == (&b.key, b.operator, &b.values);
    wide.requirements.iter().all(|wanted| narrow.requirements.iter().any(|known| same(wanted, known)))
}

/// Whether one rule's policy is about whatever pods the other's is about.
pub(crate) fn subject(wide: &Allow<'_>, narrow: &Allow<'_>) -> bool {
    match (subject_of(wide), subject_of(narrow)) {
        (Some(a), Some(b)) => {
            (wide.meta.namespace.is_none() && a.is_empty())
                || (wide.meta.namespace == narrow.meta.namespace && selector(a, b))
        }
        _ => false,
    }
}

fn subject_of<'a>(allow: &Allow<'a>) -> Option<&'a Selector> {
    match allow.body {
        Body::Network(policy, _) => Some(&policy.subject),
        Body::Cilium(_, spec, _) => match &spec.subject {
            CiliumSubject::Endpoints(selector) => Some(selector),
            CiliumSubject::Nodes(_) => None,
        },
        Body::Tier(..) => None,
    }
}

/// Whether the peers of some rules are, together, whatever the peers of one rule are.
pub(crate) fn peers(wide: &[&Allow<'_>], narrow: &Allow<'_>) -> bool {
    match narrow.body {
        Body::Network(policy, rule) => {
            let holds = |peer: &NetworkPeer| {
                wide.iter().any(|other| match other.body {
                    Body::Network(of, rule) => {
                        rule.peers.is_empty()
                            || rule.peers.iter().any(|known| {
                                network_peer(known, peer, of.meta.namespace == policy.meta.namespace)
                            })
                    }
                    _ => false,
                })
            };
            if rule.peers.is_empty() { has_rule_for_all(wide) } else { rule.peers.iter().all(holds) }
        }
        Body::Cilium(policy, _, rule) => {
            let holds = |peer: &CiliumPeer| {
                wide.iter().any(|other| match other.body {
                    Body::Cilium(of, _, rule) if rule.requires.is_empty() => {
                        rule.peers.as_ref().is_none_or(|peers| {
                            peers.iter().any(|known| {
                                cilium_peer(known, peer, of.meta.namespace == policy.meta.namespace)
                            })
                        })
                    }
                    _ => false,
                })
            };
            match &rule.peers {
                None => has_rule_for_all(wide),
                Some(peers) => peers.iter().all(holds),
            }
        }
        Body::Tier(..) => false,
    }
}

fn has_rule_for_all(rules: &[&Allow<'_>]) -> bool {
    rules.iter().any(|rule| match rule.body {
        Body::Network(_, rule) => rule.peers.is_empty(),
        Body::Cilium(_, _, rule) => rule.peers.is_none() && rule.requires.is_empty(),
        Body::Tier(..) => false,
    })
}

fn network_peer(wide: &NetworkPeer, narrow: &NetworkPeer, same_namespace: bool) -> bool {
    match (wide, narrow) {
        (NetworkPeer::Pods { namespace: a, pod: x, .. }, NetworkPeer::Pods { namespace: b, pod: y, .. }) => {
            let namespaces = match (a, b) {
                (None, None) => same_namespace,
                (Some(a), Some(b)) => selector(a, b),
                (Some(a), None) => a.is_empty(),
                (None, Some(_)) => false,
            };
            let pods = match (x, y) {
                (None, _) => true,
                (Some(x), Some(y)) => selector(x, y),
                (Some(x), None) => x.is_empty(),
            };
            namespaces && pods
        }
        (
            NetworkPeer::IpBlock { cidr: a, except: x, .. },
            NetworkPeer::IpBlock { cidr: b, except: y, .. },
        ) => IpSet::block(a, x).contains_set(&IpSet::block(b, y)),
        _ => false,
    }
}

fn cilium_peer(wide: &CiliumPeer, narrow: &CiliumPeer, same_namespace: bool) -> bool {
    match (wide, narrow) {
        (CiliumPeer::Entity(Entity::All, _), _) => true,
        (CiliumPeer::Entity(a, _), CiliumPeer::Entity(b, _)) => a == b,
        (CiliumPeer::Entity(Entity::Cluster, _), CiliumPeer::Endpoints(..)) => true,
        (CiliumPeer::Endpoints(a, _), CiliumPeer::Endpoints(b, _)) => same_namespace && selector(a, b),
        (CiliumPeer::Cidr { cidr: a, except: x, .. }, CiliumPeer::Cidr { cidr: b, except: y, .. }) => {
            IpSet::block(a, x).contains_set(&IpSet::block(b, y))
        }
        (CiliumPeer::Fqdn(a, _), CiliumPeer::Fqdn(b, _)) => a == b,
        (CiliumPeer::Service(a, _), CiliumPeer::Service(b, _)) => a == b,
        _ => false,
    }
}
