//! One side of a connection, tier by tier. In: what applies to the subject and how far each rule matches. Out: the
//! side's outcome with its reasons. Both a single verdict and all pairs at once are decided here.

use std::sync::Arc;

use ringfence_model::{
    origin::Origin,
    tier::Action,
    verdict::{Missing, Outcome, Reason, Side},
};

use super::{
    rule::{Level, Rule, RuleSet},
    truth::{Alternative, Match, either, provided},
};

/// How the rules of a set match one connection.
pub(super) trait Probe {
    /// Whether anybody reads the reasons; they cost more than the outcome.
    const REASONS: bool;
    /// Whether equal priorities that disagree are decided by the most restrictive rule, as a data plane must, instead of
    /// leaving it open.
    const STRICTEST: bool = false;
    /// Whether the rule matches.
    fn matches(&self, rule: &Rule) -> Match;
    /// Where the peer that matched is written.
    fn peer(&self, rule: &Rule) -> Origin;
    /// Whether the other end is the subject's own node.
    fn own_node(&self) -> &Match;
    /// The reasons beside the isolating policies when nothing lets the connection through.
    fn near_miss(&self, set: &RuleSet) -> Option<Reason>;
}

fn side(outcome: Outcome, reasons: Vec<Reason>) -> Side {
    Side { outcome, conditions: Vec::new(), missing: Vec::new(), reasons }
}

/// The reasons, if anybody reads them.
fn because<P: Probe, I: IntoIterator<Item = Reason>>(reasons: impl FnOnce() -> I) -> Vec<Reason> {
    if P::REASONS { reasons().into_iter().collect() } else { Vec::new() }
}

fn reason<P: Probe>(probe: &P, rule: &Rule) -> Reason {
    Reason::Rule(rule.reference(probe.peer(rule)))
}

/// Decides one side.
pub(super) fn decide<P: Probe>(set: &RuleSet, probe: &P) -> Side {
    levels(&set.admin, probe, &|passed| network(set, probe, passed))
}

/// What to do when a tier does not decide; the rules that handed on are given.
type Next<'a> = &'a dyn Fn(&[Reason]) -> Side;

/// The first matching rule of the levels decides.
fn levels<P: Probe>(levels_left: &[Level], probe: &P, next: Next<'_>) -> Side {
    let Some((level, rest)) = levels_left.split_first() else { return next(&[]) };
    first_matches(level, Vec::new(), probe, &|found| resolve(found, rest, probe, next))
}

/// Finds the first matching rule of each policy of a level, in every possible world.
fn first_matches<P: Probe>(
    policies: &[Vec<Arc<Rule>>],
    found: Vec<Arc<Rule>>,
    probe: &P,
    then: &dyn Fn(&[Arc<Rule>]) -> Side,
) -> Side {
    let Some((rules, rest)) = policies.split_first() else { return then(&found) };
    first_match(rules, rest, found, probe, then)
}

fn first_match<P: Probe>(
    rules: &[Arc<Rule>],
    policies: &[Vec<Arc<Rule>>],
    found: Vec<Arc<Rule>>,
    probe: &P,
    then: &dyn Fn(&[Arc<Rule>]) -> Side,
) -> Side {
    let mut rules = rules;
    while let Some((rule, later)) = rules.split_first() {
        let with_rule = || {
            let mut found = found.clone();
            found.push(rule.clone());
            first_matches(policies, found, probe, then)
        };
        match probe.matches(rule) {
            Match::No => rules = later,
            Match::Yes => return with_rule(),
            Match::Perhaps(ways) => {
                let otherwise = first_match(later, policies, found.clone(), probe, then);
                return fork(&ways, &with_rule(), otherwise);
            }
        }
    }
    first_matches(policies, found, probe, then)
}

/// Conditions come first, then missing facts around them, those that leave conditions innermost: whether a fact
/// matters depends on all conditions.
fn rank(way: &Alternative) -> (bool, bool) {
    (!way.facts.is_empty(), way.conditions.is_empty())
}

/// The answer when a rule matches in one of several uncertain ways.
fn fork(ways: &[Alternative], matched: &Side, otherwise: Side) -> Side {
    let mut ordered: Vec<&Alternative> = ways.iter().collect();
    ordered.sort_by_key(|way| rank(way));
    ordered.into_iter().fold(otherwise, |otherwise, way| {
        let conditional = if way.conditions.is_empty() {
            matched.clone()
        } else {
            provided(matched.clone(), otherwise.clone(), &way.conditions)
        };
        if way.facts.is_empty() { conditional } else { either(conditional, otherwise, &way.facts) }
    })
}

/// What the rules that matched within one level lead to.
fn resolve<P: Probe>(found: &[Arc<Rule>], rest: &[Level], probe: &P, next: Next<'_>) -> Side {
    // The most restrictive first: its reasons stand if the order does not matter after all.
    let apply = |action: Action| {
        let rules = found.iter().filter(|rule| rule.action == action);
        let reasons = || because::<P, _>(|| rules.clone().map(|rule| reason(probe, rule)));
        match action {
            Action::Accept => side(Outcome::Allow, reasons()),
            Action::Deny => side(Outcome::Deny, reasons()),
            Action::Pass => {
                let passed = |rule: &Arc<Rule>| Reason::Passed(rule.reference(probe.peer(rule)));
                next(&because::<P, _>(|| rules.clone().map(passed)))
            }
        }
    };
    let mut actions = [Action::Deny, Action::Pass, Action::Accept]
        .into_iter()
        .filter(|action| found.iter().any(|rule| rule.action == *action));
    let Some(first) = actions.next() else { return levels(rest, probe, next) };
    if P::STRICTEST {
        return apply(first);
    }
    let order = || {
        let mut names: Vec<_> = found.iter().map(|rule| rule.policy.full_name().into()).collect();
        names.sort();
        names.dedup();
        [Missing::PriorityOrder(names)]
    };
    actions.fold(apply(first), |so_far, action| either(apply(action), so_far, &order()))
}

/// The tier of NetworkPolicies and Cilium policies.
fn network<P: Probe>(set: &RuleSet, probe: &P, passed: &[Reason]) -> Side {
    let mut uncertain: Vec<Alternative> = Vec::new();
    let mut certain: Vec<&Arc<Rule>> = Vec::new();
    let mut possible: Vec<&Arc<Rule>> = Vec::new();
    for rule in &set.deny {
        match probe.matches(rule) {
            Match::No => {}
            Match::Yes => certain.push(rule),
            Match::Perhaps(ways) => {
                possible.push(rule);
                uncertain.extend(ways);
            }
        }
    }
    let denied = |rules: &[&Arc<Rule>]| {
        let because =
            because::<P, _>(|| passed.iter().cloned().chain(rules.iter().map(|rule| reason(probe, rule))));
        side(Outcome::Deny, because)
    };
    if !certain.is_empty() {
        return denied(&certain);
    }
    let otherwise = match probe.own_node() {
        Match::No => allowed(set, probe, passed, false),
        Match::Yes => allowed(set, probe, passed, true),
        Match::Perhaps(ways) => {
            let own = allowed(set, probe, passed, true);
            let other = allowed(set, probe, passed, false);
            ways.iter().fold(other, |other, way| either(own.clone(), other, &way.facts))
        }
    };
    uncertain.iter().fold(otherwise, |otherwise, way| either(denied(&possible), otherwise, &way.facts))
}

/// Allow rules, isolation, and the Baseline tier, once no deny rule matches.
fn allowed<P: Probe>(set: &RuleSet, probe: &P, passed: &[Reason], own_node: bool) -> Side {
    let isolated = !set.isolating.is_empty();
    let allow = |reasons: Vec<Reason>| side(Outcome::Allow, passed.iter().cloned().chain(reasons).collect());
    if own_node && isolated {
        return allow(because::<P, _>(|| [Reason::OwnNode]));
    }
    let mut certain: Vec<&Arc<Rule>> = Vec::new();
    let mut uncertain: Vec<(&Arc<Rule>, Alternative)> = Vec::new();
    for rule in &set.allow {
        match probe.matches(rule) {
            Match::No => {}
            Match::Yes if !P::REASONS => return side(Outcome::Allow, Vec::new()),
            Match::Yes => certain.push(rule),
            Match::Perhaps(ways) => uncertain.extend(ways.into_iter().map(|way| (rule, way))),
        }
    }
    if !certain.is_empty() {
        let rules = || certain.iter().map(|rule| reason(probe, rule)).collect();
        return allow(if own_node { vec![Reason::OwnNode] } else { rules() });
    }
    let rest = if isolated {
        let isolating = || set.isolating.iter().cloned().map(Reason::Isolated);
        let reasons =
            because::<P, _>(|| passed.iter().cloned().chain(isolating()).chain(probe.near_miss(set)));
        side(Outcome::Deny, reasons)
    } else {
        let open = |passed: &[Reason]| {
            let reasons = || passed.iter().cloned().chain([Reason::NotIsolated]);
            side(Outcome::Allow, because::<P, _>(reasons))
        };
        let mut baseline = levels(&set.baseline, probe, &open);
        baseline.reasons.splice(0..0, passed.iter().cloned());
        baseline
    };
    uncertain.sort_by_key(|(_, way)| rank(way));
    uncertain.iter().fold(rest, |otherwise, (rule, way)| {
        let matched = allow(because::<P, _>(|| [reason(probe, rule)]));
        fork(std::slice::from_ref(way), &matched, otherwise)
    })
}
