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
           ClusterNetworkPolicy (v1alpha2) replaces, are worth an info, once for all of them.",
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

/// How many other policies a finding points to.
const POINTED: usize = 3;

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
    let mut old = (context.cluster.tier_policies.iter())
        .filter(|policy| policy.meta.kind != PolicyKind::ClusterNetworkPolicy)
        .map(|policy| {
            let version = context.places.root_value(policy.meta.origin, &["apiVersion".into()]);
            (policy, version.unwrap_or(policy.meta.origin))
        });
    let Some((first, at)) = old.next() else { return };
    let rest: Vec<_> = old.collect();
    let name = format!("{} `{}`", first.meta.kind.as_str(), first.meta.name);
    let message = match rest.len() {
        0 => format!("{name} is of a version that ClusterNetworkPolicy replaces"),
        more => format!("{name} and {more} more are of a version that ClusterNetworkPolicy replaces"),
    };
    let finding = findings.report(at, message);
    finding.severity(Severity::Info).label("now `policy.networking.k8s.io/v1alpha2`").help(
        "before network plugins drop it, write a ClusterNetworkPolicy with `tier: Admin` or `tier: Baseline`",
    );
    for (policy, at) in rest.iter().take(POINTED) {
        finding.related(*at, format!("{} `{}` is too", policy.meta.kind.as_str(), policy.meta.name));
    }
}
