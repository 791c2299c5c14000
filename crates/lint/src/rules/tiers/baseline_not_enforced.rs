//! A denial of the Baseline tier that NetworkPolicies override.

use std::sync::Arc;

use ringfence_model::{
    network_policy::{PolicyKind, PolicyMeta},
    tier::{Action, Tier},
    verdict::{Direction, Outcome, RuleRef},
    workload::PodId,
};
use ringfence_policy::{Judge as _, compiled::Isolation};

use super::{
    rules::{self, Ruled},
    witness,
};
use crate::{
    context::Context,
    finding::Findings,
    naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF604",
    name: "baseline-not-enforced",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a denial of the Baseline tier is overridden by NetworkPolicies of its subjects",
    what: "Reports a rule of the Baseline tier that denies connections with named peers if a NetworkPolicy allows a connection \
           that it denies: for none of its subjects is it in force (warning), or not for some (info). It keeps silent about a \
           denial of everything, which is a default and nothing else.",
    why: "The Baseline tier is looked at last, and not at all for pods that a NetworkPolicy isolates in the direction. Whoever \
          may write a NetworkPolicy may lift it; only the Admin tier binds everybody.",
    bad: Example::new(EXAMPLE_BASELINE),
    good: Example::new(EXAMPLE_ADMIN),
    check,
};

const EXAMPLE_BASELINE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: no-metadata}
spec:
  tier: Baseline
  priority: 10
  subject:
    namespaces: {}
  egress:
    - action: Deny
      to:
        - networks: [169.254.169.254/32]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - ipBlock: {cidr: 0.0.0.0/0}
      ports: [{port: 80}, {port: 443}]
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
";

const EXAMPLE_ADMIN: &str = "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: no-metadata}
spec:
  tier: Admin
  priority: 10
  subject:
    namespaces: {}
  egress:
    - action: Deny
      to:
        - networks: [169.254.169.254/32]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - ipBlock: {cidr: 0.0.0.0/0}
      ports: [{port: 80}, {port: 443}]
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
";

/// Groups of subjects that are asked about.
const GROUPS: usize = 32;

fn check(context: &Context<'_>, findings: &mut Findings) {
    if !context.cluster.tier_policies.iter().any(|policy| policy.tier == Tier::Baseline) {
        return;
    }
    for ruled in rules::all(context) {
        let broad =
            rules::names_every_pod(&ruled.rule.peers) || rules::names_every_address(&ruled.rule.peers);
        let denies = ruled.policy.tier == Tier::Baseline && ruled.rule.action == Action::Deny;
        if denies && !broad && !ruled.policy.meta.audit {
            look(context, &ruled, findings);
        }
    }
}

/// Whether a policy is between the two tiers.
fn is_between(meta: &Arc<PolicyMeta>) -> bool {
    matches!(
        meta.kind,
        PolicyKind::NetworkPolicy
            | PolicyKind::CiliumNetworkPolicy
            | PolicyKind::CiliumClusterwideNetworkPolicy
    )
}

fn look(context: &Context<'_>, ruled: &Ruled<'_>, findings: &mut Findings) {
    let subject = context.scope.tier_subject(ruled.policy);
    let of = |pod: &PodId| subject.contains(*pod);
    let is_isolated = |isolation: &Isolation| isolation.isolating.iter().any(is_between);
    let groups = context.groups().iter().filter(|group| group.pods.iter().any(of));
    let (isolated, open): (Vec<_>, Vec<_>) = groups.partition(|group| is_isolated(group.of(ruled.direction)));
    let ends = witness::ends(context, &[ruled.rule]);
    let mut allowing: Option<(String, RuleRef)> = None;
    let mut lifted: Vec<PodId> = Vec::new();
    for group in isolated.iter().take(GROUPS) {
        let pods = witness::subjects(context, group.pods.iter().copied().filter(of));
        let found = witness::first(context, ruled.direction, &pods, &ends, &[&ruled.rule.ports], |flow| {
            let verdict = context.compiled.verdict(flow);
            let side = match ruled.direction {
                Direction::Ingress => verdict.ingress,
                Direction::Egress => verdict.egress,
            };
            let rule = side.rules().find(|rule| is_between(&rule.policy))?.clone();
            (side.outcome == Outcome::Allow).then_some(rule)
        });
        if let Some((flow, rule)) = found {
            lifted.extend(group.pods.iter().copied().filter(of));
            allowing.get_or_insert_with(|| (witness::shown(context, &flow), rule));
        }
    }
    let Some((flow, rule)) = allowing else { return };
    let pods = naming::listed_pods(context.cluster, lifted);
    let whole = open.is_empty();
    let what =
        if whole { "is in force for none of its subjects" } else { "is not in force for all subjects" };
    let finding = findings.report(ruled.place(context), format!("{} {what}", ruled.called()));
    finding
        .label(format!("not for {pods}: NetworkPolicies come first"))
        .related(rule.origin, format!("`{}` lets it through {flow}", rule.policy.full_name()))
        .help("put the rule in the Admin tier if it is to bind everybody");
    if !whole {
        finding.severity(Severity::Info);
    }
}
