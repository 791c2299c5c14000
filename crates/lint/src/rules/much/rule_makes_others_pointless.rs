//! A rule for everybody that makes narrower rules of other policies pointless.

use std::collections::BTreeMap;

use super::everything::is_everything;
use crate::{
    allow::Allow,
    context::Context,
    finding::Findings,
    naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF403",
    name: "rule-makes-others-pointless",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule for everybody allows all that narrower rules of other policies allow",
    what: "Reports a rule for every pod or every address, when the engine proves that narrower rules of other \
           policies for the same pods change nothing beside it. Silent about rules that allow everything, which \
           `allows-everything` and `default-deny-undone` report, and about rules for DNS.",
    why: "Somebody took the trouble to say who may connect. The rule lets in everybody else as well, and the \
          narrower policies look as if they were in force.",
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
apiVersion: v1
kind: Pod
metadata: {name: prometheus, namespace: monitoring, labels: {app: prometheus}}
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
  name: monitoring
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - namespaceSelector: {}
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
apiVersion: v1
kind: Pod
metadata: {name: prometheus, namespace: monitoring, labels: {app: prometheus}}
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
  name: monitoring
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: monitoring}
      ports:
        - port: 9090
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let mut by_broad: BTreeMap<_, (Allow<'_>, Vec<Allow<'_>>)> = BTreeMap::new();
    for needless in &context.superfluous().rules {
        let Some(broad) = needless.broad else { continue };
        by_broad.entry(broad.origin).or_insert_with(|| (broad, Vec::new())).1.push(needless.rule);
    }
    for (broad, narrow) in by_broad.into_values() {
        let breadth = broad.breadth(context);
        if is_everything(&broad, &breadth) {
            continue;
        }
        let mut names: Vec<String> =
            narrow.iter().map(|rule| format!("`{}`", rule.meta.full_name())).collect();
        names.dedup();
        let rules = if narrow.len() == 1 { "a rule" } else { "rules" };
        let finding = findings.report(
            breadth.at,
            format!(
                "`{}` makes {rules} of {} pointless",
                broad.meta.full_name(),
                naming::listed_names(&names)
            ),
        );
        let who = if breadth.pods && breadth.is_everyone() {
            "everybody"
        } else if breadth.pods {
            "every pod of every namespace"
        } else {
            "every address"
        };
        finding.label(format!("{who}: all that they allow, and more"));
        finding.help("name the peers and the ports that it is for");
        for rule in &narrow {
            finding
                .related(rule.origin, format!("changes nothing beside it, in `{}`", rule.meta.full_name()));
        }
    }
}
