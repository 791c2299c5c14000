//! An object that is in the input twice.

use ringfence_model::diagnostic::Severity as Level;

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    rules::input::reading::{self, REPEATED},
};

pub(super) static RULE: Rule = Rule {
    code: "RF808",
    name: "object-given-twice",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "two objects have one kind, namespace and name",
    what: "Reports an object with the kind, namespace and name of one before it. Two policies with different content are an \
           error; two other objects, or two with the same content, are worth a warning. It counts as one input what is \
           checked together: variants of a cluster (one directory for each stage) want to be checked one by one.",
    why: "Only one of them can be in the cluster: the one applied last replaces the other.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
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
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny-egress, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for diagnostic in context.diagnostics.iter().filter(|diagnostic| diagnostic.code == REPEATED) {
        let kind = context.places.root_value(diagnostic.origin, &["kind".into()]);
        let is_policy =
            kind.and_then(|kind| context.places.text(kind)).is_some_and(|kind| kind.contains("Policy"));
        let finding = reading::repeat(diagnostic, findings);
        if !is_policy || diagnostic.severity != Level::Error {
            finding.severity(Severity::Warning);
        }
    }
}
