//! A namespace selector on a label that no namespace has.

use ringfence_manifest::edit::Edit;
use ringfence_model::{label::Requirement, workload::NAMESPACE_NAME_LABEL};

use super::{repair, words};
use crate::{
    context::Context,
    finding::{Claim, Finding, Findings},
    rule::{Example, Rule, Severity},
    selection::{Cause, NamespaceReason, Place, RuleView},
};

pub(super) static RULE: Rule = Rule {
    code: "RF103",
    name: "namespace-label-nobody-sets",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a namespace selector asks for a label that no namespace has",
    what: "Reports a namespace selector that selects no namespace: `name: kube-system`, which nothing sets (the API server sets \
           `kubernetes.io/metadata.name`), a mistyped name, key or value, a label of pods, values that no namespace has. It is \
           an error if the namespace that is meant is given and does not have the label; a warning if its object is not in the \
           input, so that somebody may have labelled it by hand; only worth knowing if nothing tells which namespace is meant. Silent if nothing is known about the namespaces that may be \
           meant, and if another peer of the rule finds them.",
    why: "The peer is nobody: the connection is cut, most often the one to the cluster's DNS or from its monitoring.",
    bad: Example::new(
        "
apiVersion: v1
kind: Namespace
metadata: {name: kube-system}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-dns
  namespace: shop
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              name: kube-system
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Namespace
metadata: {name: kube-system}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-dns
  namespace: shop
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for part in &context.selections().parts {
        if let Some(Cause::Namespace(reason)) = &part.subject.cause {
            report(context, &part.subject, "the subject", None, reason, findings);
        }
        for rule in &part.rules {
            for place in rule.places() {
                if let Some(Cause::Namespace(reason)) = &place.cause
                    && !is_found_otherwise(rule, reason)
                {
                    let what = format!("a peer of the {} rules", words::direction(rule.direction));
                    report(context, place, &what, repair::more_peers(rule.action).as_ref(), reason, findings);
                }
            }
        }
    }
}

/// Whether another peer of the rule selects the namespace that is meant: the author knows both spellings.
fn is_found_otherwise(rule: &RuleView<'_>, reason: &NamespaceReason<'_>) -> bool {
    let (NamespaceReason::Name { namespace, .. } | NamespaceReason::Slip { namespace, .. }) = reason else {
        return false;
    };
    rule.places()
        .any(|place| place.namespace.as_ref().is_some_and(|selector| selector.matches(&namespace.labels)))
}

fn report(
    context: &Context<'_>,
    place: &Place<'_>,
    what: &str,
    claim: Option<&Claim>,
    reason: &NamespaceReason<'_>,
    findings: &mut Findings,
) {
    let repaired = |finding: &mut Finding, edits: Option<Vec<Edit>>| {
        if let Some(claim) = claim {
            finding.fix("correct the selector", edits, claim.clone());
        }
    };
    let at = |requirement: &Requirement| {
        if requirement.origin.is_some() { requirement.origin } else { place.origin }
    };
    let policy = place.meta.full_name();
    let message = format!("{what} of `{policy}` selects no namespace");
    match reason {
        NamespaceReason::Name { requirement, namespace, certain } => {
            let name = &namespace.name;
            let finding = findings.report(at(requirement), message);
            let asked = words::requirement(requirement);
            if namespace.given {
                finding.label(format!("namespace `{name}` has no label {asked}"));
            } else {
                finding.label(format!("nothing sets {asked} unless somebody has labelled `{name}` by hand"));
            }
            finding
                .help(format!("the API server labels every namespace with its name: write `{NAMESPACE_NAME_LABEL}: {name}`"))
                .related(namespace.origin, labels(namespace));
            if !certain {
                finding.severity(Severity::Warning);
            }
            let edits = place.namespace.as_ref().and_then(|selector| {
                repair::replace_key(context, place, selector, requirement, NAMESPACE_NAME_LABEL)
            });
            if requirement.values.len() == 1 {
                repaired(finding, edits);
            }
        }
        NamespaceReason::Slip { requirement, namespace, instead: (key, value) } => {
            let finding = findings.report(at(requirement), message);
            finding
                .label(format!("no namespace has {}", words::requirement(requirement)))
                .help(format!("namespace `{}` has {}", namespace.name, words::label(key, value)))
                .related(namespace.origin, labels(namespace));
            let edits = place.namespace.as_ref().and_then(|selector| {
                if requirement.key == **key {
                    repair::replace_value(context, place, selector, requirement, value)
                } else {
                    repair::replace_key(context, place, selector, requirement, key)
                }
            });
            repaired(finding, edits);
        }
        NamespaceReason::PodLabel(requirement, set) => {
            let finding = findings.report(at(requirement), message);
            finding
                .label(format!("{} is a label of pods, not of namespaces", words::requirement(requirement)))
                .help(format!(
                    "{} has it: to mean such pods of every namespace, write `namespaceSelector: {{}}` and a `podSelector` with it in one peer; to mean one namespace, select it by `{NAMESPACE_NAME_LABEL}: {}`",
                    words::workload(set, None),
                    set.workload.namespace
                ))
                .related(set.workload.origin, format!("has {}", words::requirement(requirement)))
                .severity(Severity::Warning);
        }
        NamespaceReason::OtherValues(requirement, values) => {
            let known = values.iter().map(|(value, namespace)| format!("{value} ({})", namespace.name));
            let known: Vec<String> = known.collect();
            let finding = findings.report(at(requirement), message);
            finding
                .label(format!("no namespace has {}", words::requirement(requirement)))
                .help(format!(
                    "namespaces have `{}` with {}",
                    requirement.key,
                    words::names(known.iter().map(String::as_str))
                ))
                .severity(Severity::Warning);
        }
        NamespaceReason::Nobody(requirement) => {
            let finding = findings.report(at(requirement), message);
            finding.label(format!("no namespace of the input has {}", words::requirement(requirement)));
            match requirement.values.as_slice() {
                [value] if crate::selection::is_system(value) => finding
                    .help(format!(
                        "the API server labels every namespace with its name: write `{NAMESPACE_NAME_LABEL}: {value}`"
                    ))
                    .severity(Severity::Warning),
                _ => finding
                    .help(format!(
                        "label the namespaces that are meant with {}, or select them by `{NAMESPACE_NAME_LABEL}`",
                        words::requirement(requirement)
                    ))
                    .severity(Severity::Info),
            };
        }
        NamespaceReason::NotTogether => {
            let origin = place.namespace.as_ref().map(|selector| selector.origin);
            let finding = findings.report(origin.filter(|at| at.is_some()).unwrap_or(place.origin), message);
            finding
                .label("no namespace meets all of this")
                .help("each requirement is met by some namespace, and none meets them together")
                .severity(Severity::Warning);
        }
    }
}

fn labels(namespace: &ringfence_model::workload::Namespace) -> String {
    let labels = namespace.labels.iter().map(|(key, value)| format!("{key}: {value}"));
    let labels: Vec<String> = labels.collect();
    format!("has {}", words::names(labels.iter().map(String::as_str)))
}
