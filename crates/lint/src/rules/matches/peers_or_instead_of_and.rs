//! Two peers where one was meant: a hyphen too many.

use ringfence_manifest::edit::join_items;
use ringfence_model::{network_policy::PolicyKind, verdict::Direction};

use super::{repair, words};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::{RuleView, torn},
};

pub(super) static RULE: Rule = Rule {
    code: "RF104",
    name: "peers-or-instead-of-and",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "two peers, one of namespaces and one of pods, where one peer of both was meant",
    what: "Reports two neighbouring peers, one with only a namespace selector and one with only a pod selector, if the labels \
           of the second are those of pods in the namespaces of the first. It is an error if the second means no pod by itself \
           (a pod selector alone never leaves the policy's namespace), and a warning if it does. Silent if the input does \
           not show the pods, except for the resolver's labels in `kube-system`, which every distribution has.",
    why: "Peers are alternatives. With the hyphen every pod of those namespaces is let through, not only the one that is \
          named.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: dns, image: coredns}]}
---
apiVersion: v1
kind: Pod
metadata: {name: metrics-server, namespace: kube-system, labels: {k8s-app: metrics-server}}
spec: {containers: [{name: metrics, image: metrics-server}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: production, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-dns
  namespace: production
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
        - podSelector:
            matchLabels:
              k8s-app: kube-dns
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: dns, image: coredns}]}
---
apiVersion: v1
kind: Pod
metadata: {name: metrics-server, namespace: kube-system, labels: {k8s-app: metrics-server}}
spec: {containers: [{name: metrics, image: metrics-server}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: production, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-dns
  namespace: production
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
          podSelector:
            matchLabels:
              k8s-app: kube-dns
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for part in &context.selections().parts {
        for rule in &part.rules {
            report(context, rule, findings);
        }
    }
}

fn report(context: &Context<'_>, rule: &RuleView<'_>, findings: &mut Findings) {
    let peers = rule.peers.as_deref().unwrap_or_default();
    for pair in torn(context, &context.selections().labels, rule) {
        let place = |at: usize| peers.get(at).and_then(|peer| peer.place());
        let (Some(first), Some(second)) = (place(pair.first), place(pair.first + 1)) else { continue };
        let (spaces, pods) = if pair.namespaces_first { (first, second) } else { (second, first) };
        let (Some(pod), Some(home)) = (&pods.pod, pods.home) else { continue };
        let asked = words::selector(pod);
        let (whom, which) = match rule.direction {
            Direction::Ingress => ("from", "lets in"),
            Direction::Egress => ("to", "opens"),
        };
        let finding = findings.report(
            second.origin,
            format!(
                "`{}` has two peers under `{whom}` where one was meant: they are alternatives",
                pods.meta.full_name()
            ),
        );
        let alone = if pair.alone_empty {
            format!("by itself this means pods in `{home}`, and none there has {asked}")
        } else {
            format!("by itself this means the pods in `{home}` with {asked}, too")
        };
        let every = format!("this by itself {which} every pod {}", words::namespaces(spaces));
        let (label, other) = if pair.namespaces_first { (alone, every) } else { (every, alone) };
        finding.label(label);
        finding.related(first.origin, other);
        let meant = pair.both.first().map(|set| format!("; {} has it there", words::workload(set, None)));
        finding.help(format!(
            "to mean pods with {asked} {} only, remove the hyphen before `{}` so that both selectors are one peer{}",
            words::namespaces(spaces),
            if pair.namespaces_first { "podSelector" } else { "namespaceSelector" },
            meant.unwrap_or_default()
        ));
        if !pair.alone_empty {
            finding.severity(Severity::Warning);
        }
        if let Some(claim) = repair::fewer_peers(rule.action)
            && spaces.meta.kind == PolicyKind::NetworkPolicy
        {
            finding.fix(
                "join the two peers",
                join_items(&context.places, first.origin, second.origin),
                claim,
            );
        }
    }
}
