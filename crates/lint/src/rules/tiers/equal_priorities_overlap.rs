//! Two policies of one priority that disagree.

use std::collections::BTreeMap;

use ringfence_model::{
    flow::Flow,
    network_policy::PolicyKind,
    tier::{Tier, TierPolicy, TierRule},
    verdict::{Direction, Missing},
    workload::PodId,
};
use ringfence_policy::Judge as _;

use super::{rules, witness};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF601",
    name: "equal-priorities-overlap",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "two policies of a tier have one priority, and disagree about a connection",
    what: "Reports two policies of one tier and one priority if the engine finds a connection for which the first one decides \
           otherwise than the second: then nobody says which of them counts. It keeps silent if an earlier priority decides, \
           or if they agree about all that both match.",
    why: "The API leaves the order of policies with one priority open. One implementation drops what another lets through, \
          and the same one may change its mind when a policy is created anew.",
    bad: Example::new(EXAMPLE_EQUAL),
    good: Example::new(EXAMPLE_APART),
    check,
};

const EXAMPLE_EQUAL: &str = "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: v1
kind: Pod
metadata: {name: prometheus, namespace: monitoring, labels: {app: prometheus}}
---
apiVersion: v1
kind: Pod
metadata: {name: blog, namespace: blog, labels: {app: blog}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: scrape}
spec:
  tier: Admin
  priority: 10
  subject:
    namespaces: {}
  ingress:
    - action: Accept
      from:
        - namespaces:
            matchLabels: {kubernetes.io/metadata.name: monitoring}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: shop-alone}
spec:
  tier: Admin
  priority: 10
  subject:
    namespaces:
      matchLabels: {kubernetes.io/metadata.name: shop}
  ingress:
    - action: Deny
      from:
        - namespaces:
            matchExpressions:
              - {key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}
";

const EXAMPLE_APART: &str = "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: v1
kind: Pod
metadata: {name: prometheus, namespace: monitoring, labels: {app: prometheus}}
---
apiVersion: v1
kind: Pod
metadata: {name: blog, namespace: blog, labels: {app: blog}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: scrape}
spec:
  tier: Admin
  priority: 10
  subject:
    namespaces: {}
  ingress:
    - action: Accept
      from:
        - namespaces:
            matchLabels: {kubernetes.io/metadata.name: monitoring}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: shop-alone}
spec:
  tier: Admin
  priority: 20
  subject:
    namespaces:
      matchLabels: {kubernetes.io/metadata.name: shop}
  ingress:
    - action: Deny
      from:
        - namespaces:
            matchExpressions:
              - {key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}
";

/// How many groups of subjects are tried for two policies.
const GROUPS: usize = 4;

fn check(context: &Context<'_>, findings: &mut Findings) {
    for ((earlier, later), pods) in pairs(context) {
        let policies = &context.cluster.tier_policies;
        let (Some(earlier), Some(later)) = (policies.get(earlier), policies.get(later)) else { continue };
        if let Some(found) = disagreement(context, earlier, later, &pods) {
            report(context, earlier, later, &found, findings);
        }
    }
}

/// Policies of one level with a subject in common, with some of those.
fn pairs(context: &Context<'_>) -> BTreeMap<(usize, usize), Vec<PodId>> {
    let policies = &context.cluster.tier_policies;
    let mut pairs: BTreeMap<(usize, usize), Vec<PodId>> = BTreeMap::new();
    // They are sorted by tier and priority.
    if policies.is_sorted_by(|a, b| (a.tier, a.priority) < (b.tier, b.priority)) {
        return pairs;
    }
    let numbers: BTreeMap<_, usize> =
        policies.iter().zip(0..).map(|(policy, at)| ((policy.meta.kind, &policy.meta.name), at)).collect();
    let level = |at: usize| policies.get(at).map(|policy| (policy.tier, policy.priority));
    for group in context.groups() {
        let metas = group.ingress.selecting.iter().chain(&group.egress.selecting);
        let mut here: Vec<usize> =
            metas.filter_map(|meta| numbers.get(&(meta.kind, &meta.name)).copied()).collect();
        here.sort_unstable();
        here.dedup();
        for (nth, earlier) in here.iter().enumerate() {
            let rest = here.iter().skip(nth + 1);
            for later in rest.take_while(|later| level(**later) == level(*earlier)) {
                let pods = pairs.entry((*earlier, *later)).or_default();
                if pods.len() < GROUPS {
                    pods.extend(group.pods.iter().take(2));
                }
            }
        }
    }
    pairs
}

struct Disagreement<'a> {
    earlier: (&'a TierRule, u32),
    later: (&'a TierRule, u32),
    direction: Direction,
    flow: Flow,
}

fn disagreement<'a>(
    context: &Context<'_>,
    earlier: &'a TierPolicy,
    later: &'a TierPolicy,
    subjects: &[PodId],
) -> Option<Disagreement<'a>> {
    // Policies of the two versions of the API have no common order at all, which is a finding of its own.
    if (earlier.meta.kind == PolicyKind::ClusterNetworkPolicy)
        != (later.meta.kind == PolicyKind::ClusterNetworkPolicy)
    {
        return None;
    }
    let names = [earlier, later].map(|policy| policy.meta.full_name());
    for direction in [Direction::Ingress, Direction::Egress] {
        for (at, a) in (0..).zip(rules::of(earlier, direction)) {
            for (index, b) in (0..).zip(rules::of(later, direction)) {
                if a.action == b.action {
                    continue;
                }
                let ends = witness::ends(context, &[a, b]);
                let lists = [a.ports.as_slice(), b.ports.as_slice()];
                let found = witness::first(context, direction, subjects, &ends, &lists, |flow| {
                    let verdict = context.compiled.verdict(flow);
                    let side = match direction {
                        Direction::Ingress => &verdict.ingress,
                        Direction::Egress => &verdict.egress,
                    };
                    let undefined = side.missing.iter().any(|missing| match missing {
                        Missing::PriorityOrder(order) => {
                            names.iter().all(|name| order.iter().any(|known| **known == **name))
                        }
                        _ => false,
                    });
                    undefined.then_some(())
                });
                if let Some((flow, ())) = found {
                    return Some(Disagreement { earlier: (a, at), later: (b, index), direction, flow });
                }
            }
        }
    }
    None
}

fn report(
    context: &Context<'_>,
    earlier: &TierPolicy,
    later: &TierPolicy,
    found: &Disagreement<'_>,
    findings: &mut Findings,
) {
    let Disagreement { earlier: (a, at), later: (b, index), direction, flow } = found;
    let priority = |policy: &TierPolicy| {
        let place = context.places.root_value(policy.meta.origin, &["spec".into(), "priority".into()]);
        place.unwrap_or(policy.meta.origin)
    };
    let tier = match later.tier {
        Tier::Admin => "Admin",
        Tier::Baseline => "Baseline",
    };
    let word = |policy: &TierPolicy, rule: &TierRule| rules::action(policy.meta.kind, rule.action);
    findings
        .report(
            priority(later),
            format!(
                "`{}` and `{}` have one priority and disagree: nobody says which one counts",
                earlier.meta.name, later.meta.name
            ),
        )
        .label(format!("as that of `{}` in the {tier} tier", earlier.meta.name))
        .related(priority(earlier), "the other one")
        .related(
            rules::action_place(context, a),
            format!(
                "{} says `{}` {}",
                rules::called(&earlier.meta, a, *direction, *at),
                word(earlier, a),
                witness::shown(context, flow)
            ),
        )
        .related(
            rules::action_place(context, b),
            format!("{} says `{}`", rules::called(&later.meta, b, *direction, *index), word(later, b)),
        )
        .help("give the policy that is to win a smaller `priority`");
}
