//! A block of an address family that the CNI does not know.

use ringfence_model::{
    address::Family,
    dialect::{Fact, Support},
};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, Body},
};

pub(super) static RULE: Rule = Rule {
    code: "RF713",
    name: "family-not-enforced",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "the cluster's CNI does not know blocks of IPv6 addresses",
    what: "Reports IPv6 blocks of NetworkPolicies where the CNI is known not to take them: Azure Network Policy Manager, which \
           then does not apply the policy at all, and kube-router before 2.0. It keeps silent if the CNI is not known.",
    why: "With Azure Network Policy Manager one such block makes a policy that isolates pods a policy that does nothing.",
    bad: Example {
        settings: "cluster.profile = \"azure\"",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: worker, namespace: shop}
spec:
  podSelector: {matchLabels: {app: worker}}
  policyTypes: [Egress]
  egress:
    - to: [{ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: \"2001:db8::/32\"}}]
",
    },
    good: Example {
        settings: "cluster.profile = \"azure\"",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: worker, namespace: shop}
spec:
  podSelector: {matchLabels: {app: worker}}
  policyTypes: [Egress]
  egress:
    - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(cni) = context.facts().cni.as_ref().filter(|cni| cni.profile.enforces) else { return };
    let Some(Fact { value: Support::No(clause), source }) = cni.dialect.ipv6 else { return };
    for rule in walk::rules(context.cluster).filter(|rule| matches!(rule.body, Body::Network(..))) {
        for block in rule.blocks().iter().filter(|block| Family::of_net(&block.cidr) == Family::V6) {
            let message = format!(
                "`{}` has an IPv6 block: under {} {clause}",
                rule.meta.full_name(),
                cni.dialect.title
            );
            findings
                .report(block.place(&context.places), message)
                .label(cni.known_by())
                .help(format!("remove the block; see {source}"))
                .related(cni.evidence.origin, "this shows the CNI");
        }
    }
}
