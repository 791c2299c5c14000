//! The kinds that make pods: Deployment, ReplicaSet, ReplicationController, StatefulSet, DaemonSet, Job, CronJob.
//! In: the object's mapping. Out: its template and how many pods it may make.

use ringfence_model::{
    Text,
    diagnostic::Diagnostic,
    label::{Labels, Selector},
    workload::WorkloadKind,
};

use crate::decode::{
    cursor::{Decoder, Map},
    details, labels,
    meta::{self, Meta, Rules},
    names,
    pod::{self, PodSpec},
    selector,
};

/// A workload as its manifest says.
#[derive(Clone, Debug)]
pub(crate) struct WorkloadObject {
    /// Its kind.
    pub(crate) kind: WorkloadKind,
    /// Name, namespace, owner.
    pub(crate) meta: Meta,
    /// How many pods it may have at a time; 2 stands for any number above one.
    pub(crate) replicas: i64,
    /// The Service that governs a StatefulSet.
    pub(crate) service_name: Option<Text>,
    /// The labels of its pods.
    pub(crate) labels: Labels,
    /// The spec of its pods.
    pub(crate) spec: PodSpec,
}

/// Whether the API server demands a selector: from `apps/v1` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelectorRule {
    /// It must be there.
    Required,
    /// It is made from the template's labels.
    Defaulted,
}

/// A workload of a kind.
pub(crate) fn decode(
    d: &mut Decoder<'_>,
    root: &Map<'_, '_>,
    namespace: &str,
    kind: &WorkloadKind,
    rule: SelectorRule,
) -> Option<WorkloadObject> {
    let name = kind.as_str();
    let rules =
        Rules { kind: name, namespace: Some(namespace), grammar: names::dns_subdomain, generated: true };
    let meta = meta::meta(d, root, rules)?;
    d.near(root, &format!("this {name}"), &["metadata", "spec", "status"]);
    let Some(node) = root.get("spec") else {
        d.missing(root, &format!("this {name}"), "spec");
        return None;
    };
    let spec = d.map(node, "`spec`")?;
    let spec = match kind {
        WorkloadKind::CronJob => {
            let Some(job) = spec.get("jobTemplate") else {
                d.missing(&spec, "the spec of this CronJob", "jobTemplate");
                return None;
            };
            let job = d.map(job, "`jobTemplate`")?;
            let Some(spec) = job.get("spec") else {
                d.missing(&job, "`jobTemplate`", "spec");
                return None;
            };
            d.map(spec, "the spec of `jobTemplate`")?
        }
        _ => spec,
    };
    let place = format!("the spec of this {name}");
    d.near(&spec, &place, &["selector", "template", "replicas", "parallelism"]);
    let Some(template) = spec.get("template") else {
        d.missing(&spec, &place, "template");
        return None;
    };
    let template = d.map(template, "`template`")?;
    d.near(&template, "`template`", &["metadata", "spec"]);
    let metadata = template.get("metadata").and_then(|node| d.map(node, "the metadata of `template`"));
    let labels = metadata.and_then(|metadata| {
        d.near(&metadata, "the metadata of `template`", &["labels", "annotations"]);
        metadata.get("labels").map(|node| labels::labels(d, node, "the labels of `template`"))
    });
    let labels = labels.unwrap_or_default();
    check_selector(d, &spec, kind, &labels, rule);
    let replicas = match kind {
        WorkloadKind::DaemonSet => Some(2),
        WorkloadKind::Job | WorkloadKind::CronJob => whole(d, &spec, "parallelism"),
        _ => whole(d, &spec, "replicas"),
    };
    let service_name = match kind {
        WorkloadKind::StatefulSet => spec.str("serviceName").map(|name| d.intern(name)),
        _ => None,
    };
    let mut pods = pod::spec(d, template.get("spec"), "`template`");
    if d.details {
        pods.details = Some(details::decode(d, &template));
    }
    let replicas = replicas.unwrap_or(1);
    Some(WorkloadObject { kind: kind.clone(), meta, replicas, service_name, labels, spec: pods })
}

fn whole(d: &mut Decoder<'_>, spec: &Map<'_, '_>, field: &str) -> Option<i64> {
    spec.get(field).and_then(|node| d.integer(node, &format!("`{field}`"), 0, i64::from(i32::MAX)))
}

fn check_selector(
    d: &mut Decoder<'_>,
    spec: &Map<'_, '_>,
    kind: &WorkloadKind,
    labels: &Labels,
    rule: SelectorRule,
) {
    let by_hand = matches!(kind, WorkloadKind::Job | WorkloadKind::CronJob);
    let Some((key, node)) = spec.entry("selector").filter(|_| spec.has("selector")) else {
        if rule == SelectorRule::Required && !by_hand && *kind != WorkloadKind::ReplicationController {
            d.missing(spec, &format!("the spec of this {}", kind.as_str()), "selector");
        }
        return;
    };
    if by_hand {
        // The controller makes a Job's selector from the UID of the object.
        return;
    }
    let before = d.errors();
    let (matches, empty) = if *kind == WorkloadKind::ReplicationController {
        let wanted = labels::labels(d, node, "`selector`");
        (labels.contains_all(&wanted), false)
    } else {
        let selector: Selector = selector::selector(d, node, "`selector`");
        (selector.matches(labels), selector.is_empty())
    };
    if d.errors() > before {
        return;
    }
    if empty {
        d.error(
            node,
            "empty-selector",
            "this selector is empty",
            "name the labels of the pods in `matchLabels`",
        );
    } else if !matches {
        let shown: Vec<String> = labels.iter().map(|(key, value)| format!("`{key}: {value}`")).collect();
        let shown = if shown.is_empty() { "none".to_owned() } else { shown.join(", ") };
        d.push(
            Diagnostic::error(
                "selector-mismatch",
                d.origin(key),
                "`selector` does not match template labels",
            )
            .with_label(format!("the template's labels: {shown}"))
            .with_help("give the template every label of the selector"),
        );
    }
}
