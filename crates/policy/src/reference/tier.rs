//! The Admin and Baseline tiers (ClusterNetworkPolicy v1alpha2; AdminNetworkPolicy and BaselineAdminNetworkPolicy
//! v1alpha1). In: one side of a flow. Out: what the first matching rules do, level by level.

use std::{collections::BTreeSet, rc::Rc};

use ringfence_model::{
    Text,
    address::IpSet,
    cilium::FqdnMatch,
    tier::{Action, Tier, TierPeer, TierPolicy, TierRule, TierSubject},
    verdict::{Condition, Direction, Missing, Reason, RuleRef},
};

use super::{
    decision::Decision,
    l7,
    matching::{Context, End, How, Match},
    ports,
    unknown::{Alike, Test, Tree},
};

/// A rule that matches, under conditions if any are given.
#[derive(Clone, Debug)]
struct Candidate {
    conditions: Option<BTreeSet<Condition>>,
    rule: RuleRef,
}

impl Alike for Candidate {
    fn alike(&self, other: &Self) -> bool {
        self.conditions == other.conditions && self.rule.action == other.rule.action
    }
}

/// The matching rules of one policy in their order, up to the first that matches without condition.
#[derive(Clone, Debug)]
struct Matching {
    policy: Text,
    rules: Vec<Candidate>,
}

impl Alike for Matching {
    fn alike(&self, other: &Self) -> bool {
        self.rules.alike(&other.rules)
    }
}

/// The policies of one priority.
#[derive(Debug)]
struct Level {
    policies: Tree<Vec<Matching>>,
    /// The number of the test which of the policies is evaluated first.
    order: u32,
}

/// The matching rules of a tier, by priority.
#[derive(Debug)]
pub(super) struct Levels(Vec<Level>);

impl Levels {
    /// Looks at every policy of the tier.
    pub(super) fn of(context: &Context<'_>, tier: Tier) -> Self {
        let enforced = |policy: &&TierPolicy| policy.tier == tier && !policy.meta.audit;
        let policies = || context.cluster.tier_policies.iter().filter(enforced);
        let priorities: BTreeSet<i32> = policies().map(|policy| policy.priority).collect();
        let level = |priority: i32| {
            let mut all = Tree::Known(Vec::new());
            for policy in policies().filter(|policy| policy.priority == priority && selects(context, policy))
            {
                let name: Text = policy.meta.full_name().into();
                all = all.zip(&matching(context, policy), &|earlier, rules| {
                    let next = Matching { policy: name.clone(), rules: rules.clone() };
                    earlier.iter().cloned().chain([next]).collect()
                });
            }
            Level { policies: all, order: context.next_test() }
        };
        Self(priorities.into_iter().map(level).collect())
    }

    /// What the tier decides; `next` is what follows it, if no rule matches or one passes.
    pub(super) fn decide(&self, next: &Tree<Decision>) -> Tree<Decision> {
        self.0.iter().rev().fold(next.clone(), |rest, level| {
            level.policies.then(&|policies| resolve(policies, level.order, &rest, next))
        })
    }
}

/// What a level comes to. `rest` follows if nothing matches, `next` if a rule passes.
fn resolve(
    policies: &[Matching],
    order: u32,
    rest: &Tree<Decision>,
    next: &Tree<Decision>,
) -> Tree<Decision> {
    // A conditional rule first: what follows if its conditions hold, and what if it did not match.
    let conditional = policies.iter().enumerate().find_map(|(at, policy)| {
        let first = policy.rules.first()?;
        first.conditions.as_ref().map(|conditions| (at, first, conditions))
    });
    if let Some((at, first, conditions)) = conditional {
        let variant = |rules: &dyn Fn(&Matching) -> Vec<Candidate>| -> Vec<Matching> {
            let change = |(index, policy): (usize, &Matching)| {
                let rules = if index == at { rules(policy) } else { policy.rules.clone() };
                Matching { policy: policy.policy.clone(), rules }
            };
            policies.iter().enumerate().map(change).collect()
        };
        let held = Candidate { conditions: None, rule: first.rule.clone() };
        let with = resolve(&variant(&|_| vec![held.clone()]), order, rest, next);
        let without =
            resolve(&variant(&|policy| policy.rules.iter().skip(1).cloned().collect()), order, rest, next);
        return with.zip(&without, &|with, without| with.given(conditions, without));
    }
    let firsts: Vec<(&Text, &RuleRef)> =
        policies.iter().filter_map(|policy| Some((&policy.policy, &policy.rules.first()?.rule))).collect();
    let by = |action: Action| -> Vec<RuleRef> {
        firsts.iter().filter(|(_, rule)| rule.action == action).map(|(_, rule)| (*rule).clone()).collect()
    };
    let mut answers = Vec::new();
    let mut variant = 0;
    // From the least to the most restrictive, so that the reasons are those of the latter.
    for (bit, action) in [(1, Action::Accept), (2, Action::Pass), (4, Action::Deny)] {
        let rules = by(action);
        if rules.is_empty() {
            continue;
        }
        variant |= bit;
        let passed: Vec<Reason> = rules.iter().cloned().map(Reason::Passed).collect();
        let reasons: Vec<Reason> = rules.into_iter().map(Reason::Rule).collect();
        answers.push(match action {
            Action::Accept => Tree::Known(Decision::allow(reasons)),
            Action::Deny => Tree::Known(Decision::deny(reasons)),
            Action::Pass => next.map(&|decision| decision.after(&passed)),
        });
    }
    if answers.is_empty() {
        return rest.clone();
    }
    let names: BTreeSet<Text> = firsts.iter().map(|(policy, _)| (*policy).clone()).collect();
    let facts = vec![Missing::PriorityOrder(names.into_iter().collect())];
    Tree::depends(Rc::new(Test { number: order, variant, facts }), answers)
}

/// Whether the policy applies to the subject (which is never a host-network pod).
fn selects(context: &Context<'_>, policy: &TierPolicy) -> bool {
    let labels = context.namespace_labels(&context.subject.namespace);
    match &policy.subject {
        TierSubject::Namespaces(namespace) => namespace.matches(&labels),
        TierSubject::Pods { namespace, pod } => {
            namespace.matches(&labels) && pod.matches(&context.subject.labels)
        }
    }
}

/// The matching rules of a policy, up to the first that matches without condition.
fn matching(context: &Context<'_>, policy: &TierPolicy) -> Tree<Vec<Candidate>> {
    let rules = match context.direction {
        Direction::Ingress => &policy.ingress,
        Direction::Egress => &policy.egress,
    };
    let mut all: Tree<Vec<Candidate>> = Tree::Known(Vec::new());
    for (index, rule) in (0..).zip(rules) {
        // A rule with an unknown peer denies, unless it accepts: then it matches nothing.
        let action = if has_unknown_peer(rule) { Action::Deny } else { rule.action };
        all = all.zip(&rule_matches(context, rule), &|earlier, found| {
            let mut candidates = earlier.clone();
            let decided = earlier.iter().any(|candidate| candidate.conditions.is_none());
            let conditions = match &found.how {
                How::Yes => None,
                How::If(conditions) => Some(conditions.clone()),
                How::No => return candidates,
            };
            if !decided {
                candidates.push(Candidate {
                    conditions,
                    rule: RuleRef {
                        policy: policy.meta.clone(),
                        direction: context.direction,
                        index,
                        action,
                        origin: rule.origin,
                        peer: found.peer,
                    },
                });
            }
            candidates
        });
    }
    all
}

/// Whether the rule has a peer of a newer API. Then the rule as a whole fails closed (v1alpha2 API, `from` and `to`).
fn has_unknown_peer(rule: &TierRule) -> bool {
    rule.peers.iter().any(|peer| matches!(peer, TierPeer::Unknown(_)))
}

fn rule_matches(context: &Context<'_>, rule: &TierRule) -> Tree<Match> {
    if has_unknown_peer(rule) {
        return Tree::known(rule.action != Action::Accept);
    }
    if !ports::covered(context, &rule.ports, true) {
        return Tree::known(false);
    }
    Tree::any(rule.peers.iter().map(|peer| peer_matches(context, rule.action, peer)))
}

fn peer_matches(context: &Context<'_>, action: Action, peer: &TierPeer) -> Tree<Match> {
    match peer {
        TierPeer::Namespaces(namespace, origin) => Tree::Known(Match::by(
            *origin,
            context
                .other_pod()
                .is_some_and(|other| namespace.matches(&context.namespace_labels(&other.namespace))),
        )),
        TierPeer::Pods { namespace, pod, origin } => Tree::Known(Match::by(
            *origin,
            context.other_pod().is_some_and(|other| {
                namespace.matches(&context.namespace_labels(&other.namespace)) && pod.matches(&other.labels)
            }),
        )),
        TierPeer::Nodes(nodes, origin) => {
            context.node_with(nodes.is_empty(), |labels| nodes.matches(labels)).at(*origin)
        }
        TierPeer::Networks(networks, origin) => context.in_networks(&IpSet::from_nets(networks)).at(*origin),
        TierPeer::DomainNames(names, origin) => {
            if action != Action::Accept {
                return Tree::known(false);
            }
            match context.other {
                End::Name(name) => {
                    Tree::Known(Match::by(*origin, names.iter().any(|wanted| l7::fqdn(&below(wanted), name))))
                }
                End::Address(address) if !context.cluster.own_addresses().contains(address) => {
                    let resolved = |name: &Text| Condition::ResolvedFrom(as_written(name));
                    Tree::Known(Match::provided(*origin, names.iter().map(resolved).collect()))
                }
                End::Address(_) | End::Pod(..) => Tree::known(false),
            }
        }
        // Dealt with for the rule as a whole.
        TierPeer::Unknown(_) => Tree::known(false),
    }
}

/// A domain name as a condition.
fn as_written(name: &Text) -> FqdnMatch {
    if name.starts_with("*.") { FqdnMatch::Pattern(name.clone()) } else { FqdnMatch::Name(name.clone()) }
}

/// A domain name as a pattern: here `*.` stands for one or more labels.
fn below(name: &Text) -> FqdnMatch {
    match name.strip_prefix("*.") {
        Some(suffix) => FqdnMatch::Pattern(format!("**.{suffix}").into()),
        None => FqdnMatch::Name(name.clone()),
    }
}
