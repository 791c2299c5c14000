//! A policy whose subject is pods in their nodes' network.

use std::sync::Arc;

use ringfence_model::{
    cilium::CiliumSubject, label::Selector, network_policy::PolicyMeta, origin::Origin, tier::TierSubject,
};
use ringfence_policy::compiled::Choice;

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::workload_names,
};

pub(super) static RULE: Rule = Rule {
    code: "RF209",
    name: "host-network-subject",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a policy has no effect on pods with `hostNetwork: true`",
    what: "Reports policies of all kinds whose subject is only pods in their nodes' network; where there are others too, \
           those in the node's network are an info, unless the selector is empty. It keeps silent about audit policies.",
    why: "Such a pod has the node's address, and what it sends and receives is the node's traffic: CNIs do not apply \
          policies to it (upstream leaves it undefined). What the policy is meant to shut is open.",
    bad: Example::new(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: exporter, namespace: monitoring}
spec:
  selector: {matchLabels: {app: exporter}}
  template:
    metadata: {labels: {app: exporter}}
    spec:
      hostNetwork: true
      containers: [{name: exporter, image: exporter}]
---
apiVersion: v1
kind: Pod
metadata: {name: prometheus, namespace: monitoring, labels: {app: prometheus}}
spec: {containers: [{name: prometheus, image: prometheus}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: exporter, namespace: monitoring}
spec:
  podSelector: {matchLabels: {app: exporter}}
  ingress:
    - from:
        - podSelector: {matchLabels: {app: prometheus}}
",
    ),
    good: Example::new(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: exporter, namespace: monitoring}
spec:
  selector: {matchLabels: {app: exporter}}
  template:
    metadata: {labels: {app: exporter}}
    spec:
      containers: [{name: exporter, image: exporter}]
---
apiVersion: v1
kind: Pod
metadata: {name: prometheus, namespace: monitoring, labels: {app: prometheus}}
spec: {containers: [{name: prometheus, image: prometheus}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: exporter, namespace: monitoring}
spec:
  podSelector: {matchLabels: {app: exporter}}
  ingress:
    - from:
        - podSelector: {matchLabels: {app: prometheus}}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let cluster = context.cluster;
    if !cluster.pods.iter().any(|pod| pod.host_network) {
        return;
    }
    for policy in &cluster.network_policies {
        let subject = &policy.subject;
        report(
            context,
            &policy.meta,
            Choice::NetworkSubject(policy),
            is_wide(&[subject]),
            subject.origin,
            findings,
        );
    }
    for policy in &cluster.tier_policies {
        let (wide, origin) = match &policy.subject {
            TierSubject::Namespaces(namespace) => (true, namespace.origin),
            TierSubject::Pods { namespace, pod } => (is_wide(&[pod]), namespace_or(pod, namespace)),
        };
        report(context, &policy.meta, Choice::TierSubject(policy), wide, origin, findings);
    }
    for policy in &cluster.cilium_policies {
        for spec in &policy.specs {
            let CiliumSubject::Endpoints(selector) = &spec.subject else { continue };
            let choice = Choice::CiliumSubject(policy, spec);
            report(context, &policy.meta, choice, is_wide(&[selector]), selector.origin, findings);
        }
    }
}

fn is_wide(selectors: &[&Selector]) -> bool {
    selectors.iter().all(|selector| selector.is_empty())
}

fn namespace_or(pod: &Selector, namespace: &Selector) -> Origin {
    if pod.origin.is_some() { pod.origin } else { namespace.origin }
}

fn report(
    context: &Context<'_>,
    meta: &Arc<PolicyMeta>,
    choice: Choice<'_>,
    wide: bool,
    origin: Origin,
    findings: &mut Findings,
) {
    if meta.audit {
        return;
    }
    let hosts = context.scope.host_network_pods(choice);
    if hosts.is_empty() {
        return;
    }
    let only = context.scope.chosen(choice).is_empty();
    if wide && !only {
        return;
    }
    let names = workload_names(context.cluster, &hosts);
    let message = if only {
        format!("`{}` has no effect: all of its pods use their nodes' network ({names})", meta.full_name())
    } else {
        format!("`{}` has no effect on {names}, which use their nodes' network", meta.full_name())
    };
    let finding = findings.report(if origin.is_some() { origin } else { meta.origin }, message);
    finding.label("policies do not apply to pods with `hostNetwork: true`").help(
        "take `hostNetwork` away from the pods, or guard the nodes: with a firewall of theirs, or a \
         CiliumClusterwideNetworkPolicy with `nodeSelector`",
    );
    for pod in hosts.iter().take(1).filter_map(|id| context.cluster.pod(id)) {
        finding.related(pod.origin, "`hostNetwork: true`");
    }
    if !only {
        finding.severity(Severity::Info);
    }
}
