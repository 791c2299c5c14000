//! A rule of a tier that earlier ones leave nothing for.

use ringfence_model::{
    network_policy::PolicyKind,
    tier::{Action, Tier, TierPolicy, TierRule},
    verdict::RuleRef,
};
use ringfence_policy::compiled::Effect;

use super::rules::{self, Ruled};
use crate::{
    context::Context,
    copies::copies,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF602",
    name: "rule-never-reached",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "earlier rules decide about everything that a rule of a tier matches",
    what: "Reports a rule of the Admin or Baseline tier that decides about no connection, because rules before it (of the same \
           policy, of a smaller priority, or of the Admin tier) always come first. If they decide as the rule does, it is only \
           too much (info). The engine proves it for the pods given and for all addresses; it keeps silent if the input has no \
           pods for one of the rule's peers, if the rule is for all pods of the cluster and none of the earlier ones is, if \
           a NetworkPolicy is what comes first, and about copies of whole policies (`duplicate-policy`).",
    why: "The first rule that matches decides. What stands behind it says something that is not so.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: egress}
spec:
  tier: Admin
  priority: 10
  subject:
    namespaces: {}
  egress:
    - action: Accept
      to:
        - networks: [0.0.0.0/0]
    - action: Deny
      to:
        - networks: [169.254.169.254/32]
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: egress}
spec:
  tier: Admin
  priority: 10
  subject:
    namespaces: {}
  egress:
    - action: Deny
      to:
        - networks: [169.254.169.254/32]
    - action: Accept
      to:
        - networks: [0.0.0.0/0]
",
    ),
    check,
};

/// Those that come first are named up to this number.
const NAMED: usize = 3;

fn check(context: &Context<'_>, findings: &mut Findings) {
    let ruled = rules::all(context);
    let copies = if ruled.is_empty() { Vec::new() } else { copies(context) };
    for ruled in ruled {
        // The policy as a whole is one too many: see `duplicate-policy`.
        if copies.iter().any(|(copy, _)| **copy == ruled.policy.meta) {
            continue;
        }
        let Effect::None { covered_by, isolated_by } = &ruled.effect.effect else { continue };
        if ruled.effect.reached != Some(false) || !rules::peers_are_given(context, &ruled.rule.peers) {
            continue;
        }
        // For want of NetworkPolicies, a Baseline rule would decide: see `baseline-not-enforced`.
        let network = |rule: &RuleRef| rules::find(context, rule).is_none();
        if ruled.policy.tier == Tier::Baseline && (!isolated_by.is_empty() || covered_by.iter().any(network))
        {
            continue;
        }
        let first = coming_first(context, &ruled, covered_by);
        let all = rules::names_every_pod(&ruled.rule.peers);
        if first.is_empty() || (all && !first.iter().any(|(_, rule, _)| rules::names_every_pod(&rule.peers)))
        {
            continue;
        }
        report(context, &ruled, &first, findings);
    }
}

type First<'a> = (&'a TierPolicy, &'a TierRule, u32);

/// The rules of the tiers that decide in its place, or pass on before it.
fn coming_first<'a>(context: &'a Context<'_>, ruled: &Ruled<'a>, covered_by: &[RuleRef]) -> Vec<First<'a>> {
    let mut first: Vec<First<'a>> = (covered_by.iter())
        .filter_map(|rule| rules::find(context, rule).map(|(policy, found)| (policy, found, rule.index)))
        .filter(|(policy, _, _)| policy.tier <= ruled.policy.tier)
        .collect();
    let behind =
        |policy: &TierPolicy| (policy.tier, policy.priority) > (ruled.policy.tier, ruled.policy.priority);
    first.retain(|(policy, ..)| !behind(policy));
    for (policy, index, rule) in passing(context, ruled) {
        first.push((policy, rule, index));
    }
    first
}

/// Earlier rules of the tier that pass on something that the rule matches.
fn passing<'a>(context: &'a Context<'_>, ruled: &Ruled<'a>) -> Vec<(&'a TierPolicy, u32, &'a TierRule)> {
    let subject = context.scope.tier_subject(ruled.policy);
    let own = super::witness::pods(context, ruled.rule);
    let meets = |rule: &TierRule| {
        rule.action == Action::Pass
            && (super::witness::pods(context, rule).intersects(&own)
                || !super::witness::ends(context, &[rule, ruled.rule]).is_empty())
    };
    let mut found = Vec::new();
    let before = |policy: &&TierPolicy| {
        policy.tier == ruled.policy.tier && policy.priority <= ruled.policy.priority && !policy.meta.audit
    };
    for policy in context.cluster.tier_policies.iter().filter(before) {
        let own = rules::is_same(&policy.meta, &ruled.policy.meta);
        if !own && !context.scope.tier_subject(policy).intersects(&subject) {
            continue;
        }
        for (index, rule) in (0..).zip(rules::of(policy, ruled.direction)) {
            if (!own || index < ruled.effect.rule.index) && meets(rule) {
                found.push((policy, index, rule));
            }
        }
    }
    found
}

fn report(context: &Context<'_>, ruled: &Ruled<'_>, first: &[First<'_>], findings: &mut Findings) {
    let alike = first.iter().all(|(_, rule, _)| rule.action == ruled.rule.action);
    let word = |kind: PolicyKind, action| rules::action(kind, action);
    let finding = findings.report(
        ruled.place(context),
        format!("{} is never reached: earlier rules decide about all that it matches", ruled.called()),
    );
    let own = word(ruled.policy.meta.kind, ruled.rule.action);
    if alike {
        finding.severity(Severity::Info).label(format!("they say `{own}` as well"));
        finding.help("remove the rule, or widen it to what it is meant for");
    } else {
        finding.label(format!("this `{own}` has no effect"));
        finding.help("put the rule before them, give its policy a smaller `priority`, or remove it");
    }
    for (policy, rule, index) in first.iter().take(NAMED) {
        finding.related(
            rules::action_place(context, rule),
            format!(
                "{} says `{}`",
                rules::called(&policy.meta, rule, ruled.direction, *index),
                word(policy.meta.kind, rule.action)
            ),
        );
    }
}
