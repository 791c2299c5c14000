//! The same policy under two names.

use ringfence_manifest::edit::remove_document;

use crate::{
    context::Context,
    copies::copies,
    finding::{Claim, Findings},
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF508",
    name: "duplicate-policy",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "two policies say the same",
    what: "Reports a NetworkPolicy or a Cilium policy whose subject, directions and rules are those of another one of its kind \
           and namespace, and an AdminNetworkPolicy or ClusterNetworkPolicy that differs from another one of its tier in \
           nothing but its priority. Neither needs a pod for that. Silent if one of them only audits.",
    why: "Who changes one of them changes nothing until the other is changed too. Mostly a policy was renamed and \
          the old one left behind.",
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
      ports:
        - port: 8080
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api-copy
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
      ports:
        - port: 8080
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
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: web}
      ports:
        - port: 8080
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: worker
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: worker}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: web}
      ports:
        - port: 8080
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for (later, earlier) in copies(context) {
        findings
            .report(
                later.origin,
                format!("`{}` says the same as `{}`", later.full_name(), earlier.full_name()),
            )
            .label("same pods, same directions, same rules")
            .help("remove one of the two")
            .related(earlier.origin, "the other one")
            .fix(
                format!("remove `{}`", later.full_name()),
                remove_document(&context.places, later.origin),
                Claim::ChangesNothing,
            );
    }
}
