//! How long one change takes to work out. In: 110 pods on a node, 10,000 elsewhere, 100 and 1,000 policies. Out: times of
//! making everything, and of planning one pod and one policy that come and go. docs/performance.md has the targets.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a bench ends by panicking"
)]
#![expect(dead_code, reason = "the other benches use the rest of what they share")]
#![expect(clippy::print_stdout, reason = "the size of a change belongs to its time")]

use std::{
    hint::black_box,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use ringfence_dataplane::compile::{Options, Planner, compile};
use ringfence_model::{
    cluster::Cluster,
    workload::{Pod, WorkloadKind},
};
use ringfence_policy::{Compiled, compiled::Change};

#[path = "support/plan.rs"]
mod plan;

/// The one that the binary uses: it allocates a lot of small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One more replica of a pod, which comes and goes.
fn replica(pod: &Pod, address: Ipv4Addr) -> [Change; 2] {
    let name: ringfence_model::Text = format!("{}-more", pod.name).into();
    let more = Pod { name: name.clone(), addresses: vec![address.into()], ..pod.clone() };
    let gone = Change::PodGone(pod.namespace.clone(), name.clone());
    [Change::Pod(Box::new(more), WorkloadKind::Pod, name), gone]
}

/// A policy that goes and comes back.
fn policy(cluster: &Cluster, name: &str) -> [Change; 2] {
    let policy = cluster.network_policies.iter().find(|policy| policy.meta.name.starts_with(name)).unwrap();
    let meta = &policy.meta;
    let gone = Change::PolicyGone(meta.kind, meta.namespace.clone(), meta.name.clone());
    [gone, Change::NetworkPolicy(Box::new(policy.clone()))]
}

fn plans(criterion: &mut Criterion) {
    for policies in [100, 1_000] {
        let cluster = plan::Plan::new(policies).cluster();
        let compiled = Compiled::new(cluster.clone());
        let options = Options::default();
        let mut group = criterion.benchmark_group(format!("{policies} policies"));
        group.sampling_mode(SamplingMode::Flat).sample_size(20).measurement_time(Duration::from_secs(2));
        group.bench_function("whole program", |bencher| {
            bencher.iter_with_large_drop(|| compile(black_box(&compiled), None, plan::NODE, &options));
        });
        let mut planner = Planner::new(compiled, None, plan::NODE, options);
        let pods = |local: bool| move |pod: &&Pod| (pod.node.as_deref() == Some(plan::NODE)) == local;
        let known = |pod: &&Pod| *pod.namespace == *"ns-1" || *pod.namespace == *"ns-49";
        let remote = cluster.pods.iter().filter(pods(false)).find(known).unwrap();
        let local = cluster.pods.iter().find(pods(true)).unwrap();
        let relabelled = |pod: &Pod| {
            let mut labels: Vec<_> = pod.labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            labels.push(("pod-template-hash".into(), "abc".into()));
            Pod { labels: labels.into_iter().collect(), ..pod.clone() }
        };
        let cases = [
            ("a pod elsewhere", replica(remote, Ipv4Addr::new(10, 64, 250, 9))),
            ("a pod elsewhere with new labels", replica(&relabelled(remote), Ipv4Addr::new(10, 64, 250, 9))),
            ("a pod of the node", replica(local, Ipv4Addr::new(10, 64, 0, 250))),
            ("a policy for one application", policy(&cluster, "app-")),
            ("a policy for a namespace", policy(&cluster, "default-deny")),
        ];
        for (name, changes) in cases {
            for (at, what) in ["first", "then"].into_iter().enumerate() {
                let sizes = changes.clone().map(|change| planner.apply(change).transaction.changes.len());
                println!("{name}: {sizes:?} changes");
                group.bench_function(format!("{name}, {what}"), |bencher| {
                    bencher.iter_custom(|rounds| {
                        let mut total = Duration::ZERO;
                        for _ in 0..rounds {
                            let times = changes.clone().map(|change| {
                                let start = Instant::now();
                                let plan = black_box(planner.apply(change));
                                let time = start.elapsed();
                                assert!(!plan.anew);
                                time
                            });
                            total += times[at];
                        }
                        total
                    });
                });
            }
        }
    }
}

criterion_group!(benches, plans);
criterion_main!(benches);
