//! Where a connection begins or ends. In: an end. Out: its pods or addresses, those that no policy can tell apart together.

use std::collections::BTreeMap;

use ringfence_model::{
    Text,
    address::{Family, IpSet},
    cluster::Cluster,
    flow::Endpoint,
    label::Labels,
    workload::{ContainerPort, Pod, PodId},
};

use super::{
    cuts::Cuts,
    name::{End, full_name},
};

/// Ends that are judged alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Pods, ascending. None if the connection comes to nothing before it reaches a pod (see [`super::Refusal`]).
    Pods(Vec<PodId>),
    /// Addresses outside the cluster, or of a node.
    Addresses(IpSet),
    /// A DNS name outside the cluster.
    Name(Text),
}

impl Place {
    /// One of the ends.
    #[must_use]
    pub fn sample(&self) -> Option<Endpoint> {
        match self {
            Self::Pods(pods) => pods.first().copied().map(Endpoint::Pod),
            Self::Addresses(set) => set.ranges().next().map(|range| Endpoint::Address(range.first)),
            Self::Name(name) => Some(Endpoint::Name(name.clone())),
        }
    }

    /// Joins two places of one kind; the second is dropped if it is of another kind, which callers rule out.
    pub(super) fn join(&mut self, other: Self) {
        match (self, other) {
            (Self::Pods(pods), Self::Pods(more)) => {
                pods.extend(more);
                pods.sort_unstable();
                pods.dedup();
            }
            (Self::Addresses(set), Self::Addresses(more)) => *set = set.union(&more),
            _ => {}
        }
    }

    /// What people call it: the workload, if all its pods are meant; else pods, addresses or the name.
    #[must_use]
    pub fn describe(&self, cluster: &Cluster) -> String {
        match self {
            Self::Pods(pods) => describe_pods(pods, cluster),
            Self::Addresses(set) => describe_addresses(set, cluster),
            Self::Name(name) => name.to_string(),
        }
    }
}

/// How many pods or ranges are listed before the rest are only counted.
const LISTED: usize = 4;

fn describe_pods(pods: &[PodId], cluster: &Cluster) -> String {
    let mut by_workload: BTreeMap<_, Vec<PodId>> = BTreeMap::new();
    for id in pods {
        if let Some(pod) = cluster.pod(*id) {
            by_workload.entry(pod.workload).or_default().push(*id);
        }
    }
    let mut names = Vec::new();
    for (workload, some) in by_workload {
        let all = running(cluster, &End::Workload(workload));
        let stand_ins = some.iter().any(|id| cluster.pod(*id).is_some_and(|pod| pod.stand_in));
        if some.len() == all.len() || stand_ins {
            names.push(full_name(cluster, &End::Workload(workload)));
        } else {
            names.extend(some.iter().map(|id| full_name(cluster, &End::Pod(*id))));
        }
    }
    listed(&names)
}

fn describe_addresses(set: &IpSet, cluster: &Cluster) -> String {
    let internet =
        set.families().map(|family| cluster.internet(family)).fold(IpSet::empty(), |all, of| all.union(&of));
    if *set == internet {
        return "internet".to_owned();
    }
    let left_out = internet.difference(set);
    if !set.is_empty()
        && set.difference(&internet).is_empty()
        && left_out.ranges().count() < set.ranges().count()
    {
        return format!("internet except {}", listed(&in_words(&left_out)));
    }
    listed(&in_words(set))
}

/// Addresses, networks and ranges, ascending.
fn in_words(set: &IpSet) -> Vec<String> {
    (set.ranges())
        .map(|range| {
            if range.first == range.last {
                range.first.to_string()
            } else {
                match IpSet::from_ranges([range]).nets().as_slice() {
                    [net] => net.to_string(),
                    _ => range.to_string(),
                }
            }
        })
        .collect()
}

fn listed(names: &[String]) -> String {
    let (shown, rest) = names.split_at_checked(LISTED).unwrap_or((names, &[]));
    match rest {
        [] => shown.join(", "),
        [only] => format!("{}, {only}", shown.join(", ")),
        _ => format!("{} and {} more", shown.join(", "), rest.len()),
    }
}

/// The pods of an end that take part in connections.
pub(super) fn running(cluster: &Cluster, end: &End) -> Vec<PodId> {
    let alive = |id: &PodId| cluster.pod(*id).is_some_and(|pod| !pod.finished);
    match end {
        End::Workload(id) => cluster
            .workload(*id)
            .into_iter()
            .flat_map(|workload| &workload.pods)
            .copied()
            .filter(alive)
            .collect(),
        End::Pod(id) => vec![*id],
        _ => Vec::new(),
    }
}

/// The families that a pod can use: those of its known addresses, of its node's for a host-network pod, else those of
/// the cluster.
pub(super) fn pod_families(cluster: &Cluster, pod: &Pod, of_cluster: &[Family]) -> Vec<Family> {
    let node = pod.node.as_deref().filter(|_| pod.host_network).and_then(|node| cluster.node(node));
    let addresses =
        if pod.addresses.is_empty() { node.map_or(&[][..], |node| &node.addresses) } else { &pod.addresses };
    let mut families: Vec<Family> = addresses.iter().map(|address| Family::of(*address)).collect();
    families.sort_unstable();
    families.dedup();
    if families.is_empty() { of_cluster.to_vec() } else { families }
}

/// What a policy can see of a pod, as far as the boundaries go.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Seen<'a> {
    namespace: &'a Text,
    labels: &'a Labels,
    ports: &'a [ContainerPort],
    service_account: &'a Text,
    host_network: bool,
    node: Option<&'a Text>,
    stretches: Vec<usize>,
    families: Vec<Family>,
}

/// Groups pods that no policy can tell apart. Their nodes count only `by_node`: if the other end can be a node.
pub(super) fn alike(cluster: &Cluster, pods: &[PodId], cuts: &Cuts, by_node: bool) -> Vec<Vec<PodId>> {
    let mut classes: BTreeMap<Seen<'_>, Vec<PodId>> = BTreeMap::new();
    for id in pods {
        let Some(pod) = cluster.pod(*id) else { continue };
        let seen = Seen {
            namespace: &pod.namespace,
            labels: &pod.labels,
            ports: &pod.ports,
            service_account: &pod.service_account,
            host_network: pod.host_network,
            node: pod.node.as_ref().filter(|_| by_node || pod.host_network),
            stretches: pod.addresses.iter().map(|address| cuts.stretch(*address)).collect(),
            families: pod.addresses.iter().map(|address| Family::of(*address)).collect(),
        };
        classes.entry(seen).or_default().push(*id);
    }
    let mut classes: Vec<Vec<PodId>> = classes.into_values().collect();
    classes.sort_unstable();
    classes
}
