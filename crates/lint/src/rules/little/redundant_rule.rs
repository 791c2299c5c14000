//! Rules that change nothing.

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF509",
    name: "redundant-rule",
    severity: Severity::Info,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule that changes nothing: others allow all of it",
    what: "Reports a rule when the engine proves that no verdict changes without it, and when the rules that do its \
           work are about at least the same pods and peers as they are written. Silent about rules for DNS alone, \
           which are often repeated so that each policy stands on its own, about rules with a peer that is no pod \
           yet, about rules of a policy that `redundant-policy` reports, and where `rule-makes-others-pointless` \
           reports what does their work.",
    why: "Who removes or tightens it believes to have closed something that stays open.",
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
    - from:
        - podSelector:
            matchLabels: {app: web}
      ports:
        - port: 8080
          endPort: 8090
    - from:
        - podSelector:
            matchLabels: {app: worker}
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
          endPort: 8090
    - from:
        - podSelector:
            matchLabels: {app: worker}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for needless in context.superfluous().rules.iter().filter(|needless| needless.broad.is_none()) {
        let name = needless.rule.meta.full_name();
        let others: Vec<_> = needless.by.iter().filter(|other| other.meta != needless.rule.meta).collect();
        let message = match others.first() {
            None => format!("this rule of `{name}` changes nothing: another one allows all of it"),
            Some(other) => {
                format!(
                    "this rule of `{name}` changes nothing: `{}` allows all of it",
                    other.meta.full_name()
                )
            }
        };
        let finding = findings.report(needless.rule.origin, message);
        finding.label("without it, every verdict is the same").help("remove it, or say why it is there");
        for other in &needless.by {
            finding.related(other.origin, format!("this rule of `{}` does its work", other.meta.full_name()));
        }
    }
}
