//! Aggregated APIs that the API server cannot call.

use ringfence_model::caller::CallerKind;

use super::called_by_api_server::report;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF308",
    name: "aggregated-api-unreachable",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "aggregated APIs that the API server cannot call",
    what: "Reports aggregated APIs whose Service leads to pods that are isolated for ingress while no rule lets the \
           API server in at the port on the pods. Where the API server's addresses are known (the endpoints of \
           `default/kubernetes`, or the settings) the engine is asked about them; otherwise only pods are reported \
           for which no rule is for any address, any node or everybody: selectors of pods never match the API \
           server. Where a rule is for pods of `kube-system`, through which some providers tunnel these calls, it is \
           a warning. Silent about Services whose pods are not in the input, and in clusters of one node, which a \
           policy never keeps from its own pods.",
    why: "The API server reports the API as unavailable: what reads it fails (autoscaling by metrics, `kubectl \
           top`), deleting namespaces hangs, and discovery slows down for everybody.",
    bad: Example::new(
        "
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.example.com}
spec:
  group: metrics.example.com
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  service: {name: adapter, namespace: ops}
---
apiVersion: v1
kind: Service
metadata:
  name: adapter
  namespace: ops
spec:
  selector: {app: adapter}
  ports: [{port: 443, targetPort: 9443}]
---
apiVersion: v1
kind: Pod
metadata:
  name: adapter
  namespace: ops
  labels: {app: adapter}
spec:
  containers:
    - name: adapter
      image: registry.example.com/adapter:1
      ports: [{containerPort: 9443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: adapter
  namespace: ops
spec:
  podSelector:
    matchLabels: {app: adapter}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {}
      ports:
        - port: 9443
",
    ),
    good: Example::new(
        "
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.example.com}
spec:
  group: metrics.example.com
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  service: {name: adapter, namespace: ops}
---
apiVersion: v1
kind: Service
metadata:
  name: adapter
  namespace: ops
spec:
  selector: {app: adapter}
  ports: [{port: 443, targetPort: 9443}]
---
apiVersion: v1
kind: Pod
metadata:
  name: adapter
  namespace: ops
  labels: {app: adapter}
spec:
  containers:
    - name: adapter
      image: registry.example.com/adapter:1
      ports: [{containerPort: 9443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: adapter
  namespace: ops
spec:
  podSelector:
    matchLabels: {app: adapter}
  policyTypes: [Ingress]
  ingress:
    - ports:
        - port: 9443
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    report(context, |caller| caller.kind == CallerKind::ApiService, findings);
}
