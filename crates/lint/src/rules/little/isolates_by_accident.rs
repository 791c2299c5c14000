//! A direction that a policy isolates without a rule for it, and in which nothing passes.

use ringfence_model::verdict::Direction;

use super::cut::{Cut, cuts};
use crate::{
    allow::field,
    context::Context,
    finding::Findings,
    naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF504",
    name: "isolates-by-accident",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "`policyTypes` lists a direction without rules, and nothing passes in it",
    what: "Reports a NetworkPolicy for particular pods with rules for one direction, whose `policyTypes` lists the \
           other one without any rule, when no other policy allows anything there and no default deny of the \
           namespace asks for it. A warning for ingress to pods that a Service leads to; worth knowing for egress of \
           pods that are not databases or the like. Silent about an empty list (`egress: []`), which says what is \
           meant, and about ingress to pods without a Service.",
    why: "Such a policy looks as if it were about one direction. It cuts the other one whole: no client gets in, or \
          no name is resolved.",
    bad: Example::new(
        "
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
kind: Service
metadata: {name: worker, namespace: shop}
spec: {selector: {app: worker}, ports: [{port: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: postgres, namespace: shop, labels: {app: postgres}}
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
    - Egress
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - podSelector:
            matchLabels: {app: postgres}
",
    ),
    good: Example::new(
        "
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
kind: Service
metadata: {name: worker, namespace: shop}
spec: {selector: {app: worker}, ports: [{port: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: postgres, namespace: shop, labels: {app: postgres}}
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
    - Egress
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - podSelector:
            matchLabels: {app: postgres}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for cut in cuts(context).into_iter().filter(|cut| cut.types.is_some()) {
        report(context, &cut, findings);
    }
}

fn report(context: &Context<'_>, cut: &Cut<'_>, findings: &mut Findings) {
    let pods = naming::listed_pods(context.cluster, cut.pods.iter());
    let name = cut.policy.meta.full_name();
    let (word, kind) = (field(cut.direction), kind(cut.direction));
    let sensitive = &context.facts().sensitive;
    let workloads = naming::workloads(context.cluster, cut.pods.iter());
    let message = match (cut.direction, cut.service) {
        (Direction::Ingress, Some(_)) => {
            format!("nothing may connect to {pods}: `{name}` isolates ingress without a rule")
        }
        (Direction::Ingress, None) => return,
        (Direction::Egress, _) if sensitive.iter().any(|known| workloads.contains(&known.workload)) => return,
        (Direction::Egress, _) => {
            format!(
                "{pods} may connect to nothing, not even to the resolver: `{name}` isolates egress without a rule"
            )
        }
    };
    let finding = findings.report(cut.types.unwrap_or(cut.policy.meta.origin), message);
    finding.label(format!("lists `{kind}`, and the policy has no `{word}`")).help(format!(
        "if that is not meant, take `{kind}` out of `policyTypes`; if it is, say so: `{word}: []`"
    ));
    match cut.service {
        Some(service) if cut.direction == Direction::Ingress => {
            finding.related(service.origin, "this Service leads to them");
        }
        _ => {
            finding.severity(Severity::Info);
        }
    }
}

fn kind(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "Ingress",
        Direction::Egress => "Egress",
    }
}
