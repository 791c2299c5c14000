//! `measure`. In: the release build and generated clusters. Out: a table of what whole processes take, as
//! docs/performance.md shows it; beside another analyser in the same run, if one is given.

use std::{
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use ringfence_scenario::Scenario;

use crate::{generate, run};

/// What to measure beside ringfence itself.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// np-guard's netpol-analyzer, to be measured in turns with ringfence on 400 pods and 200 policies
    #[arg(long, value_name = "PROGRAM")]
    netpol_analyzer: Option<PathBuf>,
    /// How often to run what takes less than a second; the rest runs a third as often
    #[arg(long, value_name = "N", default_value_t = 15)]
    runs: usize,
}

/// The clusters: pods and policies. The small one is for comparisons.
const SMALL: (usize, usize) = (400, 200);
const MIDDLE: (usize, usize) = (10_000, 5_000);
const LARGE: (usize, usize) = (100_000, 20_000);
const SEED: u64 = 1;

/// Two workloads that every cluster with a platform has, and that talk to each other.
const EXPLAIN: [&str; 7] = [
    "explain",
    "--from",
    "atlas-production/accounts-web",
    "--to",
    "atlas-production/accounts-api",
    "--port",
    "8080",
];

/// It ends with 1, since it finds errors.
const CHECK: [&str; 3] = ["check", "--quiet", "--no-config"];

/// Measures, and prints a table.
///
/// # Errors
/// If something cannot be built, generated or run.
pub(crate) fn run(args: &Args) -> Result<()> {
    run::go(run::cargo().args(["build", "--release", "--locked", "--package", "ringfence"]))?;
    let program = run::target().join("release").join("ringfence");
    let runs = args.runs.max(1);
    println!("| Command | Cluster | YAML | Wall, best (median) of runs | CPU | Peak memory |");
    println!("|---|---|---|---|---|---|");
    let connections = ["connections", "--quiet", "--format", "json"];
    for (name, arguments, size, runs) in [
        ("ringfence connections", &connections[..], SMALL, runs),
        ("ringfence connections", &connections[..], MIDDLE, runs),
        ("ringfence check", &CHECK[..], MIDDLE, runs),
        ("ringfence explain", &EXPLAIN[..], MIDDLE, runs),
        ("ringfence explain", &EXPLAIN[..], LARGE, runs.div_ceil(3)),
        ("ringfence connections", &connections[..], LARGE, runs.div_ceil(3)),
        ("ringfence check", &CHECK[..], LARGE, runs.div_ceil(3)),
    ] {
        let cluster = Cluster::of(size, true)?;
        let mut arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        arguments.push(cluster.path.display().to_string());
        for taken in measure(&[(&program, arguments)], runs)? {
            println!("{}", row(name, &cluster, &taken));
        }
    }
    if let Some(other) = &args.netpol_analyzer {
        compare(&program, other, runs)?;
    }
    Ok(())
}

/// Runs the two in turns, so that both have the machine in the same state: on everything, and without the objects that own
/// pods, which the other takes for workloads beside each other.
fn compare(program: &Path, other: &Path, runs: usize) -> Result<()> {
    for owners in [true, false] {
        let cluster = Cluster::of(SMALL, owners)?;
        let path = cluster.path.display().to_string();
        let ours: Vec<String> =
            ["connections", "--quiet", "--format", "json", &path].map(String::from).into();
        let theirs = ["list", "--quiet", "--dirpath", &path, "--output", "json"];
        let theirs: Vec<String> = theirs.map(String::from).into();
        let taken = measure(&[(program, ours), (other, theirs)], runs)?;
        for (name, taken) in ["ringfence connections", "netpol-analyzer list"].iter().zip(&taken) {
            println!("{}", row(name, &cluster, taken));
        }
        if let [ours, theirs] = taken.as_slice() {
            let ratio = |time: fn(&Taken) -> Duration| time(theirs).as_secs_f64() / time(ours).as_secs_f64();
            println!("| ratio | | | {:.0} ({:.0}) | | |", ratio(Taken::best), ratio(Taken::median));
        }
    }
    Ok(())
}

/// A generated cluster on disk.
struct Cluster {
    path: PathBuf,
    pods: usize,
    policies: usize,
    /// Whether the objects that own pods are there.
    owners: bool,
    bytes: usize,
}

impl Cluster {
    /// The cluster of a size, with or without the objects that own pods.
    fn of((pods, policies): (usize, usize), owners: bool) -> Result<Self> {
        let name = format!("{pods}-{policies}-{SEED}{}", if owners { "" } else { "-pods" });
        let path = run::target().join("clusters").join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).context("cannot remove the cluster of an earlier run")?;
        }
        let mut files = Scenario::new(pods, policies, SEED).files();
        files.retain(|file| owners || !file.name.ends_with("/workloads.yaml"));
        let bytes = generate::write(&files, &path)?;
        Ok(Self { path, pods, policies, owners, bytes })
    }
}

/// What the processes of one command took.
struct Taken {
    /// The times of the runs, ascending.
    walls: Vec<Duration>,
    cpu: Duration,
    /// Peak of the resident memory in KiB, where the system tells it.
    peak: Option<u64>,
}

impl Taken {
    fn best(&self) -> Duration {
        self.walls.first().copied().unwrap_or_default()
    }

    fn median(&self) -> Duration {
        self.walls.get(self.walls.len() / 2).copied().unwrap_or_default()
    }
}

/// Runs each of some commands so often, in turns, and then once more under observation.
fn measure(commands: &[(&Path, Vec<String>)], runs: usize) -> Result<Vec<Taken>> {
    let mut walls: Vec<Vec<Duration>> = vec![Vec::new(); commands.len()];
    for _ in 0..runs {
        for ((program, arguments), walls) in commands.iter().zip(&mut walls) {
            let start = Instant::now();
            finish(start_one(program, arguments)?, program, arguments)?;
            walls.push(start.elapsed());
        }
    }
    let mut taken = Vec::new();
    for ((program, arguments), mut walls) in commands.iter().zip(walls) {
        walls.sort_unstable();
        let (cpu, peak) = observe(program, arguments)?;
        taken.push(Taken { walls, cpu, peak });
    }
    Ok(taken)
}

fn start_one(program: &Path, arguments: &[String]) -> Result<Child> {
    let mut command = run::command(program);
    let child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.with_context(|| format!("cannot start `{}`", program.display()))
}

fn finish(mut child: Child, program: &Path, arguments: &[String]) -> Result<()> {
    let status = child.wait().context("cannot wait for a process")?;
    let found = arguments.first().is_some_and(|command| command == "check") && status.code() == Some(1);
    if !status.success() && !found {
        bail!("`{}` failed ({status})", program.display());
    }
    Ok(())
}

/// Processor time and peak memory of one more run. Looking costs the process time, so its duration does not count.
fn observe(program: &Path, arguments: &[String]) -> Result<(Duration, Option<u64>)> {
    let child = start_one(program, arguments)?;
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let (mut cpu, mut peak) = (Duration::ZERO, None);
    // A process that has ended keeps its times until someone waits for it, but not its memory. Elsewhere than on Linux
    // there is nothing to read.
    while let (Ok(status), Ok(stat)) =
        (std::fs::read_to_string(process.join("status")), std::fs::read_to_string(process.join("stat")))
    {
        let high = |line: &str| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok();
        peak = peak.max(status.lines().find_map(high));
        if let Some(found) = ended(&stat) {
            cpu = found;
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    finish(child, program, arguments)?;
    Ok((cpu, peak))
}

/// The processor time of a process that has ended, from its line in /proc.
fn ended(stat: &str) -> Option<Duration> {
    // The name in parentheses may hold spaces.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok());
    // proc(5): state, and utime and stime in hundredths of a second.
    if fields.first() != Some(&"Z") {
        return None;
    }
    Some(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

fn row(name: &str, cluster: &Cluster, taken: &Taken) -> String {
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let Cluster { pods, policies, owners, bytes, .. } = cluster;
    let without = if *owners { "" } else { ", no owners" };
    format!(
        "| `{name}` | {pods} pods, {policies} policies{without} | {:.1} MB | {} ({}) of {} | {} ms | {} |",
        *bytes as f64 / 1e6,
        milliseconds(taken.best()),
        milliseconds(taken.median()),
        taken.walls.len(),
        taken.cpu.as_millis(),
        taken.peak.map_or_else(|| "not known".to_owned(), |peak| format!("{} MiB", peak >> 10)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_ended_process_is_the_sum_of_its_two_clocks() {
        let stat = "7 (a (b) c) Z 1 7 7 0 -1 4 0 0 0 0 12 30 0 0 20 0 1 0 5 0 0\n";
        assert_eq!(ended(stat), Some(Duration::from_millis(420)));
        assert_eq!(ended(&stat.replace(" Z ", " R ")), None);
    }
}
