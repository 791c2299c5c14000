//! An egress rule whose destinations deny all that it lets out.

use ringfence_model::verdict::Direction;

use super::{one_sided_report::report, passage::Budget};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF304",
    name: "one-sided-egress",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "an egress rule of which nothing passes, because the destinations deny all of it",
    what: "Reports peers of egress rules that let connections out to pods which let none of them in: every pod of \
           the peer is isolated for ingress (or a rule denies), and no rule there admits any pod that the egress \
           rule is for, at any of its ports. The values of a requirement that lists several are peers of their own. \
           Also reports, as a warning, single ports of a rule that pass nowhere while others do, and peers that are \
           whole namespaces. The missing ingress policy is part of the help, after the engine has found that it does \
           what it says. Silent about peers that match no pod of the input, about ports that no destination \
           declares, and about the resolver, which has a rule of its own.",
    why: "A connection needs a rule at both of its ends. The two ends often belong to two teams, and what is \
           missing at the other end looks like a timeout at this one.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels: {app: web}
spec:
  containers: [{name: web, image: registry.example.com/web:1}]
---
apiVersion: v1
kind: Pod
metadata:
  name: api
  namespace: shop
  labels: {app: api}
spec:
  containers:
    - name: api
      image: registry.example.com/api:1
      ports: [{containerPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector:
    matchLabels: {app: web}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - podSelector:
            matchLabels: {app: api}
      ports:
        - port: 8080
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes: [Ingress]
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels: {app: web}
spec:
  containers: [{name: web, image: registry.example.com/web:1}]
---
apiVersion: v1
kind: Pod
metadata:
  name: api
  namespace: shop
  labels: {app: api}
spec:
  containers:
    - name: api
      image: registry.example.com/api:1
      ports: [{containerPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector:
    matchLabels: {app: web}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - podSelector:
            matchLabels: {app: api}
      ports:
        - port: 8080
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes: [Ingress]
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
    let budget = Budget::new();
    for found in context.one_sided(Direction::Egress) {
        report(context, Direction::Egress, found, &budget, findings);
    }
}
