//! A peer or a subject whose labels exist, in another namespace.

use ringfence_manifest::edit::{Value, append_entry};
use ringfence_model::{Text, network_policy::PolicyKind, workload::NAMESPACE_NAME_LABEL};

use super::{repair, words};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::{Cause, Place, RuleView},
};

pub(super) static RULE: Rule = Rule {
    code: "RF105",
    name: "right-label-in-other-namespace",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a selector finds no pod where it looks, and does in another namespace",
    what: "Reports a pod selector without a namespace selector (or a Cilium endpoint selector) that no pod of the policy's \
           own namespace meets, and pods of another namespace do; and a peer whose namespaces have no such pods while others \
           have. It is an error if there is exactly one such namespace, and a warning if there are several. Silent if the \
           input shows no pods where the selector looks, and if other peers of the rule mean those pods already.",
    why: "A pod selector alone never leaves the policy's namespace. The peer is nobody, and the connection is cut.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: prometheus, namespace: monitoring, labels: {app: prometheus}}
spec: {containers: [{name: prometheus, image: prometheus}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: scrape
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app: prometheus
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: prometheus, namespace: monitoring, labels: {app: prometheus}}
spec: {containers: [{name: prometheus, image: prometheus}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: scrape
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app: prometheus
          namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: monitoring
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for part in &context.selections().parts {
        if let Some(Cause::Elsewhere(namespaces)) = &part.subject.cause {
            report(context, &part.subject, None, namespaces, findings);
        }
        for rule in &part.rules {
            for place in rule.places() {
                if let Some(Cause::Elsewhere(namespaces)) = &place.cause {
                    report(context, place, Some(rule), namespaces, findings);
                }
            }
        }
    }
}

fn report(
    context: &Context<'_>,
    place: &Place<'_>,
    peer: Option<&RuleView<'_>>,
    namespaces: &[&Text],
    findings: &mut Findings,
) {
    let Some(pod) = &place.pod else { return };
    let asked = words::selector(pod);
    let policy = place.meta.full_name();
    let message = match peer {
        Some(rule) => {
            format!(
                "a peer of the {} rules of `{policy}` looks in the wrong namespace",
                words::direction(rule.direction)
            )
        }
        None => format!("`{policy}` selects no pod where it looks"),
    };
    let there = words::names(namespaces.iter().map(|name| &***name));
    let own = place.meta.namespace.as_ref().filter(|own| namespaces.contains(own));
    let cilium = place.meta.kind.as_str().starts_with("Cilium");
    let finding = findings.report(place.origin, message);
    finding.label(format!("no pod {} has {asked}; pods in {there} have", words::namespaces(place)));
    let name = match namespaces {
        [only] => only.to_string(),
        _ => "NAMESPACE".to_owned(),
    };
    if let (Some(own), Some(_)) = (own, peer) {
        finding.help(format!(
            "both selectors of one peer must hold: for the pods of `{own}` leave the namespace selector out, and for both write two peers"
        ));
    } else if peer.is_none() {
        finding.help(format!("select the namespace by `{NAMESPACE_NAME_LABEL}: {name}`"));
    } else if cilium {
        finding.help(format!("add `k8s:io.kubernetes.pod.namespace: {name}` to the selector"));
    } else if place.namespace.is_some() {
        finding.help(format!("select the namespace by `{NAMESPACE_NAME_LABEL}: {name}`"));
    } else {
        finding.help(format!(
            "add to the same peer, without a hyphen:\nnamespaceSelector:\n  matchLabels:\n    {NAMESPACE_NAME_LABEL}: {name}"
        ));
    }
    if let ([only], Some(rule), None) = (namespaces, peer, &place.namespace)
        && place.meta.kind == PolicyKind::NetworkPolicy
        && let Some(claim) = repair::more_peers(rule.action)
    {
        let name = Value::Map(vec![(NAMESPACE_NAME_LABEL.to_owned(), Value::from(&***only))]);
        let selector = Value::Map(vec![("matchLabels".to_owned(), name)]);
        let edits = append_entry(&context.places, place.origin, "namespaceSelector", &selector);
        finding.fix("add the namespace", edits, claim);
    }
    if namespaces.len() > 1 || peer.is_none() {
        finding.severity(Severity::Warning);
    }
}
