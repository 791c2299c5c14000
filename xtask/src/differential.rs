//! `differential`. In: a number of flows and a seed. Out: whether the two judges agree on random clusters, and for the
//! first that they differ about a corpus file of the smallest case. With `--kernel`, the judges are the engine and kernels.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use rayon::prelude::*;
use ringfence_model::cluster::Cluster;
use ringfence_policy::{
    Compiled, Judge, Reference,
    generate::{self, Size},
};

use crate::{kernel, run};

/// Flows that are judged in one cluster.
const FLOWS_PER_CLUSTER: u64 = 100;
/// Clusters after which there is a line on how far it is.
const CLUSTERS_PER_LINE: u64 = 1_000;

/// How much to compare.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many flows to judge
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    cases: u64,
    /// The first cluster's seed; the others follow it [default: the time, so that every run sees new clusters]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Compare the engine with kernels instead: real packets between network namespaces
    #[arg(long, conflicts_with = "cases")]
    kernel: bool,
    /// How many packets to send
    #[arg(long, value_name = "N", default_value_t = 100_000, requires = "kernel")]
    packets: u64,
}

fn compiled(cluster: &Cluster) -> Box<dyn Judge + '_> {
    Box::new(Compiled::new(cluster.clone()))
}

fn reference(cluster: &Cluster) -> Box<dyn Judge + '_> {
    Box::new(Reference { cluster })
}

/// Compares the judges.
///
/// # Errors
/// If they differ, after writing the case.
pub(crate) fn run(args: &Args) -> Result<()> {
    let first = args.seed.unwrap_or_else(seconds);
    if args.kernel {
        return kernel::run(first, args.packets);
    }
    let clusters = args.cases.div_ceil(FLOWS_PER_CLUSTER);
    println!("{} flows in {clusters} clusters, seeds from {first}", args.cases);
    let start = Instant::now();
    let (done, unsure) = (AtomicU64::new(0), AtomicU64::new(0));
    let rate = |clusters: u64| {
        let cases = (clusters * FLOWS_PER_CLUSTER).min(args.cases);
        let rate = cases as f64 / start.elapsed().as_secs_f64();
        format!("{cases} flows, {rate:.0} a second")
    };
    let compare = |number: u64| {
        let seed = first.wrapping_add(number);
        let cluster = generate::cluster(seed, &Size::SMALL);
        let flows = FLOWS_PER_CLUSTER.min(args.cases - number * FLOWS_PER_CLUSTER);
        let flows = usize::try_from(flows).unwrap_or(usize::MAX);
        match generate::compare(seed, &cluster, flows, compiled, reference) {
            Ok(count) => unsure.fetch_add(count as u64, Ordering::Relaxed),
            Err(case) => return Some((seed, case)),
        };
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(CLUSTERS_PER_LINE) {
            println!("{}", rate(done));
        }
        None
    };
    if let Some((seed, case)) = (0..clusters).into_par_iter().find_map_any(compare) {
        return differ(seed, &case);
    }
    println!(
        "the judges agree: {}; {} times the compiled one was less sure than it could be",
        rate(done.into_inner()),
        unsure.into_inner(),
    );
    Ok(())
}

/// Writes the case into the corpus.
fn differ(seed: u64, case: &str) -> Result<()> {
    let name = keep(seed, case)?;
    bail!(
        "the judges differ: `--cases {FLOWS_PER_CLUSTER} --seed {seed}` shows it again, \
         tests/corpus/found/{name} has the smallest case (give it a title and say what it shows)"
    );
}

/// Shows a case and writes it into the corpus. Returns the file's name.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn keep(seed: u64, case: &str) -> Result<String> {
    let directory = run::root().join("tests/corpus/found");
    let name = format!("{seed}.md");
    std::fs::create_dir_all(&directory).context("cannot make tests/corpus/found")?;
    std::fs::write(directory.join(&name), case).context("cannot write the case")?;
    println!("{case}");
    Ok(name)
}

/// Seconds since 1970.
fn seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
