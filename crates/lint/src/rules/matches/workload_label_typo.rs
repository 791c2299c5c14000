//! A workload whose label is mistyped, so that no policy finds it.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::{origin::Origin, workload::WorkloadId};

use super::{odd_label::odd, words};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::{Cause, Near, Place, unselected},
};

pub(super) static RULE: Rule = Rule {
    code: "RF111",
    name: "workload-label-typo",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a workload's label is mistyped, so that no policy selects it",
    what: "Reports a workload that misses what policies of its namespace ask for by a slip of the finger, if the slip is in the \
           workload: several policies or a Service ask for the same label, or the workload itself is called so. It is a \
           warning if another policy selects the workload, and for a label that one workload alone has, that nothing asks for, and \
           that is a slip away from the label of others of the namespace which a policy selects. Silent if a Service finds the pods by the label that they have.",
    why: "The policies are right and do not apply: the workload is not protected, or it is not let through.",
    bad: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: frontend, namespace: shop}
spec:
  selector: {matchLabels: {app: fronted}}
  template:
    metadata: {labels: {app: fronted}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: frontend
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: frontend
  policyTypes: [Ingress]
",
    ),
    good: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: frontend, namespace: shop}
spec:
  selector: {matchLabels: {app: frontend}}
  template:
    metadata: {labels: {app: frontend}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: frontend
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: frontend
  policyTypes: [Ingress]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let parts = &context.selections().parts;
    let mut mistyped: BTreeMap<WorkloadId, Vec<(&Near<'_>, &Place<'_>)>> = BTreeMap::new();
    for place in parts.iter().flat_map(|part| part.places()) {
        if let Some(Cause::MistypedLabel(near)) = &place.cause {
            for set in &near.sets {
                mistyped.entry(set.id).or_default().push((near, place));
            }
        }
    }
    for odd in odd(context).into_iter().filter(|odd| !mistyped.contains_key(&odd.set.id)) {
        let (key, value) = odd.has;
        let asked = words::requirement(odd.requirement);
        findings
            .report(
                written(context, odd.set.workload.origin, key),
                format!(
                    "{} is missed by `{}`, which is for others of its namespace",
                    words::workload(&odd.set, None),
                    odd.place.meta.full_name()
                ),
            )
            .label(format!("has {}, which nothing asks for", words::label(key, value)))
            .help(format!("others have {asked}: correct the label of the pods, if it is mistyped"))
            .related(odd.requirement.origin, format!("asks for {asked}"))
            .severity(Severity::Warning);
    }
    if mistyped.is_empty() {
        return;
    }
    let free = unselected(context, parts);
    for (id, places) in mistyped {
        let Some((near, _)) = places.first() else { continue };
        let (Some(set), Some((key, value))) = (near.sets.first(), near.instead) else { continue };
        let finding = findings.report(
            written(context, set.workload.origin, key),
            format!("{} is missed by the policies that are meant for it", words::workload(set, None)),
        );
        finding.label(format!("has {}", words::label(key, value))).help(format!(
            "policies ask for {}: correct the label of the pods",
            words::requirement(&near.requirement)
        ));
        let mut named: BTreeSet<Origin> = BTreeSet::new();
        for (near, place) in &places {
            if named.insert(near.requirement.origin) {
                finding
                    .related(near.requirement.origin, format!("asked for by `{}`", place.meta.full_name()));
            }
        }
        if !free.contains(&id) {
            finding.severity(Severity::Warning);
        }
    }
}

/// Where the label of the pods is written.
fn written(context: &Context<'_>, workload: Origin, key: &str) -> Origin {
    let template = ["spec".into(), "template".into(), "metadata".into(), "labels".into(), key.into()];
    let job = ["spec".into(), "jobTemplate".into()];
    let job: Vec<_> = job.into_iter().chain(template).collect();
    let own = ["metadata".into(), "labels".into(), key.into()];
    [&template[..], &job, &own]
        .into_iter()
        .find_map(|path| context.places.root_value(workload, path))
        .unwrap_or(workload)
}
