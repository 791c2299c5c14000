//! The order that a cluster promises. In: a cluster in any order. Out: the same, sorted, its pods renumbered.

use ringfence_model::{
    cluster::Cluster,
    workload::{PodId, WorkloadId},
};

/// Sorts everything as [`Cluster`] documents it. Returns where each pod went: the new number of each old one.
pub fn sort(cluster: &mut Cluster) -> Vec<PodId> {
    cluster.namespaces.sort_by(|a, b| a.name.cmp(&b.name));
    cluster.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    cluster.services.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    cluster.endpoint_slices.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    cluster
        .network_policies
        .sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
    cluster.tier_policies.sort_by(|a, b| {
        (a.tier, a.priority, &a.meta.name, a.meta.kind).cmp(&(b.tier, b.priority, &b.meta.name, b.meta.kind))
    });
    cluster
        .cilium_policies
        .sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));

    let workloads: Vec<u32> = {
        let key = |at: &u32| {
            cluster
                .workload(WorkloadId(*at))
                .map(|one| (one.namespace.clone(), one.name.clone(), one.kind.clone()))
        };
        sorted(cluster.workloads.len(), key)
    };
    let pods: Vec<u32> = {
        let key = |at: &u32| cluster.pod(PodId(*at)).map(|pod| (pod.namespace.clone(), pod.name.clone()));
        sorted(cluster.pods.len(), key)
    };
    let new_workload = inverse(&workloads);
    let new_pod = inverse(&pods);
    cluster.workloads =
        workloads.iter().filter_map(|at| cluster.workload(WorkloadId(*at)).cloned()).collect();
    cluster.pods = pods.iter().filter_map(|at| cluster.pod(PodId(*at)).cloned()).collect();
    for workload in &mut cluster.workloads {
        for pod in &mut workload.pods {
            pod.0 = new_pod.get(pod.0 as usize).copied().unwrap_or(pod.0);
        }
        workload.pods.sort();
    }
    for pod in &mut cluster.pods {
        pod.workload.0 = new_workload.get(pod.workload.0 as usize).copied().unwrap_or(pod.workload.0);
    }
    new_pod.into_iter().map(PodId).collect()
}

/// The old numbers in the order of their keys.
fn sorted<K: Ord>(count: usize, key: impl Fn(&u32) -> K) -> Vec<u32> {
    let mut all: Vec<u32> = (0..).take(count).collect();
    all.sort_by_key(key);
    all
}

/// The new number of each old one.
fn inverse(order: &[u32]) -> Vec<u32> {
    let mut pairs: Vec<(u32, u32)> = order.iter().copied().zip(0..).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, new)| new).collect()
}
