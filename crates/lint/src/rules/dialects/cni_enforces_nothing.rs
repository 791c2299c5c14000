//! Policies in a cluster whose CNI enforces none.

use ringfence_model::origin::Origin;

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF701",
    name: "cni-enforces-nothing",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "the cluster's CNI enforces no policies",
    what: "Reports, once, that the policies of the input have no effect: the stated profile is `flannel`, or the manifests \
           show Flannel and nothing that enforces policies beside it, or the Amazon VPC CNI without \
           `--enable-network-policy=true`. What the manifests show is a warning, because more may run in the cluster than they hold.",
    why: "The API server takes policies in every cluster. Where nothing enforces them everything stays open, and nothing \
          says so.",
    bad: Example::new(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-flannel-ds, namespace: kube-flannel}
spec:
  selector: {matchLabels: {app: flannel}}
  template:
    metadata: {labels: {app: flannel}}
    spec:
      hostNetwork: true
      containers: [{name: kube-flannel, image: ghcr.io/flannel-io/flannel:v0.26.1}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
    ),
    good: Example::new(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: canal, namespace: kube-system}
spec:
  selector: {matchLabels: {app: canal}}
  template:
    metadata: {labels: {app: canal}}
    spec:
      hostNetwork: true
      containers:
        - {name: calico-node, image: docker.io/calico/node:v3.30.0}
        - {name: kube-flannel, image: ghcr.io/flannel-io/flannel:v0.26.1}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(cni) = context.facts().cni.as_ref().filter(|cni| !cni.profile.enforces) else { return };
    let cluster = context.cluster;
    let network = cluster.network_policies.iter().map(|policy| policy.meta.origin);
    let tiers = cluster.tier_policies.iter().map(|policy| policy.meta.origin);
    let cilium = cluster.cilium_policies.iter().map(|policy| policy.meta.origin);
    let all: Vec<Origin> = network.chain(tiers).chain(cilium).collect();
    let Some(first) = all.iter().min() else { return };
    let count = match all.len() {
        1 => "the policy has".to_owned(),
        count => format!("all {count} policies have"),
    };
    let aws = cni.dialect.profile == "aws";
    let help = if aws {
        "set `enableNetworkPolicy` in the VPC CNI add-on: `--enable-network-policy=true` for its agent"
    } else {
        "install something that enforces them: Calico beside Flannel (Canal), kube-network-policies, or another CNI"
    };
    let finding = findings.report(*first, format!("{count} no effect: {} enforces none", cni.dialect.title));
    finding.label(cni.known_by()).help(help).related(cni.evidence.origin, "this shows the CNI");
    if !cni.is_stated() {
        finding.severity(Severity::Warning);
    }
}
