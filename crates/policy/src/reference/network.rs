//! The tier between the two: NetworkPolicy (`networking.k8s.io/v1`) beside Cilium's policies. In: one side of a flow.
//! Out: which rules deny or allow, who isolates, and what follows.

use std::{collections::BTreeSet, sync::Arc};

use ringfence_model::{
    address::IpSet,
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule, PolicyMeta},
    origin::Origin,
    tier::Action,
    verdict::{Condition, Direction, Reason, RuleRef},
};

use super::{
    cilium,
    decision::Decision,
    matching::{Context, End, How, Match},
    ports,
    unknown::{Alike, Tree},
};

/// A rule with how it matches; its peer is filled in from the match.
pub(super) type Applied = (RuleRef, Tree<Match>);

/// What the allow rules come to together.
#[derive(Clone, Debug)]
enum Allowed {
    No,
    If(BTreeSet<Condition>, Vec<RuleRef>),
    Yes(Vec<RuleRef>),
}

impl Alike for Allowed {
    fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::No, Self::No) | (Self::Yes(_), Self::Yes(_)) => true,
            (Self::If(left, _), Self::If(right, _)) => left == right,
            _ => false,
        }
    }
}

/// Everything that the tier says about one side.
#[derive(Debug)]
pub(super) struct Network {
    denied: Tree<Option<Decision>>,
    own_node: Tree<bool>,
    allowed: Tree<Allowed>,
    isolating: Vec<Arc<PolicyMeta>>,
}

impl Network {
    /// Looks at every NetworkPolicy and Cilium policy.
    pub(super) fn of(context: &Context<'_>) -> Self {
        let denied = any_denies(&cilium::deny_rules(context));
        let own_node = context.own_node();
        let policies: Vec<&NetworkPolicy> =
            context.cluster.network_policies.iter().filter(|policy| isolates(context, policy)).collect();
        let rules = policies.iter().flat_map(|policy| allow_rules(context, policy));
        let applied: Vec<Applied> = rules.chain(cilium::allow_rules(context)).collect();
        let mut isolating: Vec<Arc<PolicyMeta>> =
            policies.iter().map(|policy| Arc::clone(&policy.meta)).collect();
        isolating.extend(cilium::isolating(context));
        Self { denied, own_node, allowed: all_allowed(&applied), isolating }
    }

    /// What the tier decides; `next` is what follows it where nothing isolates the subject.
    pub(super) fn decide(&self, next: &Tree<Decision>) -> Tree<Decision> {
        let isolated = !self.isolating.is_empty();
        let otherwise = if isolated {
            Tree::Known(Decision::deny(self.isolating.iter().cloned().map(Reason::Isolated).collect()))
        } else {
            next.clone()
        };
        let ways =
            self.own_node.zip(&self.allowed, &|own, allowed| Way { own: *own, allowed: allowed.clone() });
        self.denied.then(&|denied| match denied {
            Some(denied) => Tree::Known(denied.clone()),
            None => ways.then(&|way| match &way.allowed {
                Allowed::Yes(_) if way.own => Tree::Known(Decision::allow(vec![Reason::OwnNode])),
                _ if way.own && isolated => Tree::Known(Decision::allow(vec![Reason::OwnNode])),
                Allowed::Yes(rules) => Tree::Known(Decision::allow(as_reasons(rules))),
                Allowed::If(conditions, rules) => {
                    let with = Decision::allow(as_reasons(rules));
                    otherwise.map(&|without| with.given(conditions, without))
                }
                Allowed::No => otherwise.clone(),
            }),
        })
    }
}

/// What leads on after the deny rules.
#[derive(Clone, Debug)]
struct Way {
    own: bool,
    allowed: Allowed,
}

impl Alike for Way {
    fn alike(&self, other: &Self) -> bool {
        self.own == other.own && self.allowed.alike(&other.allowed)
    }
}

fn as_reasons(rules: &[RuleRef]) -> Vec<Reason> {
    rules.iter().cloned().map(Reason::Rule).collect()
}

fn by_peer(rule: &RuleRef, peer: Origin) -> RuleRef {
    RuleRef { peer, ..rule.clone() }
}

/// All deny rules that match. A deny rule has no conditions.
fn any_denies(rules: &[Applied]) -> Tree<Option<Decision>> {
    rules.iter().fold(Tree::Known(None), |all, (rule, found)| {
        all.zip(found, &|earlier, found| match (earlier, &found.how) {
            (_, How::No | How::If(_)) => earlier.clone(),
            (earlier, How::Yes) => {
                let mut reasons = earlier.as_ref().map_or_else(Vec::new, |denied| denied.reasons.clone());
                reasons.push(Reason::Rule(by_peer(rule, found.peer)));
                Some(Decision::deny(reasons))
            }
        })
    })
}

/// All allow rules that match: those without conditions if there is any, else those with.
fn all_allowed(rules: &[Applied]) -> Tree<Allowed> {
    rules.iter().fold(Tree::Known(Allowed::No), |all, (rule, found)| {
        all.zip(found, &|earlier, found| {
            let one = vec![by_peer(rule, found.peer)];
            match (earlier, &found.how) {
                (earlier, How::No) | (earlier @ Allowed::Yes(_), How::If(_)) => earlier.clone(),
                (Allowed::Yes(rules), How::Yes) => Allowed::Yes([rules.clone(), one].concat()),
                (_, How::Yes) => Allowed::Yes(one),
                (Allowed::No, How::If(conditions)) => Allowed::If(conditions.clone(), one),
                (Allowed::If(conditions, rules), How::If(more)) => {
                    Allowed::If(conditions.union(more).cloned().collect(), [rules.clone(), one].concat())
                }
            }
        })
    })
}

/// Whether a NetworkPolicy isolates the subject in the direction.
fn isolates(context: &Context<'_>, policy: &NetworkPolicy) -> bool {
    let in_direction = match context.direction {
        Direction::Ingress => policy.isolates_ingress,
        Direction::Egress => policy.isolates_egress,
    };
    in_direction
        && !policy.meta.audit
        && policy.meta.namespace.as_ref() == Some(&context.subject.namespace)
        && policy.subject.matches(&context.subject.labels)
}

/// The rules of a NetworkPolicy in the direction, each with how it matches.
fn allow_rules(context: &Context<'_>, policy: &NetworkPolicy) -> Vec<Applied> {
    let rules = match context.direction {
        Direction::Ingress => &policy.ingress,
        Direction::Egress => &policy.egress,
    };
    let applied = |(index, rule): (u32, &NetworkRule)| {
        let reference = RuleRef {
            policy: Arc::clone(&policy.meta),
            direction: context.direction,
            index,
            action: Action::Accept,
            origin: rule.origin,
            peer: Origin::NONE,
        };
        (reference, rule_matches(context, policy, rule))
    };
    (0..).zip(rules).map(applied).collect()
}

fn rule_matches(context: &Context<'_>, policy: &NetworkPolicy, rule: &NetworkRule) -> Tree<Match> {
    if !ports::covered(context, &rule.ports, context.cluster.profile.end_port) {
        return Tree::known(false);
    }
    if rule.peers.is_empty() {
        return Tree::known(true);
    }
    Tree::any(rule.peers.iter().map(|peer| peer_matches(context, policy, peer)))
}

fn peer_matches(context: &Context<'_>, policy: &NetworkPolicy, peer: &NetworkPeer) -> Tree<Match> {
    match peer {
        NetworkPeer::Pods { namespace, pod, origin } => {
            let matches = context.other_pod().is_some_and(|other| {
                let in_namespace = match namespace {
                    None => policy.meta.namespace.as_ref() == Some(&other.namespace),
                    Some(selector) => selector.matches(&context.namespace_labels(&other.namespace)),
                };
                in_namespace && pod.as_ref().is_none_or(|selector| selector.matches(&other.labels))
            });
            Tree::Known(Match::by(*origin, matches))
        }
        NetworkPeer::IpBlock { cidr, except, origin } => {
            let in_cluster = match context.other {
                End::Pod(..) => true,
                End::Address(_) => !context.other_is_world(),
                End::Name(_) => false,
            };
            if in_cluster && !context.cluster.profile.ip_block_matches_cluster {
                return Tree::known(false);
            }
            context.in_networks(&IpSet::block(cidr, except)).at(*origin)
        }
    }
}
