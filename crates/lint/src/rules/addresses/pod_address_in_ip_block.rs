//! The address of a pod, or the pod network of a node, in an `ipBlock`.

use ringfence_model::{IpNet, address::IpSet};

use super::known::{Known, only_address};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, pod_name},
};

pub(super) static RULE: Rule = Rule {
    code: "RF202",
    name: "pod-address-in-ip-block",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a block with the addresses of some pods means others, or nothing, when the pods are replaced",
    what: "Reports blocks of NetworkPolicies and `networks` that are the address of a pod of the input, or lie within the \
           network of pods without being all of it: the known pod networks are those of the nodes and the stated ones \
           (`pod-cidrs`). It keeps silent where no pod address and no pod network is known, and about CNIs whose \
           blocks never match pods (RF703 says so).",
    why: "Pods get new addresses whenever they are replaced, and another pod gets the old one: the rule then lets in \
          who takes the address, and shuts out whom it meant.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: backup, namespace: ops, labels: {app: backup}}
spec: {containers: [{name: backup, image: backup}]}
status: {podIP: 10.244.1.9}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - from:
        - ipBlock:
            cidr: 10.244.1.9/32
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: backup, namespace: ops, labels: {app: backup}}
spec: {containers: [{name: backup, image: backup}]}
status: {podIP: 10.244.1.9}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - from:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: ops}
          podSelector:
            matchLabels: {app: backup}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let cni = context.facts().cni.as_ref();
    if cni.is_some_and(|cni| !cni.profile.ip_block_matches_cluster) {
        return;
    }
    let known = Known::new(context);
    for rule in walk::rules(context.cluster).filter(|rule| !rule.is_cilium()) {
        for block in rule.blocks() {
            let nets = [(&block.cidr, true)].into_iter();
            for (net, whole) in nets.chain(block.except.iter().map(|net| (net, false))) {
                let Some(meaning) = meaning(context, &known, net) else { continue };
                let at = if whole {
                    block.place(&context.places)
                } else {
                    block.except_place(&context.places, net)
                };
                let finding = findings.report(
                    at,
                    format!("`{}` names the address of a pod: {}", rule.meta.full_name(), meaning.text),
                );
                finding.label("pods get new addresses whenever they are replaced").help(meaning.help);
                finding.related(meaning.origin, "the pod");
            }
        }
    }
}

struct Meaning {
    text: String,
    help: String,
    origin: ringfence_model::origin::Origin,
}

fn meaning(context: &Context<'_>, known: &Known<'_>, net: &IpNet) -> Option<Meaning> {
    let pod = only_address(net).and_then(|address| known.pods.get(&address));
    if let Some(id) = pod {
        let pod = context.cluster.pod(*id)?;
        let labels: Vec<String> = pod.labels.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        return Some(Meaning {
            text: format!("`{}` is that of a pod of {}", net.addr(), pod_name(context.cluster, *id)),
            help: format!(
                "choose it by its labels (`{}`) in its namespace `{}`",
                labels.join("`, `"),
                pod.namespace
            ),
            origin: pod.origin,
        });
    }
    let addresses = IpSet::from_nets([net]);
    // A node's network is part of the cluster's, which is the sum of what is known.
    let part = known.pod_networks.contains_set(&addresses)
        && addresses != known.pod_networks.only(ringfence_model::address::Family::of_net(net))
        && !context.cluster.pod_cidrs.iter().any(|stated| stated == net);
    let node = (context.cluster.nodes.iter()).find(|node| node.pod_cidrs.iter().any(|own| own.contains(net)));
    part.then(|| Meaning {
        text: match node {
            Some(node) => format!("`{net}` is in the network of the pods of node `{}`", node.name),
            None => format!("`{net}` is a part of the pod network"),
        },
        help: "choose pods by their labels, with `podSelector` and `namespaceSelector`".to_owned(),
        origin: ringfence_model::origin::Origin::NONE,
    })
}
