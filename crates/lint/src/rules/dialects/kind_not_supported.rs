//! Policies of a kind that the cluster's CNI does not read.

use ringfence_model::{dialect::Support, network_policy::PolicyMeta};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF707",
    name: "kind-not-supported",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "the cluster's CNI does not read policies of this kind",
    what: "Reports policies of kinds that the CNI is known not to read: those of Cilium under another CNI, and \
           AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy where they are not implemented. Where \
           it depends on the version it is an info. It keeps silent if the CNI is not known.",
    why: "The API server takes any object whose definition is installed. Nothing enforces it.",
    bad: Example {
        settings: "cluster.profile = \"calico\"",
        manifests: "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web}}]
",
    },
    good: Example {
        settings: "cluster.profile = \"calico\"",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: web}}}]
",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(cni) = context.facts().cni.as_ref().filter(|cni| cni.profile.enforces) else { return };
    let cluster = context.cluster;
    let tiers = cluster.tier_policies.iter().map(|policy| &policy.meta);
    let cilium = cluster.cilium_policies.iter().map(|policy| &policy.meta);
    for meta in tiers.chain(cilium) {
        let meta: &PolicyMeta = meta;
        let Some(fact) = cni.dialect.kind(meta.kind) else { continue };
        let title = cni.dialect.title;
        let name = meta.full_name();
        let (message, severity) = match fact.value {
            Support::Yes => continue,
            Support::If(clause) => (
                format!("`{name}` has an effect only {clause}: it is a {}", meta.kind.as_str()),
                Severity::Info,
            ),
            Support::No(clause) => {
                let message = format!(
                    "`{name}` has no effect: it is a {}, and under {title} {clause}",
                    meta.kind.as_str()
                );
                (message, if cni.is_stated() { Severity::Error } else { Severity::Warning })
            }
        };
        let finding = findings.report(meta.origin, message);
        finding.label(cni.known_by()).severity(severity);
        finding.help(format!("write it as a NetworkPolicy, or use a CNI that reads it; see {}", fact.source));
        finding.related(cni.evidence.origin, "this shows the CNI");
    }
}
