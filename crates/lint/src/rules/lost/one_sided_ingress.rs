//! An ingress rule whose sources cannot get out to it.

use ringfence_model::verdict::Direction;

use super::{one_sided_report::report, passage::Budget};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF305",
    name: "one-sided-ingress",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "an ingress rule of which nothing passes, because the sources cannot get out",
    what: "Reports peers of ingress rules that let pods in which cannot get out to here: every pod of the peer is \
           isolated for egress (or a rule denies), and no rule there lets it out to any pod that the ingress rule is \
           for, at any of its ports. The values of a requirement that lists several are peers of their own. Also \
           reports, as a warning, single ports of a rule that no source can open while it can open others, and peers \
           that are whole namespaces. The missing egress policy is part of the help, after the engine has found that \
           it does what it says. Silent about peers that match no pod of the input, and about ports that the pods do \
           not declare.",
    why: "A connection needs a rule at both of its ends. Whoever wrote this one meant the source to connect, and it \
           cannot.",
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
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let budget = Budget::new();
    for found in context.one_sided(Direction::Ingress) {
        report(context, Direction::Ingress, found, &budget, findings);
    }
}
