//! What it takes to bring a node's program into the kernel and to keep it there. In: a node with 110 pods, 10,000 peers
//! elsewhere and many policies. Out: times of every step of a full load, of one pod more and less, of one policy changed;
//! the size of the program; memory. Everything happens in a network namespace of this process.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench ends by panicking"
)]
#![expect(clippy::print_stdout, reason = "sizes belong to times")]
#![expect(dead_code, reason = "the other bench uses the rest of what they share")]

mod support;

use std::{
    hint::black_box,
    io,
    time::{Duration, Instant},
};

use criterion::{BatchSize, Criterion, SamplingMode};
use ringfence_dataplane::{
    compile::{Options, Program, compile},
    netlink::{Error, Nftables, Wire},
    nft::Table,
    reconcile::{Transaction, diff},
};
use ringfence_model::{cluster::Cluster, network_policy::NetworkPolicy, workload::Pod};
use ringfence_policy::{Compiled, compiled::Change};
use support::{
    namespaces,
    plan::{NODE, Plan},
};

/// The one that the binary uses: it allocates a lot of small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Numbers of policies.
const POLICIES: [usize; 2] = [100, 1_000];

fn main() {
    if let Err(reason) = namespaces::leave() {
        println!("skipped: {reason}");
        return;
    }
    // Before anything is measured many times, so that the peak is that of one load.
    for policies in POLICIES {
        let compiled = Compiled::new(Plan::new(policies).cluster());
        let program = compile(&compiled, None, NODE, &Options::default());
        println!("{policies} policies: {:?}", program.counts());
        memory(&program.table);
    }
    let mut criterion = Criterion::default().configure_from_args();
    for policies in POLICIES {
        let cluster = Plan::new(policies).cluster();
        let compiled = Compiled::new(cluster.clone());
        full_load(&mut criterion, policies, &cluster, &compiled);
        changes(&mut criterion, policies, compiled);
    }
    criterion.final_summary();
}

/// Takes what is sent and sends nothing: what is left of a transaction is our own work.
struct Nowhere;

impl Wire for Nowhere {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        black_box(datagram);
        Ok(())
    }

    fn receive(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn room(&mut self, _: usize) -> usize {
        usize::MAX
    }

    fn port(&self) -> u32 {
        1
    }
}

/// Writes a transaction's messages.
fn encode(transaction: &Transaction) {
    // Nobody has answered.
    assert!(matches!(Nftables::over(Nowhere).apply(transaction), Err(Error::Uncertain)));
}

/// What the table takes of the kernel's memory, and the process at its peak.
fn memory(table: &Table) {
    let mut kernel = Nftables::open().unwrap();
    let before = kernel_memory();
    kernel.load(table).unwrap();
    let taken = kernel_memory() - before;
    kernel.apply(&Transaction::remove(table.name.clone())).unwrap();
    println!(
        "memory of the kernel for it, about: {} KiB; peak of this process: {} KiB",
        taken,
        field("/proc/self/status", "VmHWM")
    );
}

fn kernel_memory() -> i64 {
    ["Slab", "Percpu", "VmallocUsed"].iter().map(|name| field("/proc/meminfo", name)).sum()
}

/// A field of a table of the kernel, in KiB.
fn field(file: &str, name: &str) -> i64 {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn full_load(criterion: &mut Criterion, policies: usize, cluster: &Cluster, compiled: &Compiled) {
    let mut group = criterion.benchmark_group(format!("full load, {policies} policies"));
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function("engine", |bencher| {
        bencher.iter_batched(|| cluster.clone(), Compiled::new, BatchSize::PerIteration);
    });
    group.bench_function("program", |bencher| {
        bencher.iter_with_large_drop(|| compile(compiled, None, NODE, &Options::default()));
    });
    let table = compile(compiled, None, NODE, &Options::default()).table;
    group.bench_function("transaction", |bencher| {
        bencher.iter_with_large_drop(|| Transaction::load(&table));
    });
    let transaction = Transaction::load(&table);
    group.bench_function("messages", |bencher| bencher.iter(|| encode(&transaction)));
    let mut kernel = Nftables::open().unwrap();
    group.bench_function("messages and commit", |bencher| {
        bencher.iter_custom(|rounds| {
            let load = |_| {
                let start = Instant::now();
                kernel.apply(&transaction).unwrap();
                let taken = start.elapsed();
                kernel.apply(&Transaction::remove(table.name.clone())).unwrap();
                taken
            };
            (0..rounds).map(load).sum()
        });
    });
    group.finish();
}

/// The change of a pod, as the agent hears of it.
fn change_of(compiled: &Compiled, pod: Pod) -> Change {
    let workload = compiled.cluster().workload(pod.workload).unwrap();
    Change::Pod(Box::new(pod), workload.kind.clone(), workload.name.clone())
}

/// One pod of an application with an address that is free, on the node or elsewhere.
fn newcomer(compiled: &Compiled, node: &str, address: &str) -> Pod {
    let pods = &compiled.cluster().pods;
    let alike = pods.iter().find(|pod| {
        let app = pod.labels.get("app").is_some_and(|app| **app == *"app-1");
        app && *pod.namespace == *"ns-1" && pod.node.as_deref() == Some(NODE)
    });
    let alike = alike.unwrap();
    Pod {
        name: "newcomer".into(),
        node: Some(node.into()),
        addresses: vec![address.parse().unwrap()],
        ..alike.clone()
    }
}

/// A policy of an application, with another port.
fn changed(compiled: &Compiled) -> NetworkPolicy {
    let policies = &compiled.cluster().network_policies;
    let one =
        policies.iter().find(|policy| policy.meta.name.starts_with("app-4-") && !policy.ingress.is_empty());
    let mut policy = one.unwrap().clone();
    policy.ingress.truncate(1);
    policy.ingress[0].ports.pop();
    policy
}

fn changes(criterion: &mut Criterion, policies: usize, mut compiled: Compiled) {
    let options = Options::default();
    let later = Options { epoch: 2, ..Options::default() };
    let (elsewhere, here) =
        (newcomer(&compiled, "node-7", "10.64.7.200"), newcomer(&compiled, NODE, "10.64.0.200"));
    let cases = [
        ("a pod elsewhere", change_of(&compiled, elsewhere), &options),
        ("a pod of the node", change_of(&compiled, here), &options),
        ("a policy", Change::NetworkPolicy(Box::new(changed(&compiled))), &later),
    ];
    let gone = Change::PodGone("ns-1".into(), "newcomer".into());
    for (name, change, options) in cases {
        let before = compile(&compiled, None, NODE, &Options::default());
        compiled.apply(change);
        let after = compile(&compiled, None, NODE, options);
        compiled.apply(gone.clone());
        change_kernel(criterion, &format!("{name}, {policies} policies"), &before, &after);
    }
}

/// The steps from one program to another and back.
fn change_kernel(criterion: &mut Criterion, name: &str, before: &Program, after: &Program) {
    let (there, back) = (diff(&before.table, &after.table), diff(&after.table, &before.table));
    println!("{name}: {} and {} changes", there.changes.len(), back.changes.len());
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat).sample_size(20).measurement_time(Duration::from_secs(3));
    group.bench_function("difference", |bencher| bencher.iter(|| diff(&before.table, &after.table)));
    group.bench_function("messages", |bencher| bencher.iter(|| encode(&there)));
    let mut kernel = Nftables::open().unwrap();
    kernel.load(&before.table).unwrap();
    for (step, forth) in [("added, messages and commit", true), ("removed, messages and commit", false)] {
        group.bench_function(step, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut sum = Duration::ZERO;
                for _ in 0..rounds {
                    for (transaction, counts) in [(&there, forth), (&back, !forth)] {
                        let start = Instant::now();
                        kernel.apply(transaction).unwrap();
                        if counts {
                            sum += start.elapsed();
                        }
                    }
                }
                sum
            });
        });
    }
    group.finish();
    kernel.apply(&Transaction::remove(before.table.name.clone())).unwrap();
}
