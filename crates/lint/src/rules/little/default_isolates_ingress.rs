//! A policy about egress alone that isolates ingress too, because it has no `policyTypes`.

use ringfence_manifest::edit::{Edit, Value, append_entry, insert_entry_after};
use ringfence_model::{network_policy::NetworkPolicy, verdict::Direction};

use super::cut::cuts;
use crate::{
    context::Context,
    finding::{Claim, Findings},
    naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF505",
    name: "default-isolates-ingress",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "without `policyTypes`, a policy for egress cuts all ingress",
    what: "Reports a NetworkPolicy with egress rules, without `ingress` and without `policyTypes`, when it cuts \
           every connection to its pods: no other policy allows any, and no default deny of the namespace asks for \
           it. An error if a Service leads to the pods, else a warning.",
    why: "`policyTypes` defaults to `Ingress`, and to `Egress` as well if there are egress rules: never to `Egress` \
          alone. What looks like a policy for outgoing connections makes its pods unreachable.",
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
    for cut in cuts(context).into_iter().filter(|cut| cut.types.is_none()) {
        if cut.direction != Direction::Ingress {
            continue;
        }
        let pods = naming::listed_pods(context.cluster, cut.pods.iter());
        let spec = context.places.root_key(cut.policy.meta.origin, &["spec".into(), "egress".into()]);
        let finding = findings.report(
            spec.unwrap_or(cut.policy.meta.origin),
            format!(
                "`{}` cuts all ingress to {pods}, though it only speaks of egress",
                cut.policy.meta.full_name()
            ),
        );
        finding
            .label("without `policyTypes` the policy isolates ingress, whatever rules it has")
            .help("add `policyTypes: [Egress]`, or rules for ingress");
        finding.fix(
            "state that it is about egress only",
            types(context, cut.policy),
            Claim::Opens(Vec::new()),
        );
        match cut.service {
            Some(service) => finding.related(service.origin, "this Service leads to them"),
            None => finding.severity(Severity::Warning),
        };
    }
}

/// `policyTypes` behind the subject, or at the end.
fn types(context: &Context<'_>, policy: &NetworkPolicy) -> Option<Vec<Edit>> {
    let places = &context.places;
    let (key, value) = ("policyTypes", Value::Seq(vec![Value::from("Egress")]));
    let subject = places.root_key(policy.meta.origin, &["spec".into(), "podSelector".into()]);
    let behind = subject.and_then(|subject| insert_entry_after(places, subject, key, &value));
    behind.or_else(|| {
        append_entry(places, places.root_value(policy.meta.origin, &["spec".into()])?, key, &value)
    })
}
