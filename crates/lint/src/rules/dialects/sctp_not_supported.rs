//! Rules about SCTP where it must be turned on first.

use ringfence_model::{dialect::Support, port::Protocol};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk,
};

pub(super) static RULE: Rule = Rule {
    code: "RF708",
    name: "sctp-not-supported",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "the cluster's CNI may not know SCTP",
    what: "Reports ports with `protocol: SCTP` where the CNI is known to need a setting for it (Cilium) or not to know it. It \
           keeps silent if the CNI is not known, and if the ConfigMap `cilium-config` of the input turns it on.",
    why: "The rule does not do what it says: connections are dropped, or pass whatever the policy says.",
    bad: Example {
        settings: "cluster.profile = \"cilium\"",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: amf, namespace: core}
spec:
  podSelector: {matchLabels: {app: amf}}
  ingress:
    - ports: [{port: 38412, protocol: SCTP}]
",
    },
    good: Example {
        settings: "cluster.profile = \"aws\"",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: amf, namespace: core}
spec:
  podSelector: {matchLabels: {app: amf}}
  ingress:
    - ports: [{port: 38412, protocol: SCTP}]
",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(cni) = context.facts().cni.as_ref() else { return };
    let Some(fact) = cni.dialect.sctp else { return };
    let (Support::If(clause) | Support::No(clause)) = fact.value else { return };
    if is_on(context) {
        return;
    }
    for rule in walk::rules(context.cluster).filter(|rule| cni.reads(rule.meta.kind)) {
        for entry in rule.ports().into_iter().filter(|entry| entry.protocol == Some(Protocol::Sctp)) {
            let title = cni.dialect.title;
            let message = format!("`{}` is about SCTP: {title} knows it {clause}", rule.meta.full_name());
            let finding = findings.report(entry.origin, message);
            finding.label(cni.known_by()).help(format!("turn it on, see {}", fact.source));
            finding.related(cni.evidence.origin, "this shows the CNI");
        }
    }
}

/// Whether the ConfigMap of Cilium turns SCTP on.
fn is_on(context: &Context<'_>) -> bool {
    let config = context
        .documents
        .iter()
        .find(|object| &*object.kind == "ConfigMap" && &*object.name == "cilium-config");
    let value = config
        .and_then(|config| context.places.root_value(config.origin, &["data".into(), "enable-sctp".into()]));
    value.and_then(|at| context.places.text(at)).is_some_and(|text| text.trim_matches(['"', '\'']) == "true")
}
