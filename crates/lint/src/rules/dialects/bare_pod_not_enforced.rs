//! Pods that nothing owns, which the CNI leaves out.

use ringfence_model::workload::WorkloadKind;

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF711",
    name: "bare-pod-not-enforced",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "the Amazon VPC CNI applies no policy to a pod that nothing owns",
    what: "With the profile `aws`, reports pods without an owner that a policy isolates.",
    why: "The agent finds pods by their owners (a Deployment, a DaemonSet, a Job). A pod without one stays open.",
    bad: Example {
        settings: "cluster.profile = \"aws\"",
        manifests: "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
    },
    good: Example {
        settings: "cluster.profile = \"aws\"",
        manifests: "
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: api}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(cni) = context.facts().cni.as_ref().filter(|cni| cni.profile.enforces) else { return };
    if cni.dialect.bare_pods.is_none_or(|fact| fact.value) {
        return;
    }
    for group in context.groups() {
        let Some(by) = group.ingress.isolating.first().or(group.egress.isolating.first()) else { continue };
        for pod in group.pods.iter().filter_map(|id| context.cluster.pod(*id)) {
            let workload = context.cluster.workload(pod.workload);
            if workload.is_none_or(|workload| workload.kind != WorkloadKind::Pod) {
                continue;
            }
            let message = format!("the pod `{}/{}` stays open: nothing owns it", pod.namespace, pod.name);
            findings
                .report(pod.origin, message)
                .label(format!("{} applies no policy to such pods", cni.dialect.title))
                .help("run it by a Deployment, a StatefulSet or a Job")
                .related(by.origin, "this policy means it");
        }
    }
}
