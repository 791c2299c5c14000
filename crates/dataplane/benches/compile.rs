//! How fast a node's program is made. In: generated clusters. Out: times of compiling the fullest node's program, and how
//! large that is. docs/performance.md has the targets.

#![expect(clippy::unwrap_used, reason = "a bench ends by panicking")]
#![expect(clippy::print_stdout, reason = "the size of the result belongs to its time")]

use std::{collections::BTreeMap, hint::black_box, time::Duration};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use ringfence_dataplane::{
    compile::{Options, compile},
    text,
};
use ringfence_model::{Text, cluster::Cluster, diagnostic::Severity};
use ringfence_policy::Compiled;
use ringfence_scenario::Scenario;

/// The one that the binary uses: it allocates a lot of small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pods and policies.
const SIZES: [(usize, usize); 2] = [(1_000, 100), (10_000, 1_000)];
const SEED: u64 = 1;

fn cluster(pods: usize, policies: usize) -> Cluster {
    let scenario = Scenario { tiers: true, ..Scenario::new(pods, policies, SEED) };
    let files = scenario.files().into_iter();
    let inputs = files.map(|file| ringfence_manifest::Input { name: file.name, text: file.text });
    let loaded = ringfence_manifest::read(inputs.collect(), &ringfence_manifest::Options::default());
    let error = loaded.diagnostics.iter().find(|found| found.severity == Severity::Error);
    assert_eq!(error, None);
    loaded.cluster
}

/// The node with the most pods, and how many.
fn fullest(cluster: &Cluster) -> (Text, usize) {
    let mut counts: BTreeMap<&Text, usize> = BTreeMap::new();
    for node in cluster.pods.iter().filter(|pod| !pod.host_network).filter_map(|pod| pod.node.as_ref()) {
        *counts.entry(node).or_default() += 1;
    }
    let (node, count) = counts.into_iter().max_by_key(|(_, count)| *count).unwrap();
    (node.clone(), count)
}

fn programs(criterion: &mut Criterion) {
    for (pods, policies) in SIZES {
        let compiled = Compiled::new(cluster(pods, policies));
        let (node, local) = fullest(compiled.cluster());
        let options = Options::default();
        let program = compile(&compiled, None, &node, &options);
        println!("{local} pods on {node}: {:?}", program.counts());
        if let Some(path) = std::env::var_os("RINGFENCE_WRITE") {
            std::fs::write(path, text::render(&program.table)).unwrap();
        }
        let mut group = criterion.benchmark_group(format!("{pods} pods, {policies} policies"));
        group.sampling_mode(SamplingMode::Flat).sample_size(20).measurement_time(Duration::from_secs(5));
        group.bench_function("program of one node", |bencher| {
            bencher.iter_with_large_drop(|| compile(black_box(&compiled), None, &node, &options));
        });
    }
}

criterion_group!(benches, programs);
criterion_main!(benches);
