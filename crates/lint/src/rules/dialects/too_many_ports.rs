//! More ports in a rule than the CNI takes.

use std::collections::BTreeSet;

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, Body},
};

pub(super) static RULE: Rule = Rule {
    code: "RF712",
    name: "too-many-ports",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "the rule has more ports than the cluster's CNI takes for one peer",
    what: "Reports rules of NetworkPolicies with more distinct ports (a range counts as one) than the CNI takes: 24 with the \
           Amazon VPC CNI, 40 with Cilium. It keeps silent if the CNI is not known. The limit of the Amazon VPC CNI is for one \
           address over all policies; the rule looks at each rule alone.",
    why: "The Amazon agent drops the ports beyond the limit, Cilium refuses the rule.",
    bad: Example {
        settings: "cluster.profile = \"aws\"",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: voice, namespace: shop}
spec:
  podSelector: {matchLabels: {app: voice}}
  ingress:
    - ports: [{port: 1}, {port: 3}, {port: 5}, {port: 7}, {port: 9}, {port: 11}, {port: 13}, {port: 15}, {port: 17},
        {port: 19}, {port: 21}, {port: 23}, {port: 25}, {port: 27}, {port: 29}, {port: 31}, {port: 33}, {port: 35},
        {port: 37}, {port: 39}, {port: 41}, {port: 43}, {port: 45}, {port: 47}, {port: 49}]
",
    },
    good: Example {
        settings: "cluster.profile = \"aws\"",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: voice, namespace: shop}
spec:
  podSelector: {matchLabels: {app: voice}}
  ingress:
    - ports: [{port: 1, endPort: 49}]
",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(cni) = context.facts().cni.as_ref().filter(|cni| cni.profile.enforces) else { return };
    let Some(most) = cni.dialect.most_ports else { return };
    for rule in walk::rules(context.cluster).filter(|rule| matches!(rule.body, Body::Network(..))) {
        let ports = rule.ports();
        let distinct: BTreeSet<_> = ports.iter().map(|entry| (entry.protocol, &entry.ports)).collect();
        if distinct.len() <= most.value {
            continue;
        }
        let Some(beyond) = ports.get(most.value) else { continue };
        let message = format!(
            "`{}` has {} ports in one rule: {} takes {}",
            rule.meta.full_name(),
            distinct.len(),
            cni.dialect.title,
            most.value
        );
        findings
            .report(beyond.origin, message)
            .label(cni.known_by())
            .help(format!("join neighbouring ports with `endPort`; see {}", most.source))
            .related(cni.evidence.origin, "this shows the CNI");
    }
}
