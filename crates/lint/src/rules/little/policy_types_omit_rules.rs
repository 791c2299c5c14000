//! A NetworkPolicy with rules for a direction that its `policyTypes` do not list.

use std::collections::BTreeSet;

use ringfence_manifest::edit::{Value, append_item};
use ringfence_model::{network_policy::NetworkPolicy, verdict::Direction};

use crate::{
    context::Context,
    finding::{Claim, Findings},
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
            report(context, policy, Direction::Ingress, findings);
        }
        if !policy.isolates_egress {
            report(context, policy, Direction::Egress, findings);
        }
    }
}

fn report(context: &Context<'_>, policy: &NetworkPolicy, wanted: Direction, findings: &mut Findings) {
    let (rules, field, kind) = match wanted {
        Direction::Ingress => (&policy.ingress, "ingress", "Ingress"),
        Direction::Egress => (&policy.egress, "egress", "Egress"),
    };
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
    let list = context.places.root_value(policy.meta.origin, &["spec".into(), "policyTypes".into()]);
    if let (Some(list), Some(claim)) = (list, isolating(context, policy, wanted)) {
        let edits = append_item(&context.places, list, &Value::from(kind));
        finding.fix(format!("add `{kind}` to `policyTypes`"), edits, claim);
    }
}

/// What it does to isolate the policy's pods in a direction: it cuts where nothing isolates them so far, and opens where
/// something does. Nothing where both is so.
fn isolating(context: &Context<'_>, policy: &NetworkPolicy, direction: Direction) -> Option<Claim> {
    let subject = context.scope.network_subject(policy);
    let isolated: BTreeSet<bool> = (context.groups().iter())
        .filter(|group| group.pods.iter().any(|pod| subject.contains(*pod)))
        .map(|group| group.of(direction).is_isolated())
        .collect();
    match (isolated.contains(&true), isolated.contains(&false)) {
        (false, false) => Some(Claim::ChangesNothing),
        (true, false) => Some(Claim::Opens(Vec::new())),
        (false, true) => Some(Claim::Cuts(Vec::new())),
        (true, true) => None,
    }
}
