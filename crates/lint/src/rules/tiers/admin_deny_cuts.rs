//! A rule of a NetworkPolicy that allows only what the Admin tier denies.

use ringfence_model::{
    network_policy::PolicyKind,
    tier::{Action, Tier},
    verdict::RuleRef,
};
use ringfence_policy::compiled::Effect;

use super::rules;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF605",
    name: "admin-deny-cuts",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "the Admin tier denies everything that a rule of a NetworkPolicy allows",
    what: "Reports a rule of a NetworkPolicy or a Cilium policy with peers of which the Admin tier denies every connection \
           that the rule allows. The engine proves it for the pods given and for all addresses.",
    why: "Somebody took the trouble to name a connection that is to work, and it does not. The owner of the namespace cannot \
          see why: the Admin tier is looked at first, and is not among the policies of the namespace.",
    bad: Example::new(EXAMPLE_CUT),
    good: Example::new(EXAMPLE_PASSED),
    check,
};

const EXAMPLE_CUT: &str = "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: front, labels: {app: web}}
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
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: front}
";

const EXAMPLE_PASSED: &str = "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: front, labels: {app: web}}
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
    - action: Pass
      from:
        - namespaces:
            matchLabels: {kubernetes.io/metadata.name: front}
    - action: Deny
      from:
        - namespaces:
            matchExpressions:
              - {key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: front}
";

fn check(context: &Context<'_>, findings: &mut Findings) {
    if !context.cluster.tier_policies.iter().any(|policy| policy.tier == Tier::Admin) {
        return;
    }
    for policy in context.effects().policies() {
        if matches!(
            policy.policy.kind,
            PolicyKind::AdminNetworkPolicy
                | PolicyKind::ClusterNetworkPolicy
                | PolicyKind::BaselineAdminNetworkPolicy
        ) {
            continue;
        }
        for effect in policy.rules.iter().filter(|effect| effect.rule.action == Action::Accept) {
            let Effect::None { covered_by, isolated_by } = &effect.effect else { continue };
            let denies = |rule: &RuleRef| {
                rule.action == Action::Deny && rules::tier_of(context, rule) == Some(Tier::Admin)
            };
            if isolated_by.is_empty() && !covered_by.is_empty() && covered_by.iter().all(denies) {
                report(context, &effect.rule, covered_by, findings);
            }
        }
    }
}

fn report(context: &Context<'_>, rule: &RuleRef, denying: &[RuleRef], findings: &mut Findings) {
    let finding = findings
        .report(rule.origin, format!("`{}` allows only what the Admin tier denies", rule.policy.full_name()));
    finding.label(format!("nothing passes by this {} rule", rule.direction.as_str()));
    for deny in denying.iter().take(3) {
        if let Some((policy, found)) = rules::find(context, deny) {
            finding.related(
                rules::action_place(context, found),
                format!("{} denies it first", rules::called(&policy.meta, found, deny.direction, deny.index)),
            );
        }
    }
    finding.help("let the Admin tier `Pass` what the owners of namespaces may decide, or remove this rule");
}
