//! Where a Service leads. In: a Service. Out: its pods, and the ports on them after DNAT.

use ringfence_model::{
    cluster::Cluster,
    port::Protocol,
    service::{Service, ServiceType, TargetPort},
    workload::{Pod, PodId},
};

/// The pods of a namespace, in their order.
pub(crate) fn pods_of<'c>(cluster: &'c Cluster, namespace: &str) -> impl Iterator<Item = (PodId, &'c Pod)> {
    // Pods are sorted by namespace.
    let from = cluster.pods.partition_point(|pod| *pod.namespace < *namespace);
    let to = cluster.pods.partition_point(|pod| *pod.namespace <= *namespace);
    let pods = cluster.pods.get(from..to).unwrap_or_default();
    let first = u32::try_from(from).unwrap_or(u32::MAX);
    (first..).map(PodId).zip(pods)
}

/// The pods that a Service's selector selects and that run; none for a Service without a selector, or an alias. Pods that are
/// not ready count: they are meant.
pub(crate) fn backends(cluster: &Cluster, service: &Service) -> Vec<PodId> {
    let Some(wanted) = service.selector.as_ref().filter(|wanted| !wanted.is_empty()) else {
        return Vec::new();
    };
    if matches!(service.kind, ServiceType::ExternalName(_)) {
        return Vec::new();
    }
    let pods = pods_of(cluster, &service.namespace);
    pods.filter(|(_, pod)| !pod.finished && pod.labels.contains_all(wanted)).map(|(id, _)| id).collect()
}

/// The number of a target port on a pod.
pub(crate) fn number(pod: &Pod, target: &TargetPort, protocol: Protocol) -> Option<u16> {
    match target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => pod.named_ports(name, protocol).next(),
    }
}
