//! Benchmarks of the linter on generated clusters, for 2,000 pods / 1,000 policies and for 10,000 / 5,000: what the rules of
//! each subject take, with a new context each time, and the whole run.
//!
//! `cargo bench -p ringfence-lint`

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ringfence_lint::{Context, Input, Rule, Settings, check, rules};
use ringfence_manifest as manifest;
use ringfence_scenario::Scenario;

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pods and policies.
const SIZES: [(usize, usize); 2] = [(2_000, 1_000), (10_000, 5_000)];

/// The seed of every cluster here.
const SEED: u64 = 7;

fn read(pods: usize, policies: usize) -> Input {
    let files = Scenario::new(pods, policies, SEED).files().into_iter();
    let texts = files.map(|file| manifest::Input { name: file.name, text: file.text }).collect();
    Input::read(texts, &Settings::default())
}

fn benches(c: &mut Criterion) {
    let settings = Settings::default();
    let mut group = c.benchmark_group("rules");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for (pods, policies) in SIZES {
        let input = read(pods, policies);
        for subject in 0..9 {
            let prefix = format!("RF{subject}");
            let chosen: Vec<&'static Rule> =
                rules::all().into_iter().filter(|rule| rule.code.starts_with(&prefix)).collect();
            group.bench_function(BenchmarkId::new(prefix, pods), |b| {
                b.iter(|| {
                    let context = Context::new(&input, &settings);
                    chosen.iter().map(|rule| black_box(rule.findings(&context)).len()).sum::<usize>()
                });
            });
        }
        group.bench_function(BenchmarkId::new("all", pods), |b| b.iter(|| check(&input, &settings)));
    }
    group.finish();
}

criterion_group!(rules_of_each_subject, benches);
criterion_main!(rules_of_each_subject);
