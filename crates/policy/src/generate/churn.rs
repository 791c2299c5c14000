//! Clusters that change. In: a cluster and dice. Out: the same cluster after one more change: of policies of any dialect, of
//! labels, of pods; addresses change hands.

use std::{net::IpAddr, sync::Arc};

use ringfence_model::{
    cluster::Cluster,
    network_policy::PolicyMeta,
    workload::{NAMESPACE_NAME_LABEL, Pod, PodId},
};

use super::{Rng, Size, cluster, dice::Dice, order, parts};

/// Policies that a cluster keeps at most: with more, little is allowed.
const MOST_POLICIES: usize = 5;

/// Pods that a cluster has at most.
const MOST_PODS: usize = 16;

/// Changes a cluster again and again.
#[derive(Debug)]
pub struct Churn {
    rng: Rng,
    /// Addresses that pods have had and have no more.
    past: Vec<Vec<IpAddr>>,
    number: usize,
}

/// What a step does.
#[derive(Clone, Copy)]
enum Step {
    AddPolicy,
    RemovePolicy,
    ReplacePolicy,
    Relabel,
    RelabelNamespace,
    AddPod,
    ReusePod,
    RemovePod,
}

impl Churn {
    /// Begins; `rng` decides everything.
    #[must_use]
    pub fn new(rng: Rng) -> Self {
        Self { rng, past: Vec::new(), number: 0 }
    }

    /// Changes one thing, and says what. Pods that `stays` holds for are not removed. New pods have a node, and no
    /// addresses unless those of a pod that is gone.
    pub fn step(&mut self, cluster: &mut Cluster, stays: impl Fn(&Pod) -> bool) -> String {
        use Step::{
            AddPod, AddPolicy, Relabel, RelabelNamespace, RemovePod, RemovePolicy, ReplacePolicy, ReusePod,
        };
        self.number += 1;
        let mut dice = Dice::with(&mut self.rng);
        let steps = [
            AddPolicy,
            AddPolicy,
            AddPolicy,
            RemovePolicy,
            RemovePolicy,
            ReplacePolicy,
            ReplacePolicy,
            Relabel,
            Relabel,
            RelabelNamespace,
            AddPod,
            ReusePod,
            ReusePod,
            RemovePod,
            RemovePod,
        ];
        let step = dice.pick(&steps);
        let done = match step {
            AddPolicy if policies(cluster).len() >= MOST_POLICIES => remove_policy(&mut dice, cluster),
            AddPolicy => add_policy(&mut dice, cluster, self.number),
            RemovePolicy => remove_policy(&mut dice, cluster),
            ReplacePolicy => replace_policy(&mut dice, cluster),
            Relabel => relabel(&mut dice, cluster),
            RelabelNamespace => relabel_namespace(&mut dice, cluster),
            AddPod | ReusePod if cluster.pods.len() >= MOST_PODS => {
                self.remove_pod(&mut dice, cluster, stays)
            }
            AddPod => add_pod(&mut dice, cluster, self.number, Vec::new()),
            ReusePod => match dice.maybe_pick(&self.past) {
                Some(addresses) => add_pod(&mut dice, cluster, self.number, addresses),
                None => add_pod(&mut dice, cluster, self.number, Vec::new()),
            },
            RemovePod => self.remove_pod(&mut dice, cluster, stays),
        };
        self.past.retain(|addresses| !taken(cluster, addresses));
        order::sort(cluster);
        done.unwrap_or_else(|| "nothing".to_owned())
    }

    fn remove_pod(
        &mut self,
        dice: &mut Dice,
        cluster: &mut Cluster,
        stays: impl Fn(&Pod) -> bool,
    ) -> Option<String> {
        let places: Vec<usize> =
            (0..).zip(&cluster.pods).filter(|(_, pod)| !stays(pod)).map(|(at, _)| at).collect();
        let at = dice.maybe_pick(&places)?;
        let pod = cluster.pods.remove(at);
        renumber(cluster);
        if !pod.host_network && !pod.finished && !pod.addresses.is_empty() {
            self.past.push(pod.addresses.clone());
        }
        Some(format!("pod {}/{} goes", pod.namespace, pod.name))
    }
}

fn taken(cluster: &Cluster, addresses: &[IpAddr]) -> bool {
    cluster.pods.iter().any(|pod| pod.addresses.iter().any(|address| addresses.contains(address)))
}

/// Tells each workload which pods it has.
fn renumber(cluster: &mut Cluster) {
    for workload in &mut cluster.workloads {
        workload.pods.clear();
    }
    for (at, pod) in (0..).zip(&cluster.pods) {
        if let Some(workload) = cluster.workloads.get_mut(pod.workload.0 as usize) {
            workload.pods.push(PodId(at));
        }
    }
}

/// Where a policy is in its list.
#[derive(Clone, Copy)]
enum Place {
    Network(usize),
    Tier(usize),
    Cilium(usize),
}

fn policies(cluster: &Cluster) -> Vec<Place> {
    let network = (0..cluster.network_policies.len()).map(Place::Network);
    let tier = (0..cluster.tier_policies.len()).map(Place::Tier);
    let cilium = (0..cluster.cilium_policies.len()).map(Place::Cilium);
    network.chain(tier).chain(cilium).collect()
}

/// A cluster with other policies for the same namespaces.
fn others(dice: &mut Dice) -> Cluster {
    let seed = dice.number(0, 1 << 40);
    cluster(u64::try_from(seed).unwrap_or_default(), &Size { workloads: 2, ..Size::SMALL })
}

fn renamed(meta: &Arc<PolicyMeta>, number: usize) -> Arc<PolicyMeta> {
    let mut meta = PolicyMeta::clone(meta);
    meta.name = format!("{}-{number}", meta.name).into();
    Arc::new(meta)
}

fn add_policy(dice: &mut Dice, cluster: &mut Cluster, number: usize) -> Option<String> {
    let source = others(dice);
    let known = |meta: &PolicyMeta| {
        let namespaces = &cluster.namespaces;
        meta.namespace.as_ref().is_none_or(|name| namespaces.iter().any(|one| one.name == *name))
    };
    let fits = |place: &Place| match *place {
        Place::Network(at) => source.network_policies.get(at).is_some_and(|policy| known(&policy.meta)),
        Place::Tier(at) => source.tier_policies.get(at).is_some_and(|policy| known(&policy.meta)),
        Place::Cilium(at) => source.cilium_policies.get(at).is_some_and(|policy| known(&policy.meta)),
    };
    let places: Vec<Place> = policies(&source).into_iter().filter(fits).collect();
    let meta = match dice.maybe_pick(&places)? {
        Place::Network(at) => {
            let mut policy = source.network_policies.get(at)?.clone();
            policy.meta = renamed(&policy.meta, number);
            let meta = policy.meta.clone();
            cluster.network_policies.push(policy);
            meta
        }
        Place::Tier(at) => {
            let mut policy = source.tier_policies.get(at)?.clone();
            policy.meta = renamed(&policy.meta, number);
            let meta = policy.meta.clone();
            cluster.tier_policies.push(policy);
            meta
        }
        Place::Cilium(at) => {
            let mut policy = source.cilium_policies.get(at)?.clone();
            policy.meta = renamed(&policy.meta, number);
            let meta = policy.meta.clone();
            cluster.cilium_policies.push(policy);
            meta
        }
    };
    Some(format!("{} {} comes", meta.kind.as_str(), meta.full_name()))
}

fn remove_policy(dice: &mut Dice, cluster: &mut Cluster) -> Option<String> {
    let meta = match dice.maybe_pick(&policies(cluster))? {
        Place::Network(at) => cluster.network_policies.remove(at).meta,
        Place::Tier(at) => cluster.tier_policies.remove(at).meta,
        Place::Cilium(at) => cluster.cilium_policies.remove(at).meta,
    };
    Some(format!("{} {} goes", meta.kind.as_str(), meta.full_name()))
}

/// Writes another policy under a name that exists.
fn replace_policy(dice: &mut Dice, cluster: &mut Cluster) -> Option<String> {
    let source = others(dice);
    let meta = match dice.maybe_pick(&policies(cluster))? {
        Place::Network(at) => {
            let policy = cluster.network_policies.get_mut(at)?;
            let meta = policy.meta.clone();
            *policy = dice.maybe_pick(&source.network_policies)?;
            policy.meta = meta;
            policy.meta.clone()
        }
        Place::Tier(at) => {
            let policy = cluster.tier_policies.get_mut(at)?;
            let meta = policy.meta.clone();
            let same: Vec<_> =
                source.tier_policies.iter().filter(|other| other.meta.kind == meta.kind).cloned().collect();
            *policy = dice.maybe_pick(&same)?;
            policy.meta = meta;
            policy.meta.clone()
        }
        Place::Cilium(at) => {
            let policy = cluster.cilium_policies.get_mut(at)?;
            let meta = policy.meta.clone();
            let same: Vec<_> =
                source.cilium_policies.iter().filter(|other| other.meta.kind == meta.kind).cloned().collect();
            *policy = dice.maybe_pick(&same)?;
            policy.meta = meta;
            policy.meta.clone()
        }
    };
    Some(format!("{} {} changes", meta.kind.as_str(), meta.full_name()))
}

fn relabel(dice: &mut Dice, cluster: &mut Cluster) -> Option<String> {
    let places: Vec<usize> = (0..cluster.pods.len()).collect();
    let pod = cluster.pods.get_mut(dice.maybe_pick(&places)?)?;
    pod.labels = parts::labels(dice, &parts::POD_KEYS);
    Some(format!("pod {}/{} has other labels", pod.namespace, pod.name))
}

fn relabel_namespace(dice: &mut Dice, cluster: &mut Cluster) -> Option<String> {
    let places: Vec<usize> = (0..cluster.namespaces.len()).collect();
    let namespace = cluster.namespaces.get_mut(dice.maybe_pick(&places)?)?;
    namespace.labels = parts::labels(dice, &parts::NAMESPACE_KEYS);
    namespace.labels.insert(NAMESPACE_NAME_LABEL, namespace.name.clone());
    Some(format!("namespace {} has other labels", namespace.name))
}

/// Another pod of some workload, perhaps with labels of its own.
fn add_pod(dice: &mut Dice, cluster: &mut Cluster, number: usize, addresses: Vec<IpAddr>) -> Option<String> {
    let models: Vec<Pod> =
        cluster.pods.iter().filter(|pod| !pod.host_network && !pod.finished).cloned().collect();
    let mut pod = dice.maybe_pick(&models)?;
    let nodes: Vec<_> = cluster.nodes.iter().map(|node| node.name.clone()).collect();
    pod.name = format!("pod{number}").into();
    pod.node = dice.maybe_pick(&nodes).or(pod.node);
    pod.addresses = addresses;
    pod.stand_in = false;
    if dice.chance(60) {
        pod.labels = parts::labels(dice, &parts::POD_KEYS);
    }
    let what = if pod.addresses.is_empty() { "comes" } else { "comes with an address of before" };
    let told = format!("pod {}/{} {what}", pod.namespace, pod.name);
    cluster.pods.push(pod);
    renumber(cluster);
    Some(told)
}
