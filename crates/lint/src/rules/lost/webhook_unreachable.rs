//! Webhooks that the API server cannot call.

use ringfence_model::caller::CallerKind;

use super::called_by_api_server::report;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF307",
    name: "webhook-unreachable",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "admission and conversion webhooks that the API server cannot call",
    what: "Reports admission or conversion webhooks whose Service leads to pods that are isolated for ingress while \
           no rule lets the API server in at the port on the pods. Where the API server's addresses are known (the \
           endpoints of `default/kubernetes`, or the settings) the engine is asked about them; otherwise only pods \
           are reported for which no rule is for any address, any node or everybody: selectors of pods never match \
           the API server. Where a rule is for pods of `kube-system`, through which some providers tunnel these \
           calls, it is a warning. Silent about Services whose pods are not in the input, and in clusters of one \
           node, which a policy never keeps from its own pods.",
    why: "The API server waits for the answer until its timeout. With `failurePolicy: Fail` nobody can create or \
           change the objects that the webhook is for; every `kubectl` command slows down for an aggregated API that \
           does not answer.",
    bad: Example::new(
        "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: checks}
webhooks:
  - name: checks.example.com
    admissionReviewVersions: [v1]
    sideEffects: None
    clientConfig:
      service: {name: hook, namespace: ops, path: /validate}
---
apiVersion: v1
kind: Service
metadata:
  name: hook
  namespace: ops
spec:
  selector: {app: hook}
  ports: [{port: 443, targetPort: 9443}]
---
apiVersion: v1
kind: Pod
metadata:
  name: hook
  namespace: ops
  labels: {app: hook}
spec:
  containers:
    - name: hook
      image: registry.example.com/hook:1
      ports: [{containerPort: 9443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: hook
  namespace: ops
spec:
  podSelector:
    matchLabels: {app: hook}
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
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: checks}
webhooks:
  - name: checks.example.com
    admissionReviewVersions: [v1]
    sideEffects: None
    clientConfig:
      service: {name: hook, namespace: ops, path: /validate}
---
apiVersion: v1
kind: Service
metadata:
  name: hook
  namespace: ops
spec:
  selector: {app: hook}
  ports: [{port: 443, targetPort: 9443}]
---
apiVersion: v1
kind: Pod
metadata:
  name: hook
  namespace: ops
  labels: {app: hook}
spec:
  containers:
    - name: hook
      image: registry.example.com/hook:1
      ports: [{containerPort: 9443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: hook
  namespace: ops
spec:
  podSelector:
    matchLabels: {app: hook}
  policyTypes: [Ingress]
  ingress:
    - ports:
        - port: 9443
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    report(context, |caller| caller.kind != CallerKind::ApiService, findings);
}
