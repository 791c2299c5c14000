//! An object in an API version that is gone, or on its way out.

use ringfence_manifest::edit::{self, Value};
use ringfence_model::network_policy::PolicyKind;

use crate::{
    context::Context,
    finding::{Claim, Findings},
    rule::{Example, Rule, Severity},
    rules::input::reading::{self, REMOVED},
};

pub(super) static RULE: Rule = Rule {
    code: "RF807",
    name: "deprecated-api-version",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "an API version that API servers no longer serve, or that has a successor",
    what: "Reports NetworkPolicies, workloads, Ingresses and EndpointSlices in API versions that Kubernetes no longer serves, \
           with the release that dropped them (error). AdminNetworkPolicy and BaselineAdminNetworkPolicy (v1alpha1), which \
           ClusterNetworkPolicy (v1alpha2) replaces, are worth an info.",
    why: "The API server rejects the object, so that it is not in the cluster. What is said here is said as if it were.",
    bad: Example::new(
        "
apiVersion: extensions/v1beta1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
    ),
    good: Example::new(
        "
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
    for diagnostic in context.diagnostics.iter().filter(|diagnostic| diagnostic.code == REMOVED) {
        let finding = reading::repeat(diagnostic, findings);
        let kind = context.places.root_value(diagnostic.origin, &["kind".into()]);
        // Only of a NetworkPolicy everything else stays as it was.
        if kind.and_then(|kind| context.places.text(kind)) == Some("NetworkPolicy") {
            let value = Value::from("networking.k8s.io/v1");
            let edits = edit::replace_scalar(&context.places, diagnostic.origin, &value);
            finding.fix("write `networking.k8s.io/v1`", edits, Claim::ChangesNothing);
        }
    }
    for policy in &context.cluster.tier_policies {
        let meta = &policy.meta;
        if meta.kind == PolicyKind::ClusterNetworkPolicy {
            continue;
        }
        let version = context.places.root_value(meta.origin, &["apiVersion".into()]);
        findings
            .report(
                version.unwrap_or(meta.origin),
                format!(
                    "{} `{}` is of a version that ClusterNetworkPolicy replaces",
                    meta.kind.as_str(),
                    meta.name
                ),
            )
            .severity(Severity::Info)
            .label("now `policy.networking.k8s.io/v1alpha2`")
            .help(format!(
                "before network plugins drop it, write a ClusterNetworkPolicy with `tier: {}`",
                policy.tier.as_str()
            ));
    }
}
