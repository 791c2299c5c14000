//! A policy whose pods are in another namespace.

use ringfence_manifest::edit::{Value, append_entry, replace_scalar};
use ringfence_model::{Text, network_policy::PolicyKind, workload::PodId};

use super::{repair, words};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::{Cause, Misplaced, Part},
};

pub(super) static RULE: Rule = Rule {
    code: "RF112",
    name: "policy-in-wrong-namespace",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a policy selects no pod in its own namespace, and does in another one",
    what: "Reports a policy whose subject is no pod of its namespace, while pods of another namespace meet it. It is an error if the \
           policy names no namespace, the one that it lands in has no pods, and all of its selectors mean pods of exactly one \
           other; if its subject and its peers all are in one other namespace and none in its own; and if its namespace is a \
           slip of the finger away from that one. Else it is a warning. A policy for all pods that names no namespace \
           and lands in one without pods is a warning too. Silent about a named namespace of which the input shows no pods.",
    why: "A policy applies to pods of its own namespace only. Here it protects nobody, and the pods that it is written for \
          stay open.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: prod, labels: {role: db}}
spec: {containers: [{name: db, image: mysql}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: db-policy
spec:
  podSelector:
    matchLabels:
      role: db
  policyTypes: [Ingress]
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: prod, labels: {role: db}}
spec: {containers: [{name: db, image: mysql}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: db-policy
  namespace: prod
spec:
  podSelector:
    matchLabels:
      role: db
  policyTypes: [Ingress]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for part in &context.selections().parts {
        if let Some(Cause::Misplaced(misplaced)) = &part.subject.cause
            && let Some(home) = part.subject.home
        {
            report(context, part, misplaced, home, findings);
        }
    }
}

fn report(
    context: &Context<'_>,
    part: &Part<'_>,
    found: &Misplaced<'_>,
    home: &Text,
    findings: &mut Findings,
) {
    let meta = part.subject.meta;
    let path = ["metadata".into(), "namespace".into()];
    let origin = context.places.root_value(meta.origin, &path).unwrap_or(meta.origin);
    let there = words::names(found.namespaces.iter().map(|name| &***name));
    let asked = part.subject.pod.as_ref().map(words::selector).unwrap_or_default();
    let everything = part.subject.is_everything();
    let what = if found.written { "is in" } else { "names no namespace and lands in" };
    let finding = findings.report(
        origin,
        if everything {
            format!("`{}` {what} `{home}`, where no pods are", meta.name)
        } else {
            format!("`{}` {what} `{home}`, where no pod has {asked}", meta.name)
        },
    );
    finding.label(if everything {
        format!("the pods of the input are in {there}")
    } else if found.peers_at_home {
        format!("the pods that it is about are in {there}; in `{home}` are only its peers")
    } else {
        format!("the pods that it is about are in {there}")
    });
    let kind = if meta.kind == PolicyKind::NetworkPolicy { "a NetworkPolicy" } else { "the policy" };
    finding.help(match (found.namespaces.as_slice(), found.peers_at_home) {
        ([only], false) => format!("write `namespace: {only}` below `metadata`"),
        ([only], true) => format!(
            "{kind} belongs into the namespace of the pods that it selects: write `namespace: {only}` below `metadata`, and a `namespaceSelector` for `{home}` in its peers"
        ),
        _ => format!("{kind} belongs into the namespace of the pods that it selects: write it once for each"),
    });
    if !found.certain {
        finding.severity(Severity::Warning);
        return;
    }
    // The pods that it would select.
    let pod = context.cluster.pods.iter().position(|pod| {
        found.namespaces.first().is_some_and(|name| **name == pod.namespace)
            && part.subject.pod.as_ref().is_some_and(|selector| selector.matches(&pod.labels))
    });
    if let (Some(pod), [only]) = (pod.and_then(|at| u32::try_from(at).ok()), found.namespaces.as_slice()) {
        let name = Value::from(&***only);
        let edits = match context.places.root_value(meta.origin, &path) {
            Some(old) => replace_scalar(&context.places, old, &name),
            None => context
                .places
                .root_value(meta.origin, &["metadata".into()])
                .and_then(|metadata| append_entry(&context.places, metadata, "namespace", &name)),
        };
        finding.fix("move the policy", edits, repair::one_more_policy(context, PodId(pod)));
    }
}
