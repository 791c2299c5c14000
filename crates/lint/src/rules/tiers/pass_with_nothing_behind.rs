//! A Pass after which nothing decides.

use ringfence_model::{
    network_policy::PolicyKind,
    tier::{Action, Tier},
    verdict::Outcome,
};
use ringfence_policy::compiled::Effect;

use super::rules;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF603",
    name: "pass-with-nothing-behind",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a Pass hands on to policies that do not exist: everything that it matches is allowed",
    what: "Reports a rule with the action `Pass` if, for every connection that it passes on, neither a NetworkPolicy nor the \
           Baseline tier decides anything: then it allows. If no later rule of its tier would have denied anything either, \
           this is only worth an info. It keeps silent if the input has neither a NetworkPolicy, nor a Cilium policy, nor a \
           policy of the Baseline tier: they may be somewhere else.",
    why: "`Pass` leaves the decision to the owners of the namespaces. Where they have not decided, the default of Kubernetes \
          is to let everything through.",
    bad: Example::new(EXAMPLE_OPEN),
    good: Example::new(EXAMPLE_CLOSED),
    check,
};

const EXAMPLE_OPEN: &str = "
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
metadata: {name: tenants}
spec:
  tier: Admin
  priority: 10
  subject:
    namespaces:
      matchExpressions:
        - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}
  ingress:
    - name: front-by-the-owner
      action: Pass
      from:
        - namespaces:
            matchLabels: {kubernetes.io/metadata.name: front}
    - action: Deny
      from:
        - namespaces: {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: other}
spec:
  podSelector: {}
  policyTypes: [Ingress]
";

const EXAMPLE_CLOSED: &str = "
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
metadata: {name: tenants}
spec:
  tier: Admin
  priority: 10
  subject:
    namespaces:
      matchExpressions:
        - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}
  ingress:
    - name: front-by-the-owner
      action: Pass
      from:
        - namespaces:
            matchLabels: {kubernetes.io/metadata.name: front}
    - action: Deny
      from:
        - namespaces: {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
";

fn check(context: &Context<'_>, findings: &mut Findings) {
    let cluster = context.cluster;
    let has_baseline = cluster.tier_policies.iter().any(|policy| policy.tier == Tier::Baseline);
    if cluster.network_policies.is_empty() && cluster.cilium_policies.is_empty() && !has_baseline {
        return;
    }
    for ruled in rules::all(context) {
        let passes = ruled.rule.action == Action::Pass && ruled.effect.reached == Some(true);
        if !passes || ruled.effect.behind != Some(false) || ruled.policy.tier != Tier::Admin {
            continue;
        }
        let denied_else = match &ruled.effect.effect {
            Effect::Changes(witness) => witness.after == Outcome::Deny,
            Effect::None { .. } => false,
            _ => continue,
        };
        let allow = match ruled.policy.meta.kind {
            PolicyKind::AdminNetworkPolicy => "Allow",
            _ => "Accept",
        };
        let finding = findings.report(
            ruled.place(context),
            format!("{} passes everything on, and nothing behind it decides", ruled.called()),
        );
        finding.label(format!("the same as `{allow}` for all that it matches"));
        if !denied_else {
            finding.severity(Severity::Info);
        }
        finding.help(
            "give the namespaces a default deny (a NetworkPolicy or the Baseline tier), or say what is meant here",
        );
    }
}
