//! Workloads that nothing isolates for ingress.

use ringfence_model::verdict::Direction;

use super::isolation::report;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF501",
    name: "not-isolated-ingress",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "workloads that no policy isolates for ingress",
    what: "Reports, once for each namespace, the workloads that no policy isolates for ingress, as the engine has \
           it: a warning if most workloads of the namespace are isolated, so that these were forgotten; else only \
           worth knowing, and said of egress in the same finding. Namespaces without any policy are reported together, \
           here, as worth knowing. Databases and the like are left to `sensitive-exposed`. Silent about ingress \
           controllers, Prometheus and the resolver, unless the latter two were forgotten, about Jobs that offer no \
           port, about namespaces of Kubernetes itself (`kube-system` and the like), about \
           pods in their nodes' network, and where a policy of the Admin or Baseline tier denies some connections to \
           them.",
    why: "A pod that no policy selects accepts every connection from everywhere. Policies for its neighbours do not \
          protect it.",
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
  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: web}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: api}
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
  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: web}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: api}
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
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: shop
spec:
  podSelector: {}
  policyTypes:
    - Ingress
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    report(context, Direction::Ingress, findings);
}
