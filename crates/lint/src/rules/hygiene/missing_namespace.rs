//! A policy without a namespace beside pods that have one.

use std::collections::BTreeSet;

use ringfence_model::{Text, label::Selector, network_policy::NetworkPolicy, object::ObjectRef};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF809",
    name: "missing-namespace",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a policy names no namespace, and the pods that it could mean are in another one than it gets",
    what: "Reports a NetworkPolicy without `metadata.namespace` that selects no pod where it ends up, if the pods that its \
           selector fits are all in one other namespace. It keeps silent if the settings or the command line state the \
           namespace of such objects, and where no pod, or pods of several namespaces, could be meant.",
    why: "The policy gets into whatever namespace `kubectl` happens to point at, and does nothing there, or something else.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
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
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
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

fn check(context: &Context<'_>, findings: &mut Findings) {
    if context.settings.cluster.namespace.is_some() {
        return;
    }
    let homeless: BTreeSet<_> = (context.documents.iter())
        .filter(|object: &&ObjectRef| &*object.kind == "NetworkPolicy" && object.namespace.is_none())
        .map(|object| object.origin)
        .collect();
    if homeless.is_empty() {
        return;
    }
    for policy in
        context.cluster.network_policies.iter().filter(|policy| homeless.contains(&policy.meta.origin))
    {
        if !context.scope.network_subject(policy).is_empty() {
            continue;
        }
        if let Some(namespace) = meant(context, policy) {
            let own = policy.meta.namespace.as_deref().unwrap_or_default();
            findings
                .report(
                    policy.meta.origin,
                    format!("`{}` names no namespace, and selects nothing in `{own}`", policy.meta.name),
                )
                .label(format!("the pods that its selector fits are in `{namespace}`"))
                .help(format!("add `namespace: {namespace}` to its `metadata`"));
        }
    }
}

/// The one namespace with pods that the selector fits.
fn meant<'a>(context: &Context<'a>, policy: &NetworkPolicy) -> Option<&'a Text> {
    let pods = context.scope.pods(&Selector::default(), &policy.subject);
    let mut namespaces = pods.iter().filter_map(|pod| context.cluster.pod(pod)).map(|pod| &pod.namespace);
    let first = namespaces.next()?;
    namespaces.all(|other| other == first).then_some(first)
}
