//! A NetworkPolicy with rules for a direction that its `policyTypes` do not list.

use ringfence_model::network_policy::{NetworkPolicy, NetworkRule};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF503",
    name: "policy-types-omit-rules",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "rules for a direction that `policyTypes` does not list have no effect",
    what: "Reports the rules of a NetworkPolicy for a direction that its `policyTypes` leaves out. The API server takes such \
           a policy without a word.",
    why: "The rules are never looked at: the policy does not isolate its pods in that direction. Unless another policy \
          does, everything passes, not only what the rules name.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: web}
  egress:
    - to:
        - podSelector:
            matchLabels: {app: postgres}
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes:
    - Ingress
    - Egress
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: web}
  egress:
    - to:
        - podSelector:
            matchLabels: {app: postgres}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for policy in &context.cluster.network_policies {
        if !policy.isolates_ingress {
            direction(context, policy, &policy.ingress, "ingress", "Ingress", findings);
        }
        if !policy.isolates_egress {
            direction(context, policy, &policy.egress, "egress", "Egress", findings);
        }
    }
}

fn direction(
    context: &Context<'_>,
    policy: &NetworkPolicy,
    rules: &[NetworkRule],
    field: &str,
    kind: &str,
    findings: &mut Findings,
) {
    if rules.is_empty() {
        return;
    }
    let key = context.places.root_key(policy.meta.origin, &["spec".into(), field.into()]);
    let types = context.places.root_key(policy.meta.origin, &["spec".into(), "policyTypes".into()]);
    let finding = findings.report(
        key.unwrap_or(policy.meta.origin),
        format!("the {field} rules of `{}` have no effect", policy.meta.full_name()),
    );
    finding
        .label(format!("`policyTypes` does not list `{kind}`"))
        .help(format!("add `{kind}` to `policyTypes`, or remove the rules"));
    if let Some(types) = types {
        finding.related(types, "the directions that the policy isolates");
    }
}
