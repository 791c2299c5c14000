//! What changes make of a compiled cluster is what compiling the changed cluster makes.

use rand::Rng as _;
use ringfence_model::{
    cluster::Cluster,
    flow::{Endpoint, Flow},
    network_policy::PolicyMeta,
    workload::{Namespace, PodId},
};
use ringfence_policy::{
    Compiled, Judge,
    compiled::Change,
    generate::{self, Rng, flows},
};

use crate::common::{Size, clusters};

/// A cluster, the same without some of its objects and namespace labels, and the changes that lead to and fro.
struct Both {
    full: Cluster,
    less: Cluster,
    adding: Vec<Change>,
    removing: Vec<Change>,
}

fn gone(meta: &PolicyMeta) -> Change {
    Change::PolicyGone(meta.kind, meta.namespace.clone(), meta.name.clone())
}

/// Takes a third of a list out.
fn thin<T: Clone>(list: &mut Vec<T>, rng: &mut Rng) -> Vec<T> {
    let (out, kept) = std::mem::take(list).into_iter().partition(|_| rng.random_range(0..3) == 0);
    *list = kept;
    out
}

fn both(seed: u64) -> Both {
    let full = generate::cluster(seed, &Size::SMALL);
    let mut less = full.clone();
    let rng = &mut generate::rng(seed);
    let (mut adding, mut removing) = (Vec::new(), Vec::new());
    for policy in thin(&mut less.network_policies, rng) {
        removing.push(gone(&policy.meta));
        adding.push(Change::NetworkPolicy(Box::new(policy)));
    }
    for policy in thin(&mut less.tier_policies, rng) {
        removing.push(gone(&policy.meta));
        adding.push(Change::TierPolicy(Box::new(policy)));
    }
    for policy in thin(&mut less.cilium_policies, rng) {
        removing.push(gone(&policy.meta));
        adding.push(Change::CiliumPolicy(Box::new(policy)));
    }
    for pod in thin(&mut less.pods, rng) {
        let Some(owner) = full.workload(pod.workload) else { continue };
        let same = |other: &&ringfence_model::workload::Pod| {
            other.namespace == pod.namespace && other.name == pod.name
        };
        // Stand-ins of one workload share their name: an agent, which changes are for, has none.
        if full.pods.iter().filter(same).count() == 1 {
            removing.push(Change::PodGone(pod.namespace.clone(), pod.name.clone()));
            let (kind, name) = (owner.kind.clone(), owner.name.clone());
            adding.push(Change::Pod(Box::new(pod), kind, name));
        } else {
            less.pods.push(pod);
        }
    }
    less.pods.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    for workload in &mut less.workloads {
        workload.pods.clear();
    }
    for (at, pod) in (0..).zip(&less.pods) {
        if let Some(workload) = less.workloads.get_mut(pod.workload.0 as usize) {
            workload.pods.push(PodId(at));
        }
    }
    for (namespace, given) in less.namespaces.iter_mut().zip(&full.namespaces) {
        if rng.random_range(0..3) == 0 {
            let name = namespace.name.clone();
            let labels = [("kubernetes.io/metadata.name", name)].into_iter().collect();
            *namespace = Namespace { labels, ..namespace.clone() };
            removing.push(Change::Namespace(Box::new(namespace.clone())));
            adding.push(Change::Namespace(Box::new(given.clone())));
        }
    }
    Both { full, less, adding, removing }
}

/// The same flow by the numbers of another cluster; nothing if one of its pods is not there.
fn renumbered(flow: &Flow, from: &Cluster, to: &Cluster) -> Option<Flow> {
    let end = |end: &Endpoint| match end {
        Endpoint::Pod(id) => {
            // A question may be about a pod that nobody has.
            let Some(pod) = from.pod(*id) else { return Some(Endpoint::Pod(PodId(u32::MAX))) };
            let twins = |cluster: &Cluster| -> Vec<u32> {
                let pods = (0..).zip(&cluster.pods);
                let same = pods.filter(|(_, other)| {
                    other.namespace == pod.namespace
                        && other.name == pod.name
                        && other.finished == pod.finished
                });
                same.map(|(at, _)| at).collect()
            };
            let nth = twins(from).iter().position(|at| *at == id.0)?;
            twins(to).get(nth).map(|at| Endpoint::Pod(PodId(*at)))
        }
        other => Some(other.clone()),
    };
    Some(Flow { from: end(&flow.from)?, to: end(&flow.to)?, ..flow.clone() })
}

fn check(seed: u64, mut changed: Compiled, changes: Vec<Change>, wanted: &Cluster) {
    for change in changes {
        changed.apply(change);
    }
    let compiled = Compiled::new(wanted.clone());
    for flow in flows(seed, wanted, 30) {
        let moved = renumbered(&flow, wanted, changed.cluster());
        let expected = compiled.verdict(&flow);
        let found = moved.map(|moved| changed.verdict(&moved));
        assert_eq!(found.as_ref(), Some(&expected), "seed {seed}: {flow:?}");
        assert_eq!(compiled.outcome(&flow), expected.outcome, "seed {seed}: {flow:?}");
    }
}

#[test]
fn adding_objects_comes_to_compiling_with_them() {
    for seed in clusters(600) {
        let Both { full, less, adding, .. } = both(seed);
        check(seed, Compiled::new(less), adding, &full);
    }
}

#[test]
fn removing_objects_comes_to_compiling_without_them() {
    for seed in clusters(600) {
        let Both { full, less, removing, .. } = both(seed);
        check(seed, Compiled::new(full), removing, &less);
    }
}

#[test]
fn compacting_changes_nothing() {
    for seed in clusters(200) {
        let Both { full, less, mut adding, removing } = both(seed);
        let mut changed = Compiled::new(less);
        adding.drain(..).for_each(|change| changed.apply(change));
        changed.compact();
        check(seed, changed, Vec::new(), &full);
        let mut changed = Compiled::new(full);
        removing.into_iter().for_each(|change| changed.apply(change));
        changed.compact();
    }
}
