//! After every change, a program that is kept up to date is the one that compiling the changed cluster makes, and the
//! transaction leads there.

use rand::{Rng as _, seq::IndexedRandom as _};
use ringfence_dataplane::{
    compile::{Options, Planner, Rate, compile},
    reconcile::diff,
};
use ringfence_model::{
    Text,
    cluster::Cluster,
    network_policy::PolicyMeta,
    workload::{NAMESPACE_NAME_LABEL, Namespace, Pod, WorkloadKind},
};
use ringfence_policy::{
    Compiled,
    compiled::Change,
    generate::{self, Rng, Size},
};
use ringfence_scenario::Scenario;

use crate::clusters;

fn gone(meta: &PolicyMeta) -> Change {
    Change::PolicyGone(meta.kind, meta.namespace.clone(), meta.name.clone())
}

/// Pods, policies and namespaces to take changes from, beside those that are there.
struct Source {
    clusters: Vec<Cluster>,
}

impl Source {
    fn cluster(&self, rng: &mut Rng) -> &Cluster {
        self.clusters.choose(rng).unwrap()
    }

    /// A change that could happen to the cluster.
    fn change(&self, now: &Cluster, rng: &mut Rng) -> Option<Change> {
        let other = self.cluster(rng);
        Some(match rng.random_range(0..20) {
            0..4 => put(pod(other, rng)?),
            4..8 => put(replica(&pod(now, rng)?, rng)),
            8..11 => {
                let pod = pod(now, rng)?;
                Change::PodGone(pod.namespace, pod.name)
            }
            11 => put(changed(pod(now, rng)?, &pod(other, rng)?, rng)),
            12 => Change::NetworkPolicy(Box::new(other.network_policies.choose(rng)?.clone())),
            13 => Change::TierPolicy(Box::new(other.tier_policies.choose(rng)?.clone())),
            14 => Change::CiliumPolicy(Box::new(other.cilium_policies.choose(rng)?.clone())),
            15 => gone(&now.network_policies.choose(rng)?.meta),
            16 => gone(&now.tier_policies.choose(rng)?.meta),
            17 => gone(&now.cilium_policies.choose(rng)?.meta),
            18 => Change::Namespace(Box::new(other.namespaces.choose(rng)?.clone())),
            _ => {
                let namespace = now.namespaces.choose(rng)?;
                let labels = other.namespaces.choose(rng)?.labels.iter();
                let mut labels: Vec<(Text, Text)> =
                    labels.map(|(key, value)| (key.clone(), value.clone())).collect();
                // The API server sees to this label.
                labels.retain(|(key, _)| **key != *NAMESPACE_NAME_LABEL);
                labels.push((NAMESPACE_NAME_LABEL.into(), namespace.name.clone()));
                let labels = labels.into_iter().collect();
                Change::Namespace(Box::new(Namespace { labels, ..namespace.clone() }))
            }
        })
    }
}

fn pod(cluster: &Cluster, rng: &mut Rng) -> Option<Pod> {
    let live: Vec<&Pod> = cluster.pods.iter().filter(|pod| !pod.finished).collect();
    live.choose(rng).map(|pod| (*pod).clone())
}

fn put(pod: Pod) -> Change {
    let name = pod.name.clone();
    Change::Pod(Box::new(pod), WorkloadKind::Pod, name)
}

/// One more of its kind.
fn replica(pod: &Pod, rng: &mut Rng) -> Pod {
    let number = rng.random_range(0..6_u8);
    let addresses = pod.addresses.iter().map(|address| match address {
        std::net::IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            [a, b, c, 200 + number].into()
        }
        std::net::IpAddr::V6(address) => {
            let mut parts = address.segments();
            parts[7] = 0x2000 + u16::from(number);
            parts.into()
        }
    });
    Pod { name: format!("{}-{number}", pod.name).into(), addresses: addresses.collect(), ..pod.clone() }
}

/// The same pod in part like another.
fn changed(pod: Pod, other: &Pod, rng: &mut Rng) -> Pod {
    match rng.random_range(0..6) {
        0 => Pod { labels: other.labels.clone(), ..pod },
        1 => Pod { node: other.node.clone(), ..pod },
        2 => Pod { ports: other.ports.clone(), ..pod },
        3 => Pod { addresses: other.addresses.clone(), ..pod },
        4 => Pod { finished: true, ..pod },
        _ => Pod { addresses: pod.addresses.iter().take(1).copied().collect(), ..pod },
    }
}

/// Applies changes to a cluster, each checked. Says how many did not make everything anew.
fn follow(
    what: &str,
    cluster: &Cluster,
    source: &Source,
    options: &Options,
    rng: &mut Rng,
    changes: usize,
) -> usize {
    let audits = rng.random_range(0..2) == 0;
    let node = cluster.nodes.choose(rng).unwrap().name.clone();
    let audited = audits.then(|| Compiled::with_audit(cluster.clone()));
    let mut planner = Planner::new(Compiled::new(cluster.clone()), audited, &node, options.clone());
    let mut options = options.clone();
    let mut planned = 0;
    for number in 0..changes {
        let Some(change) = source.change(planner.compiled().unwrap().cluster(), rng) else { continue };
        let said = format!("{what}, change {number}: {change:?}");
        let mut table = planner.program().table.clone();
        let plan = planner.apply(change);
        let changed = planner.compiled().unwrap().cluster().clone();
        let audited = audits.then(|| Compiled::with_audit(changed.clone()));
        let wanted = compile(&Compiled::new(changed), audited.as_ref(), &node, &options);
        // What differs is shorter than what is equal.
        let mut made = planner.program().clone();
        // A set keeps its size as long as it will do; one that is full is given a larger one by whoever has the kernel.
        made.table.set_sizes();
        let missing = diff(&made.table, &wanted.table).changes;
        assert_eq!(missing, [], "{said}");
        assert_eq!(made, wanted, "{said}");
        plan.transaction.apply_to(&mut table);
        table.set_sizes();
        assert_eq!(table, wanted.table, "{said}");
        planned += usize::from(!plan.anew);
        if rng.random_range(0..20) == 0 {
            options.epoch += 1;
            let transaction = planner.set_epoch(options.epoch);
            transaction.apply_to(&mut table);
            let mut made = planner.program().table.clone();
            made.set_sizes();
            assert_eq!(table, made, "{said}");
        }
    }
    planned
}

fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("RINGFENCE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RINGFENCE_CLUSTERS").unwrap_or(usual),
    }
}

fn options(rng: &mut Rng) -> Options {
    let log_allowed = (rng.random_range(0..3) == 0).then_some(Rate { rate: 1, burst: 1 });
    Options { log_allowed, strict_own_node: rng.random_range(0..3) == 0, ..Options::default() }
}

#[test]
fn small_random_clusters() {
    let (mut planned, mut all) = (0, 0);
    for seed in seeds(60) {
        let rng = &mut generate::rng(seed);
        let others = (1..4).map(|n| generate::cluster(seed * 1_000 + n, &Size::SMALL)).collect::<Vec<_>>();
        let mut source = Source { clusters: others };
        source.clusters.extend((4..8).map(|n| clusters::cluster(seed * 1_000 + n)));
        let options = options(rng);
        planned += follow(&format!("seed {seed}"), &clusters::cluster(seed), &source, &options, rng, 40);
        all += 40;
    }
    assert!(seeds(60).count() < 10 || planned * 3 > all, "only {planned} of {all}");
}

#[test]
fn clusters_of_many_pods() {
    for seed in seeds(3) {
        let scenario = |seed| {
            let scenario = Scenario { tiers: true, cilium: seed % 2 == 0, ..Scenario::new(400, 60, seed) };
            let files = scenario.files().into_iter();
            let inputs = files.map(|file| ringfence_manifest::Input { name: file.name, text: file.text });
            ringfence_manifest::read(inputs.collect(), &ringfence_manifest::Options::default()).cluster
        };
        let source = Source { clusters: vec![scenario(seed + 100), scenario(seed)] };
        let rng = &mut generate::rng(seed);
        follow(&format!("large {seed}"), &scenario(seed), &source, &options(rng), rng, 40);
    }
}
