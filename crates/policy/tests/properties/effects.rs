//! What policies and rules are for, against the reference: what is said to change nothing is taken out of the cluster, and what is
//! said to change something is held against the connection that shows it.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::Flow,
    network_policy::PolicyMeta,
    origin::Origin,
    port::Protocol,
    tier::Action,
    verdict::{Condition, Direction, Outcome, Reason, RuleRef, Side, Verdict},
};
use ringfence_policy::{
    Compiled, Judge, Reference,
    compiled::{Effect, Effects, Witness},
    generate::{self, describe, flows},
};

use crate::common::{Size, clusters};

/// What is to be taken away: whole policies and single rules.
#[derive(Default)]
struct Removed {
    policies: Vec<PolicyMeta>,
    rules: BTreeSet<RuleRef>,
}

impl Removed {
    fn policy(meta: &PolicyMeta) -> Self {
        Self { policies: vec![meta.clone()], rules: BTreeSet::new() }
    }

    fn rule(rule: &RuleRef) -> Self {
        Self { policies: Vec::new(), rules: [rule.clone()].into() }
    }

    fn has(&self, meta: &PolicyMeta, direction: Direction, deny: Option<bool>, index: usize) -> bool {
        self.rules.iter().any(|rule| {
            *rule.policy == *meta
                && rule.direction == direction
                && deny.is_none_or(|deny| deny == (rule.action == Action::Deny))
                && rule.index as usize == index
        })
    }

    fn strip<T>(
        &self,
        meta: &PolicyMeta,
        direction: Direction,
        deny: Option<bool>,
        list: &mut Vec<T>,
        before: &mut usize,
    ) {
        let first = *before;
        *before += list.len();
        let mut at = first;
        list.retain(|_| {
            at += 1;
            !self.has(meta, direction, deny, at - 1)
        });
    }

    /// The cluster without.
    fn from(&self, cluster: &Cluster) -> Cluster {
        let mut cluster = cluster.clone();
        cluster.network_policies.retain(|policy| !self.policies.contains(&policy.meta));
        cluster.tier_policies.retain(|policy| !self.policies.contains(&policy.meta));
        cluster.cilium_policies.retain(|policy| !self.policies.contains(&policy.meta));
        for policy in &mut cluster.network_policies {
            self.strip(&policy.meta, Direction::Ingress, None, &mut policy.ingress, &mut 0);
            self.strip(&policy.meta, Direction::Egress, None, &mut policy.egress, &mut 0);
        }
        for policy in &mut cluster.tier_policies {
            self.strip(&policy.meta, Direction::Ingress, None, &mut policy.ingress, &mut 0);
            self.strip(&policy.meta, Direction::Egress, None, &mut policy.egress, &mut 0);
        }
        for policy in &mut cluster.cilium_policies {
            let [mut a, mut b, mut c, mut d] = [0; 4];
            for spec in &mut policy.specs {
                self.strip(&policy.meta, Direction::Ingress, Some(false), &mut spec.ingress, &mut a);
                self.strip(&policy.meta, Direction::Ingress, Some(true), &mut spec.ingress_deny, &mut b);
                self.strip(&policy.meta, Direction::Egress, Some(false), &mut spec.egress, &mut c);
                self.strip(&policy.meta, Direction::Egress, Some(true), &mut spec.egress_deny, &mut d);
            }
        }
        cluster
    }
}

fn side(verdict: &Verdict, direction: Direction) -> &Side {
    match direction {
        Direction::Egress => &verdict.egress,
        Direction::Ingress => &verdict.ingress,
    }
}

fn essence(side: &Side) -> (Outcome, BTreeSet<Condition>) {
    (side.outcome, side.conditions.iter().cloned().collect())
}

/// Whether a packet of the flow can be.
fn possible(flow: &Flow) -> bool {
    match flow.protocol {
        Protocol::Icmp => flow.family == Family::V4,
        Protocol::Icmpv6 => flow.family == Family::V6,
        _ => flow.port > 0,
    }
}

fn report(title: &str, seed: u64, cluster: &Cluster, flow: &Flow, [before, after]: [&Verdict; 2]) -> String {
    let shows = format!("Seed {seed}.\nBefore {}\nAfter {}", describe(before), describe(after));
    generate::case(title, &shows, cluster, flow, before.outcome)
}

/// What taking something away that changes nothing changes all the same.
fn changed(seed: u64, cluster: &Cluster, removed: &Removed, flows: &[(Flow, Verdict)]) -> Option<String> {
    let without = removed.from(cluster);
    let judge = Reference { cluster: &without };
    flows.iter().find_map(|(flow, before)| {
        let after = judge.verdict(flow);
        let same = [Direction::Egress, Direction::Ingress]
            .into_iter()
            .all(|direction| essence(side(before, direction)) == essence(side(&after, direction)));
        let named: Vec<String> = removed.policies.iter().map(PolicyMeta::full_name).collect();
        let rules: Vec<String> = (removed.rules.iter())
            .map(|rule| {
                format!("{} {:?} {:?} {}", rule.policy.full_name(), rule.direction, rule.action, rule.index)
            })
            .collect();
        let title = format!("Without {named:?} {rules:?}");
        (!same).then(|| report(&title, seed, cluster, flow, [before, &after]))
    })
}

/// Why a witness does not show a difference.
fn unfounded(seed: u64, cluster: &Cluster, removed: &Removed, witness: &Witness) -> Option<String> {
    let without = removed.from(cluster);
    let before = Reference { cluster }.verdict(&witness.flow);
    let after = Reference { cluster: &without }.verdict(&witness.flow);
    let (a, b) = (side(&before, witness.direction), side(&after, witness.direction));
    let side_differs = essence(a) != essence(b);
    let outcomes = (a.outcome, b.outcome) == (witness.before, witness.after);
    let whole =
        |verdict: &Verdict| (verdict.outcome, essence(&verdict.egress).1, essence(&verdict.ingress).1);
    let decided = before.outcome != Outcome::Unknown && after.outcome != Outcome::Unknown;
    let verdict = decided && whole(&before) != whole(&after);
    let right = side_differs && outcomes && verdict == witness.verdict;
    (!right).then(|| {
        let title = format!("Witness {:?} {witness:?}", removed.rules);
        report(&title, seed, cluster, &witness.flow, [&before, &after])
    })
}

/// What is wrong with an effect.
fn wrong(
    seed: u64,
    cluster: &Cluster,
    removed: &Removed,
    effect: &Effect,
    flows: &[(Flow, Verdict)],
) -> Option<String> {
    match effect {
        Effect::Changes(witness) => unfounded(seed, cluster, removed, witness),
        Effect::MayChange(missing) => missing.is_empty().then(|| "nothing is missing".to_owned()),
        // What is no pod's changes nothing for reasons that other tests look at.
        Effect::SelectsNothing | Effect::NotInEffect => {
            changed(seed, cluster, removed, flows.get(..10).unwrap_or(flows))
        }
        Effect::PeersMatchNothing | Effect::None { .. } => changed(seed, cluster, removed, flows),
    }
}

fn is(reason: &Reason, wanted: &RuleRef) -> bool {
    match reason {
        Reason::Rule(rule) | Reason::Passed(rule) => {
            RuleRef { peer: Origin::NONE, ..rule.clone() } == *wanted
        }
        _ => false,
    }
}

/// A flow that a rule decides about that is said to be never reached, or that something behind a rule decides about.
fn reached(
    rule: &RuleRef,
    by: Option<bool>,
    behind: Option<bool>,
    flows: &[(Flow, Verdict)],
) -> Option<String> {
    flows.iter().find_map(|(flow, verdict)| {
        let side = side(verdict, rule.direction);
        if side.outcome == Outcome::Unknown || !side.reasons.iter().any(|reason| is(reason, rule)) {
            return None;
        }
        let later = side.reasons.iter().any(|reason| match reason {
            Reason::Rule(_) | Reason::Isolated(_) => !is(reason, rule),
            _ => false,
        });
        let wrong = by == Some(false) || (behind == Some(false) && later);
        wrong.then(|| format!("{rule:?} {by:?} {behind:?}\n{flow:?}\n{}", describe(verdict)))
    })
}

fn check(
    seed: u64,
    cluster: &Cluster,
    effects: &Effects,
    kinds: &mut BTreeMap<String, usize>,
) -> Option<String> {
    let judge = Reference { cluster };
    // A flow in a family of which an end has no address is none.
    let none = |side: &Side| side.reasons.iter().any(|reason| matches!(reason, Reason::NoAddress(_)));
    let flows = flows(seed, cluster, 200).into_iter().filter(possible).map(|flow| {
        let verdict = judge.verdict(&flow);
        (flow, verdict)
    });
    let flows: Vec<(Flow, Verdict)> =
        flows.filter(|(_, verdict)| !none(&verdict.egress) && !none(&verdict.ingress)).collect();
    let mut count = |what: &str, effect: &Effect| {
        let kind = match effect {
            Effect::NotInEffect => "off",
            Effect::SelectsNothing => "no pod",
            Effect::PeersMatchNothing => "no peer",
            Effect::Changes(_) => "changes",
            Effect::MayChange(_) => "may",
            Effect::None { .. } => "idle",
        };
        *kinds.entry(format!("{what} {kind}")).or_default() += 1;
    };
    let mut all = Removed::default();
    for policy in effects.policies() {
        count("policy", &policy.effect);
        let removed = Removed::policy(&policy.policy);
        if let Some(case) = wrong(seed, cluster, &removed, &policy.effect, &flows) {
            return Some(case);
        }
        if policy.removable {
            all.policies.push(PolicyMeta::clone(&policy.policy));
        }
        for rule in &policy.rules {
            count("rule", &rule.effect);
            let removed = Removed::rule(&rule.rule);
            let case = wrong(seed, cluster, &removed, &rule.effect, &flows)
                .or_else(|| reached(&rule.rule, rule.reached, rule.behind, &flows));
            if case.is_some() {
                return case;
            }
            if rule.removable {
                all.rules.insert(rule.rule.clone());
            }
        }
    }
    changed(seed, cluster, &all, &flows)
}

#[test]
fn effects_agree_with_the_reference() {
    let mut kinds = BTreeMap::new();
    let mut cases = clusters(100).filter_map(|seed| {
        let cluster = generate::cluster(seed, &Size::SMALL);
        check(seed, &cluster, &Compiled::new(cluster.clone()).effects(), &mut kinds)
    });
    let (case, more) = (cases.next(), cases.count());
    println!("{kinds:?}");
    assert!(case.is_none(), "{}\n{more} more clusters differ", case.unwrap_or_default());
    if std::env::var_os("RINGFENCE_SEED").is_none() {
        for kind in [
            "policy changes",
            "policy idle",
            "policy no pod",
            "rule changes",
            "rule idle",
            "rule no peer",
            "rule may",
        ] {
            assert!(kinds.contains_key(kind), "no {kind} among {kinds:?}");
        }
    }
}
