//! A range of ports where the CNI looks at its first port only.

use ringfence_model::port::PortSpec;

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, Body},
};

pub(super) static RULE: Rule = Rule {
    code: "RF702",
    name: "end-port-not-honoured",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "the cluster's CNI ignores `endPort`",
    what: "Reports ranges of ports in NetworkPolicies where the CNI is known to honour the first port alone: kube-router \
           before 2.0 (the profile `kube-router-1`, or an image of that version), Cilium before 1.16 (an image of that \
           version).",
    why: "Connections to the other ports of the range are denied, without a word from the API server or the CNI.",
    bad: Example {
        settings: "cluster.profile = \"kube-router-1\"",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: media, namespace: shop}
spec:
  podSelector: {matchLabels: {app: media}}
  ingress:
    - ports:
        - port: 32000
          endPort: 32767
          protocol: UDP
",
    },
    good: Example {
        settings: "cluster.profile = \"kube-router\"",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: media, namespace: shop}
spec:
  podSelector: {matchLabels: {app: media}}
  ingress:
    - ports:
        - port: 32000
          endPort: 32767
          protocol: UDP
",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(cni) = context.facts().cni.as_ref() else { return };
    if cni.profile.end_port || !cni.profile.enforces {
        return;
    }
    for rule in walk::rules(context.cluster).filter(|rule| matches!(rule.body, Body::Network(..))) {
        for entry in rule.ports() {
            let PortSpec::Range(first, last) = entry.ports else { continue };
            if first == last {
                continue;
            }
            let at = context.places.value(entry.origin, &["endPort".into()]).unwrap_or(entry.origin);
            let title = cni.dialect.title;
            let message =
                format!("`{}` opens port {first} alone: {title} ignores `endPort`", rule.meta.full_name());
            let finding = findings.report(at, message);
            finding
                .label(cni.known_by())
                .help(format!("list the ports one by one, or update {title}"))
                .related(cni.evidence.origin, "this shows the CNI");
        }
    }
}
