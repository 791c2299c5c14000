//! Name lookups at any address.

use ringfence_model::{port::PortSpec, verdict::Direction};

use super::everything::has_pods;
use crate::{
    allow::{Outside, allows},
    context::Context,
    finding::Findings,
    naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF409",
    name: "dns-to-anywhere",
    severity: Severity::Info,
    since: "0.1.0",
    opt_in: false,
    summary: "port 53 is open to every address, not to the resolver alone",
    what: "Reports an egress rule for port 53 alone whose peers are every address. Silent if the resolver's pods are among \
           the pods that it is about: a resolver asks servers outside.",
    why: "Whoever runs a name server outside can receive data through it, on the port that nobody looks at. The cluster's \
          resolver can log and limit what is asked; a server outside cannot be limited.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: dns
  namespace: shop
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: dns
  namespace: shop
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
    for allow in allows(context.cluster) {
        let ports = allow.ports();
        let dns = !allow.is_every_port()
            && !ports.is_empty()
            && ports.iter().all(|port| matches!(port.ports, PortSpec::Range(53, 53)));
        if allow.direction != Direction::Egress || !dns {
            continue;
        }
        let breadth = allow.breadth(context);
        if breadth.outside == Outside::Part {
            continue;
        }
        let subject = allow.subject(context);
        let is_resolver = |pod: &ringfence_model::workload::Pod| {
            pod.labels.get("k8s-app").is_some_and(|app| matches!(&**app, "kube-dns" | "node-local-dns"))
        };
        let resolves = subject.iter().filter_map(|pod| context.cluster.pod(pod)).any(is_resolver);
        if resolves || (subject.is_empty() && has_pods(context, allow.meta.namespace.as_deref())) {
            continue;
        }
        let who = if subject.is_empty() {
            format!("the pods of `{}`", allow.meta.full_name())
        } else {
            naming::listed_pods(context.cluster, subject.iter())
        };
        findings
            .report(breadth.at, format!("{who} may ask any name server in the world"))
            .label("port 53 of every address")
            .help(
                "name the resolver: `namespaceSelector` with `kubernetes.io/metadata.name: kube-system` and, in the same \
                 peer, `podSelector` with `k8s-app: kube-dns`",
            );
    }
}
