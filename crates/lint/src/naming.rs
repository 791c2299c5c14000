//! What pods are called in messages. In: pods. Out: the workloads that they belong to, by name.

use ringfence_model::{
    cluster::Cluster,
    workload::{PodId, Workload, WorkloadId},
};

/// How many are named before the rest is counted.
const NAMED: usize = 3;

/// The workloads of these pods, each once, in the order of the cluster.
pub(crate) fn workloads(cluster: &Cluster, pods: impl IntoIterator<Item = PodId>) -> Vec<WorkloadId> {
    let mut ids: Vec<WorkloadId> =
        pods.into_iter().filter_map(|pod| cluster.pod(pod)).map(|pod| pod.workload).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// `` `shop/api` ``.
pub(crate) fn workload(workload: &Workload) -> String {
    format!("`{}/{}`", workload.namespace, workload.name)
}

/// `` `shop/api`, `shop/web` and 3 more ``.
pub(crate) fn listed(cluster: &Cluster, ids: &[WorkloadId]) -> String {
    let names: Vec<String> = ids.iter().filter_map(|id| cluster.workload(*id)).map(workload).collect();
    listed_names(&names)
}

/// The workloads of these pods, as [`listed`] has them.
pub(crate) fn listed_pods(cluster: &Cluster, pods: impl IntoIterator<Item = PodId>) -> String {
    listed(cluster, &workloads(cluster, pods))
}

/// `a, b and c`, or `a, b, c and 4 more`. One more is named rather than counted.
pub(crate) fn listed_names(names: &[String]) -> String {
    let named = if names.len() <= NAMED + 1 { names.len() } else { NAMED };
    let (shown, rest) = names.split_at_checked(named).unwrap_or((names, &[]));
    if !rest.is_empty() {
        return format!("{} and {} more", shown.join(", "), rest.len());
    }
    match shown.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

/// `1 pod`, `2 pods`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}
