//! Rules that allow what is always denied before.

use std::collections::BTreeMap;

use ringfence_model::{origin::Origin, tier::Action};
use ringfence_policy::compiled::Effect;

use crate::{
    allow::{Allow, Body, allows},
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF510",
    name: "allows-what-is-denied",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule allows what other rules deny whole",
    what: "Reports a rule of a NetworkPolicy or a Cilium policy that allows, when the engine finds that all it \
           matches is denied by rules that come first: denials of Cilium, of the same policy too, or of the Admin \
           tier. Silent about a rule of which any part takes effect.",
    why: "Denials win. Who wrote the rule expects connections that never pass.",
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
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  endpointSelector:
    matchLabels: {app: api}
  ingress:
    - fromEndpoints:
        - matchLabels: {app: web}
  ingressDeny:
    - fromEndpoints:
        - matchLabels: {app: web}
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
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  endpointSelector:
    matchLabels: {app: api}
  ingress:
    - fromEndpoints:
        - matchLabels: {app: web}
  ingressDeny:
    - fromEndpoints:
        - matchLabels: {app: worker}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let mut by_origin: Option<BTreeMap<Origin, Allow<'_>>> = None;
    for effect in context.effects().policies() {
        for rule in &effect.rules {
            let Effect::None { covered_by, .. } = &rule.effect else { continue };
            let denied =
                !covered_by.is_empty() && covered_by.iter().all(|other| other.action == Action::Deny);
            if !denied || rule.rule.action != Action::Accept {
                continue;
            }
            let known = by_origin.get_or_insert_with(|| {
                allows(context.cluster).into_iter().map(|allow| (allow.origin, allow)).collect()
            });
            let Some(allow) = known.get(&rule.rule.origin) else { continue };
            if matches!(allow.body, Body::Tier(..)) {
                continue;
            }
            let finding = findings.report(
                allow.origin,
                format!("all that this rule of `{}` allows is denied", allow.meta.full_name()),
            );
            finding
                .label("never allows anything")
                .help("remove the rule, or make room for it in what denies");
            for other in covered_by {
                finding.related(other.origin, format!("`{}` denies this", other.policy.full_name()));
            }
        }
    }
}
