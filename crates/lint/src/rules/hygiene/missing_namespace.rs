//! A policy without a namespace among objects that have one.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::{Text, object::ObjectRef, origin::SourceId};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::Cause,
};

pub(super) static RULE: Rule = Rule {
    code: "RF809",
    name: "missing-namespace",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a policy names no namespace, and everything else in its file names one",
    what: "Reports a NetworkPolicy or CiliumNetworkPolicy without `metadata.namespace` in a file whose workloads, Services and \
           other objects of namespaces all name one and the same. It keeps silent if the settings or the command line state \
           the namespace of such objects, and where `policy-in-wrong-namespace` knows that the policy's pods are elsewhere.",
    why: "The policy gets into whatever namespace `kubectl` happens to point at, and does nothing there, or something else.",
    bad: Example::new(
        "
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec:
  selector: {app: api}
  ports: [{port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api}
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes: [Ingress]
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec:
  selector: {app: api}
  ports: [{port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes: [Ingress]
",
    ),
    check,
};

/// Policies that belong to a namespace.
const POLICIES: [&str; 2] = ["NetworkPolicy", "CiliumNetworkPolicy"];

/// Other objects that belong to a namespace and stand beside policies.
const NAMESPACED: [&str; 15] = [
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Ingress",
    "Job",
    "PersistentVolumeClaim",
    "Pod",
    "ReplicaSet",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
];

fn check(context: &Context<'_>, findings: &mut Findings) {
    if context.settings.cluster.namespace.is_some() {
        return;
    }
    let is_policy = |object: &ObjectRef| POLICIES.contains(&&*object.kind);
    let homeless: Vec<&ObjectRef> =
        context.documents.iter().filter(|object| is_policy(object) && object.namespace.is_none()).collect();
    if homeless.is_empty() {
        return;
    }
    let mut named: BTreeMap<SourceId, BTreeSet<Option<&Text>>> = BTreeMap::new();
    for object in context.documents {
        let policy = is_policy(object);
        if NAMESPACED.contains(&&*object.kind) || (policy && object.namespace.is_some()) {
            named.entry(object.origin.source).or_default().insert(object.namespace.as_ref());
        }
    }
    let misplaced: BTreeSet<_> = (context.selections().parts.iter())
        .filter(|part| matches!(part.subject.cause, Some(Cause::Misplaced(_))))
        .map(|part| part.subject.meta.origin)
        .collect();
    for object in homeless {
        let all: Vec<_> = named.get(&object.origin.source).into_iter().flatten().collect();
        let [Some(namespace)] = all.as_slice() else { continue };
        if misplaced.contains(&object.origin) {
            continue;
        }
        findings
            .report(object.origin, format!("`{}` names no namespace", object.name))
            .label(format!("everything else in this file is in `{namespace}`"))
            .help(format!("add `namespace: {namespace}` to its `metadata`"));
    }
}
