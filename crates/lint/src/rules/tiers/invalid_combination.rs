//! Policies of both versions of the tiers' API.

use ringfence_model::{
    network_policy::PolicyKind,
    tier::{Tier, TierPolicy},
};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF606",
    name: "invalid-combination",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "policies of both versions of the tiers' API: nobody says which come first",
    what: "Reports a ClusterNetworkPolicy (v1alpha2) beside an AdminNetworkPolicy, or one of the Baseline tier beside a \
           BaselineAdminNetworkPolicy (both v1alpha1), once for each tier.",
    why: "The second version of the API took the place of the first, and says nothing about the order of policies of both. \
          Implementations enforce one of them and ignore the other, or evaluate one of them first.",
    bad: Example::new(
        "
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: {name: default}
spec:
  subject:
    namespaces:
      matchExpressions:
        - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}
  ingress:
    - action: Deny
      from:
        - namespaces: {}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: base}
spec:
  tier: Baseline
  priority: 0
  subject:
    namespaces:
      matchExpressions:
        - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}
  egress:
    - action: Deny
      to:
        - networks: [0.0.0.0/0]
",
    ),
    good: Example::new(
        "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: base}
spec:
  tier: Baseline
  priority: 0
  subject:
    namespaces:
      matchExpressions:
        - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}
  ingress:
    - action: Deny
      from:
        - namespaces: {}
  egress:
    - action: Deny
      to:
        - networks: [0.0.0.0/0]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for tier in [Tier::Admin, Tier::Baseline] {
        let of_tier = || context.cluster.tier_policies.iter().filter(|policy| policy.tier == tier);
        let is_new = |policy: &&TierPolicy| policy.meta.kind == PolicyKind::ClusterNetworkPolicy;
        let (Some(new), Some(old)) = (of_tier().find(is_new), of_tier().find(|policy| !is_new(policy)))
        else {
            continue;
        };
        findings
            .report(
                old.meta.origin,
                format!(
                    "{} `{}` beside ClusterNetworkPolicy `{}`: nobody says which comes first",
                    old.meta.kind.as_str(),
                    old.meta.name,
                    new.meta.name
                ),
            )
            .label(format!("the same tier ({}) in another version of the API", tier.as_str()))
            .related(new.meta.origin, "the newer version")
            .help("write the policies of v1alpha1 as ClusterNetworkPolicy of v1alpha2");
    }
}
