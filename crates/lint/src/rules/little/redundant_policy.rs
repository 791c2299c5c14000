//! Policies that change nothing.

use crate::{
    context::Context,
    finding::Findings,
    naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF507",
    name: "redundant-policy",
    severity: Severity::Info,
    since: "0.1.0",
    opt_in: false,
    summary: "a policy that changes nothing: others do all of it",
    what: "Reports a policy when the engine proves that no verdict changes without it, between any pods, nodes and \
           addresses, on any port, and when the policies that do its work are about at least the same pods and peers \
           as they are written. Of two that do each other's work it reports the later one. Silent about a default \
           deny without another one, as it is there for the pods and policies to come, about policies with a peer that is no pod yet, \
           and about copies (`duplicate-policy`).",
    why: "It is one more policy to read and to keep in step. Who tightens it believes to have closed something, and \
          the other policy keeps it open.",
    bad: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: registry.example.com/web:1}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: main, image: registry.example.com/api:1}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker, namespace: shop}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec: {containers: [{name: main, image: registry.example.com/worker:1}]}
---
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
  name: api-clients
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
    - from:
        - podSelector:
            matchLabels: {app: worker}
      ports:
        - port: 8080
",
    ),
    good: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: registry.example.com/web:1}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: main, image: registry.example.com/api:1}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker, namespace: shop}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec: {containers: [{name: main, image: registry.example.com/worker:1}]}
---
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
  name: api-workers
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: worker}
      ports:
        - port: 8080
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for needless in &context.superfluous().policies {
        let by: Vec<String> = needless.by.iter().map(|meta| format!("`{}`", meta.full_name())).collect();
        let verb = if by.len() == 1 { "does" } else { "do" };
        let message = format!(
            "`{}` changes nothing: {} {verb} all of it",
            needless.policy.full_name(),
            naming::listed_names(&by)
        );
        let finding = findings.report(needless.policy.origin, message);
        finding.label("without it, every verdict is the same").help("remove it, or say why it is there");
        for meta in &needless.by {
            finding.related(meta.origin, "this does its work");
        }
    }
}
