//! How fast the engine is. In: generated clusters of two sizes. Out: times of compiling, of all pairs, of one verdict
//! and of one change. docs/performance.md has the targets.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench ends by panicking")]
#![expect(clippy::print_stdout, reason = "the size of the result belongs to its time")]

use std::{collections::BTreeSet, hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion, SamplingMode, criterion_group, criterion_main};
use rayon::prelude::*;
use ringfence_model::{
    address::Family,
    cluster::Cluster,
    diagnostic::Severity,
    flow::{Endpoint, Flow},
    port::Protocol,
    verdict::Outcome,
    workload::{Pod, PodId},
};
use ringfence_policy::{
    Compiled, Judge,
    compiled::{CellId, Change, Reach},
};
use ringfence_scenario::Scenario;

/// The one that the binary uses: it allocates a lot of small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The two sizes that the targets name: pods and policies.
const SIZES: [(usize, usize); 2] = [(10_000, 5_000), (100_000, 20_000)];
const SEED: u64 = 1;

fn cluster(pods: usize, policies: usize) -> Cluster {
    let files = Scenario::new(pods, policies, SEED).files();
    let inputs = files.into_iter().map(|file| ringfence_manifest::Input { name: file.name, text: file.text });
    let loaded = ringfence_manifest::read(inputs.collect(), &ringfence_manifest::Options::default());
    let error = loaded.diagnostics.iter().find(|found| found.severity == Severity::Error);
    assert_eq!(error, None);
    assert_eq!(loaded.cluster.pods.iter().filter(|pod| !pod.stand_in).count(), pods);
    assert_eq!(loaded.cluster.network_policies.len(), policies);
    loaded.cluster
}

/// Every pair of cells with a permit that is not empty, on all cores, as the front ends go through them.
fn connected_pairs(reach: &Reach<'_>) -> usize {
    let cells = u32::try_from(reach.cells().len()).unwrap();
    let row = |from: u32| {
        let mut open = 0;
        reach.for_each_to(CellId(from), |_, permit| {
            black_box(permit);
            open += 1;
        });
        open
    };
    (0..cells).into_par_iter().map(row).sum()
}

fn all_pairs(criterion: &mut Criterion) {
    for (pods, policies) in SIZES {
        let cluster = cluster(pods, policies);
        let mut group = criterion.benchmark_group(format!("{pods} pods, {policies} policies"));
        group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(8));
        group.bench_function("compile", |bencher| {
            bencher.iter_batched(|| cluster.clone(), Compiled::new, BatchSize::PerIteration);
        });
        let compiled = Compiled::new(cluster.clone());
        group.bench_function("tables of all pairs", |bencher| {
            bencher.iter_with_large_drop(|| compiled.reach());
        });
        group.bench_function("effects of all policies and rules", |bencher| {
            bencher.iter_with_large_drop(|| compiled.effects());
        });
        let effects = compiled.effects();
        let idle = effects.policies().iter().filter(|policy| policy.effect.is_idle()).count();
        let rules = || effects.policies().iter().flat_map(|policy| &policy.rules);
        let idle_rules = rules().filter(|rule| rule.effect.is_idle()).count();
        println!("{idle} policies and {idle_rules} of {} rules change nothing", rules().count());
        let reach = compiled.reach();
        println!("{} cells, {} connected pairs of cells", reach.cells().len(), connected_pairs(&reach));
        group.bench_function("compile and go through all pairs", |bencher| {
            bencher.iter_batched(
                || cluster.clone(),
                |cluster| {
                    let compiled = Compiled::new(cluster);
                    let pairs = connected_pairs(&compiled.reach());
                    (compiled, pairs)
                },
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

fn flow(from: PodId, to: PodId, port: u16) -> Flow {
    Flow {
        from: Endpoint::Pod(from),
        to: Endpoint::Pod(to),
        family: Family::V4,
        protocol: Protocol::Tcp,
        port,
        request: None,
    }
}

/// Flows between pods far apart, so that no verdict finds the data of the one before in a cache.
fn flows(compiled: &Compiled, wanted: impl Fn(&Compiled, &Flow) -> bool) -> Vec<Flow> {
    let count = compiled.cluster().pods.len();
    let pod = |number: usize| PodId(u32::try_from(number % count).unwrap());
    let candidates = (0..count * 20).map(|at| flow(pod(at * 7_919), pod(at * 104_729 + at / count), 8080));
    let found: Vec<Flow> = candidates.filter(|flow| wanted(compiled, flow)).take(1_000).collect();
    assert!(!found.is_empty());
    found
}

fn one_verdict(criterion: &mut Criterion) {
    let (pods, policies) = SIZES[1];
    let compiled = Compiled::new(cluster(pods, policies));
    let reach = compiled.reach();
    let mut allowed_pairs = Vec::new();
    for from in (0..).take(reach.cells().len()).step_by(97) {
        let source = reach.cells()[from as usize].pods[0];
        reach.for_each_to(CellId(from), |to, permit| {
            let tcp = permit.allowed.iter().find(|(protocol, _)| *protocol == Protocol::Tcp);
            if let Some((_, ports)) = tcp {
                allowed_pairs.push(flow(source, reach.cells()[to.0 as usize].pods[0], ports.ranges()[0].0));
            }
        });
    }
    let by_rule: Vec<Flow> = allowed_pairs
        .into_iter()
        .filter(|flow| {
            let verdict = compiled.verdict(flow);
            verdict.outcome == Outcome::Allow && verdict.ingress.rules().next().is_some()
        })
        .take(1_000)
        .collect();
    let denied = |compiled: &Compiled, flow: &Flow| compiled.verdict(flow).outcome == Outcome::Deny;
    let not_isolated = |compiled: &Compiled, flow: &Flow| {
        use ringfence_model::verdict::Reason::NotIsolated;
        let verdict = compiled.verdict(flow);
        [verdict.egress, verdict.ingress].iter().all(|side| side.reasons == [NotIsolated])
    };
    let mut group = criterion.benchmark_group(format!("one verdict of {pods} pods, {policies} policies"));
    for (name, flows) in [
        ("allowed by rules", by_rule),
        ("not isolated", flows(&compiled, not_isolated)),
        ("denied, with the nearest rule", flows(&compiled, denied)),
    ] {
        let mut next = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                next = (next + 1) % flows.len();
                compiled.verdict(black_box(&flows[next]))
            });
        });
    }
    group.finish();
}

fn one_change(criterion: &mut Criterion) {
    let (pods, policies) = SIZES[1];
    let cluster = cluster(pods, policies);
    let mut compiled = Compiled::new(cluster.clone());
    let change_of = |pod: &Pod| {
        let workload = cluster.workload(pod.workload).unwrap();
        Change::Pod(Box::new(pod.clone()), workload.kind.clone(), workload.name.clone())
    };
    let plain: Vec<&Pod> = cluster.pods.iter().filter(|pod| !pod.host_network && !pod.finished).collect();
    // The first change makes an index that the later ones use.
    compiled.apply(change_of(plain[0]));
    let mut group = criterion.benchmark_group(format!("one change to {pods} pods, {policies} policies"));
    let mut next = 0;
    group.bench_function("a pod that moved", |bencher| {
        bencher.iter_batched(
            || {
                next += 7_919;
                let mut pod = plain[next % plain.len()].clone();
                pod.node = cluster.pods[next % cluster.pods.len()].node.clone();
                change_of(&pod)
            },
            |change| compiled.apply(change),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("a pod with labels never seen", |bencher| {
        bencher.iter_batched(
            || {
                next += 7_919;
                let mut pod = plain[next % plain.len()].clone();
                pod.labels.insert("deployment/run", format!("r{next}"));
                change_of(&pod)
            },
            |change| compiled.apply(change),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("a new pod", |bencher| {
        bencher.iter_batched(
            || {
                next += 7_919;
                let mut pod = plain[next % plain.len()].clone();
                pod.name = format!("{}-{next}", pod.name).into();
                change_of(&pod)
            },
            |change| compiled.apply(change),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("a policy", |bencher| {
        bencher.iter_batched(
            || {
                next += 7_919;
                let mut policy = cluster.network_policies[next % policies].clone();
                policy.ingress.truncate(1);
                Change::NetworkPolicy(Box::new(policy))
            },
            |change| compiled.apply(change),
            BatchSize::PerIteration,
        );
    });
    let denies: BTreeSet<usize> = (cluster.network_policies.iter().enumerate())
        .filter(|(_, policy)| policy.subject.requirements.is_empty())
        .map(|(at, _)| at)
        .collect();
    let denies: Vec<usize> = denies.into_iter().collect();
    group.bench_function("a policy for a whole namespace", |bencher| {
        bencher.iter_batched(
            || {
                next += 1;
                Change::NetworkPolicy(Box::new(cluster.network_policies[denies[next % denies.len()]].clone()))
            },
            |change| compiled.apply(change),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, all_pairs, one_verdict, one_change);
criterion_main!(benches);
