//! Pods that can ask the cluster's resolver, and not the one on their node that answers for it.

use std::sync::Arc;

use ringfence_model::{network_policy::PolicyMeta, port::Protocol, verdict::Direction, workload::PodId};

use super::{
    passage::{listed, workload_name, workloads},
    resolving::{Asking, Culprit, Questions, attribute},
};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF303",
    name: "node-local-dns-missed",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "pods that cannot ask the resolver on their node, at its link-local address",
    what: "Reports policies that isolate pods for egress and let them ask the cluster's resolver, while nothing lets \
           them ask NodeLocal DNSCache at the address that its `-localip` argument (or the settings) names. Silent \
           where no such address is known.",
    why: "Where the kubelet names the link-local address as the pods' resolver, their questions go there: to no pod \
           that a selector finds. CNIs differ in whether they take it for the pod's own node, which is never \
           blocked; a rule with an ipBlock works with all of them.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: api
  namespace: shop
  labels: {app: api}
spec:
  containers:
    - name: api
      image: registry.example.com/api:1
---
apiVersion: v1
kind: Pod
metadata:
  name: coredns
  namespace: kube-system
  labels: {k8s-app: kube-dns}
spec:
  containers: [{name: coredns, image: registry.k8s.io/coredns/coredns:v1.11.3}]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: node-local-dns
  namespace: kube-system
spec:
  selector:
    matchLabels: {k8s-app: node-local-dns}
  template:
    metadata:
      labels: {k8s-app: node-local-dns}
    spec:
      hostNetwork: true
      containers:
        - name: node-cache
          image: registry.k8s.io/dns/k8s-dns-node-cache:1.23.1
          args: [-localip, 169.254.20.10, -conf, /etc/Corefile]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: kube-system}
          podSelector:
            matchLabels: {k8s-app: kube-dns}
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: api
  namespace: shop
  labels: {app: api}
spec:
  containers:
    - name: api
      image: registry.example.com/api:1
---
apiVersion: v1
kind: Pod
metadata:
  name: coredns
  namespace: kube-system
  labels: {k8s-app: kube-dns}
spec:
  containers: [{name: coredns, image: registry.k8s.io/coredns/coredns:v1.11.3}]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: node-local-dns
  namespace: kube-system
spec:
  selector:
    matchLabels: {k8s-app: node-local-dns}
  template:
    metadata:
      labels: {k8s-app: node-local-dns}
    spec:
      hostNetwork: true
      containers:
        - name: node-cache
          image: registry.k8s.io/dns/k8s-dns-node-cache:1.23.1
          args: [-localip, 169.254.20.10, -conf, /etc/Corefile]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: kube-system}
          podSelector:
            matchLabels: {k8s-app: kube-dns}
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
    - to:
        - ipBlock: {cidr: 169.254.20.10/32}
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let locals = &context.facts().node_local_dns;
    let questions = Questions::new(context);
    let passes = |id: PodId| locals.iter().any(|local| questions.passes_to(id, local.address, Protocol::Udp));
    let Some(local) = locals.first() else { return };
    let cut = questions.askers().filter_map(|(id, pod)| {
        let isolating = questions.policies.isolating(id, Direction::Egress);
        if isolating.is_empty() || passes(id) || matches!(questions.ask(id, Protocol::Udp), Asking::Cut(..)) {
            return None;
        }
        let culprit = |meta: &Arc<PolicyMeta>| Culprit {
            origin: meta.origin,
            name: meta.full_name(),
            denies: false,
            direction: Direction::Egress,
        };
        let mut culprits: Vec<Culprit> = isolating.iter().map(culprit).collect();
        culprits.sort();
        Some((&*pod.namespace, id, culprits.into()))
    });
    for (culprit, pods) in attribute(cut) {
        let cluster = context.cluster;
        let names: Vec<String> =
            workloads(cluster, pods).into_iter().map(|id| workload_name(cluster, id)).collect();
        let address = local.address;
        let message =
            format!("`{}` cuts {} off from the resolver on their nodes", culprit.name, listed(&names));
        findings
            .report(culprit.origin, message)
            .label(format!("no rule lets port 53 of {address} out"))
            .related(local.evidence.origin, format!("a resolver listens at {address}: {}", local.evidence.words))
            .help(format!(
                "add an egress rule with the peer `ipBlock: {{cidr: {address}/{}}}` for port 53 over UDP and TCP",
                if address.is_ipv4() { 32 } else { 128 }
            ));
    }
}
