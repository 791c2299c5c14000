//! Selectors that people would write for a workload. In: a workload. Out: the fewest telling labels that select its pods and
//! no others of their namespace.

use ringfence_model::{
    Text,
    cluster::Cluster,
    label::{Operator, Requirement, Selector},
    origin::Origin,
    workload::{NAMESPACE_NAME_LABEL, Pod, WorkloadId},
};

/// Labels that say what a workload is, the best first.
const TELLING: [&str; 10] = [
    "app.kubernetes.io/name",
    "app",
    "k8s-app",
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "component",
    "name",
    "role",
    "tier",
    "run",
];

/// Labels that controllers give: they change with every rollout, or name one pod of many.
const PASSING: [&str; 12] = [
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "security.istio.io/tlsMode",
    "statefulset.kubernetes.io/pod-name",
];

/// Labels of a version: a rule on them is cut by the next release.
const VERSIONS: [&str; 4] =
    ["app.kubernetes.io/version", "helm.sh/chart", "version", "app.kubernetes.io/managed-by"];

/// A selector for a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The selector.
    pub selector: Selector,
    /// Other pods of the namespace that it selects too, because no label tells them apart: their full names.
    pub also: Vec<String>,
}

/// The selector for a workload's pods; nothing if they have no lasting label in common.
#[must_use]
pub fn for_workload(cluster: &Cluster, workload: WorkloadId) -> Option<Chosen> {
    let known = cluster.workload(workload)?;
    let own: Vec<&Pod> =
        known.pods.iter().filter_map(|id| cluster.pod(*id)).filter(|pod| !pod.finished).collect();
    let (first, rest) = own.split_first()?;
    let lasting = |key: &str| !PASSING.contains(&key) && !VERSIONS.contains(&key);
    let common: Vec<(&Text, &Text)> = (first.labels.iter())
        .filter(|(key, value)| lasting(key) && rest.iter().all(|pod| pod.labels.get(key) == Some(value)))
        .collect();
    let others: Vec<&Pod> = (cluster.pods.iter())
        .filter(|pod| pod.namespace == known.namespace && pod.workload != workload)
        .filter(|pod| !pod.finished && !pod.host_network)
        .collect();
    let matched = |labels: &[(&Text, &Text)]| {
        let all = |pod: &&&Pod| labels.iter().all(|(key, value)| pod.labels.get(key) == Some(*value));
        others.iter().filter(all).map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect::<Vec<_>>()
    };
    let mut ordered: Vec<(&Text, &Text)> = TELLING
        .iter()
        .filter_map(|key| common.iter().find(|(known, _)| ***known == **key).copied())
        .collect();
    ordered.extend(common.iter().filter(|(key, _)| !TELLING.contains(&&***key)));
    if ordered.is_empty() {
        return None;
    }
    let single = ordered.iter().find(|label| matched(&[**label]).is_empty());
    let mut chosen: Vec<(&Text, &Text)> = single.into_iter().copied().collect();
    if chosen.is_empty() {
        for label in ordered {
            chosen.push(label);
            if matched(&chosen).is_empty() {
                break;
            }
        }
    }
    let mut also = matched(&chosen);
    also.dedup();
    chosen.sort_unstable();
    let requirements = chosen.into_iter().map(|(key, value)| equals(key.clone(), value.clone())).collect();
    Some(Chosen { selector: Selector { requirements, origin: Origin::NONE }, also })
}

/// The selector for one namespace by its name.
#[must_use]
pub fn for_namespace(name: &Text) -> Selector {
    Selector { requirements: vec![equals(NAMESPACE_NAME_LABEL.into(), name.clone())], origin: Origin::NONE }
}

fn equals(key: Text, value: Text) -> Requirement {
    Requirement { key, operator: Operator::In, values: vec![value], origin: Origin::NONE }
}
