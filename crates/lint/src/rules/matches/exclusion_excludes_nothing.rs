//! An exclusion by a label that nobody has.

use ringfence_model::{
    label::{Labels, Operator, Requirement},
    origin::Origin,
    workload::NAMESPACE_NAME_LABEL,
};

use super::{repair, words};
use crate::{
    context::Context,
    finding::{Claim, Finding, Findings},
    rule::{Example, Rule, Severity},
    selection::{Place, is_slip, others_keys},
};

pub(super) static RULE: Rule = Rule {
    code: "RF113",
    name: "exclusion-excludes-nothing",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a selector excludes by a key that nobody has, so it means everybody",
    what: "Reports `NotIn` and `DoesNotExist` on a key that no pod (or no namespace) in question has, if it is plain who was \
           meant to be excluded: the value is the name of a namespace, which the API server labels otherwise, or the same value is \
           there under a key that other tools use, or the key is mistyped. It is an error if the namespace's object is given and \
           does not have the label. Silent if nobody is meant yet: a label to opt out is nothing wrong.",
    why: "A pod without the key meets `NotIn` and `DoesNotExist`. The selector means everybody, those included who should have \
          been left out.",
    bad: Example::new(
        "
apiVersion: v1
kind: Namespace
metadata: {name: kube-system}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector: {}
  ingress:
    - from:
        - namespaceSelector:
            matchExpressions:
              - {key: name, operator: NotIn, values: [kube-system]}
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
  name: api
  namespace: shop
spec:
  podSelector: {}
  ingress:
    - from:
        - namespaceSelector:
            matchExpressions:
              - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let parts = &context.selections().parts;
    let subjects = parts.iter().map(|part| (&part.subject, None));
    // Who is excluded from a rule that allows is cut off by the repair; what it does to a subject depends on the rules.
    let peers = parts
        .iter()
        .flat_map(|part| &part.rules)
        .flat_map(|rule| rule.places().map(|place| (place, repair::fewer_peers(rule.action))));
    let places = subjects.chain(peers);
    for (place, claim) in places {
        for requirement in place.namespace.iter().flat_map(|selector| &selector.requirements) {
            if requirement.holds(None) {
                of_namespaces(context, place, requirement, claim.as_ref(), findings);
            }
        }
        let excluding = |one: &&Requirement| one.holds(None);
        let mut requirements =
            place.pod.iter().flat_map(|pod| &pod.requirements).filter(excluding).peekable();
        if requirements.peek().is_some() {
            let sets = context.selections().labels.asked(context, place);
            for requirement in requirements {
                let found = instead(requirement, sets.iter().map(|set| (set.labels, set.workload.origin)));
                if let Some((key, value, origin)) = found {
                    report(place, requirement, "pod", findings)
                        .help(format!(
                            "there are pods with {}: write `{key}` as the key",
                            words::label(key, value)
                        ))
                        .related(origin, format!("has {}", words::label(key, value)));
                }
            }
        }
    }
}

fn of_namespaces(
    context: &Context<'_>,
    place: &Place<'_>,
    requirement: &Requirement,
    claim: Option<&Claim>,
    findings: &mut Findings,
) {
    let repaired = |finding: &mut Finding, key: &str| {
        if let (Some(claim), Some(selector)) = (claim, &place.namespace) {
            let edits = repair::replace_key(context, place, selector, requirement, key);
            finding.fix("correct the key", edits, claim.clone());
        }
    };
    let namespaces = &context.cluster.namespaces;
    if namespaces.iter().any(|namespace| namespace.labels.get(&requirement.key).is_some()) {
        return;
    }
    let named = requirement.values.iter().find_map(|value| context.cluster.namespace(value));
    if let Some(namespace) = named {
        let name = &namespace.name;
        let finding = report(place, requirement, "namespace", findings);
        finding
            .help(format!("the API server labels every namespace with its name: write `{NAMESPACE_NAME_LABEL}` as the key"))
            .related(namespace.origin, format!("`{name}` has no label `{}`", requirement.key));
        if namespace.given {
            finding.severity(Severity::Error);
        }
        repaired(finding, NAMESPACE_NAME_LABEL);
        return;
    }
    let given = namespaces.iter().filter(|namespace| namespace.given);
    if let Some((key, value, origin)) = instead(requirement, given.map(|one| (&one.labels, one.origin))) {
        let finding = report(place, requirement, "namespace", findings);
        finding
            .help(format!("there are namespaces with {}: write `{key}` as the key", words::label(key, value)))
            .related(origin, format!("has {}", words::label(key, value)));
        repaired(finding, key);
    }
}

fn report<'f>(
    place: &Place<'_>,
    requirement: &Requirement,
    who: &str,
    findings: &'f mut Findings,
) -> &'f mut crate::Finding {
    let finding = findings
        .report(requirement.origin, format!("an exclusion in `{}` excludes nobody", place.meta.full_name()));
    finding.label(format!("no {who} has a label `{}`, so all meet this", requirement.key));
    finding
}

/// The label by which somebody would have been excluded; nothing if somebody has the key, or nobody is meant.
fn instead<'l>(
    requirement: &Requirement,
    known: impl Iterator<Item = (&'l Labels, Origin)>,
) -> Option<(&'l str, &'l str, Origin)> {
    let mut found = None;
    for (labels, origin) in known {
        if labels.get(&requirement.key).is_some() {
            return None;
        }
        if found.is_none() {
            let mut labels = labels.iter();
            let meant = labels.find(|(key, value)| match requirement.operator {
                Operator::NotIn => requirement.values.contains(value) && others_keys(&requirement.key, key),
                _ => is_slip(&requirement.key, key),
            });
            found = meant.map(|(key, value)| (&**key, &**value, origin));
        }
    }
    found
}
