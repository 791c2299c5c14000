//! `measure`. In: the release build and generated clusters. Out: a table of what whole processes take, as
//! docs/performance.md shows it; beside another analyser in the same run, if one is given.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
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
        ("ringfence explain", &EXPLAIN[..], MIDDLE, runs),
        ("ringfence explain", &EXPLAIN[..], LARGE, runs.div_ceil(3)),
        ("ringfence connections", &connections[..], LARGE, runs.div_ceil(3)),
    ] {
        let cluster = Cluster::of(size)?;
        let mut arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        arguments.push(cluster.path.display().to_string());
        let taken = (0..runs).map(|_| measure(&program, &arguments)).collect::<Result<Vec<_>>>()?;
        println!("{}", row(name, &cluster, &taken));
    }
    if let Some(other) = &args.netpol_analyzer {
        compare(&program, other, runs)?;
    }
    Ok(())
}

/// Runs the two in turns, so that both have the machine in the same state.
fn compare(program: &Path, other: &Path, runs: usize) -> Result<()> {
    let cluster = Cluster::of(SMALL)?;
    let path = cluster.path.display().to_string();
    let ours: Vec<String> = ["connections", "--quiet", "--format", "json", &path].map(String::from).into();
    let theirs: Vec<String> =
        ["list", "--quiet", "--dirpath", &path, "--output", "json"].map(String::from).into();
    let (mut our_runs, mut their_runs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        our_runs.push(measure(program, &ours)?);
        their_runs.push(measure(other, &theirs)?);
    }
    println!("{}", row("ringfence connections", &cluster, &our_runs));
    println!("{}", row("netpol-analyzer list", &cluster, &their_runs));
    let ratio =
        |pick: fn(&[Taken]) -> Duration| pick(&their_runs).as_secs_f64() / pick(&our_runs).as_secs_f64();
    println!("\nratio of the best runs {:.0}, of the medians {:.0}", ratio(best), ratio(median));
    Ok(())
}

/// A generated cluster on disk.
struct Cluster {
    path: PathBuf,
    pods: usize,
    policies: usize,
    bytes: u64,
}

impl Cluster {
    /// The cluster of a size; made once, and used again by later runs.
    fn of((pods, policies): (usize, usize)) -> Result<Self> {
        let path = run::target().join("clusters").join(format!("{pods}-{policies}-{SEED}"));
        if path.exists() {
            std::fs::remove_dir_all(&path).context("cannot remove the cluster of an earlier run")?;
        }
        let (_, bytes) = generate::write(&Scenario::new(pods, policies, SEED), &path)?;
        Ok(Self { path, pods, policies, bytes: bytes as u64 })
    }
}

/// What one process took.
struct Taken {
    wall: Duration,
    cpu: Duration,
    /// Peak of the resident memory in KiB, where the system tells it.
    peak: Option<u64>,
}

fn measure(program: &Path, arguments: &[String]) -> Result<Taken> {
    let start = Instant::now();
    let mut child = run::command(program)
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{}`", program.display()))?;
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let mut peak = None;
    // A process that has ended keeps its times until someone waits for it, but not its memory.
    let (wall, cpu) = loop {
        let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        if status.is_empty() || stat.is_empty() {
            let _ = child.wait();
            break (start.elapsed(), Duration::ZERO);
        }
        let high = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok());
        peak = peak.max(high);
        if let Some(cpu) = ended(&stat) {
            break (start.elapsed(), cpu);
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    let status = child.wait().context("cannot wait for a process")?;
    if !status.success() {
        bail!("`{} {}` failed ({status})", program.display(), arguments.join(" "));
    }
    Ok(Taken { wall, cpu, peak })
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

fn best(taken: &[Taken]) -> Duration {
    taken.iter().map(|taken| taken.wall).min().unwrap_or_default()
}

fn median(taken: &[Taken]) -> Duration {
    let mut walls: Vec<Duration> = taken.iter().map(|taken| taken.wall).collect();
    walls.sort_unstable();
    walls.get(walls.len() / 2).copied().unwrap_or_default()
}

fn row(name: &str, cluster: &Cluster, taken: &[Taken]) -> String {
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let cpu = taken.iter().map(|taken| taken.cpu).min().unwrap_or_default();
    let peak = taken.iter().filter_map(|taken| taken.peak).max();
    let Cluster { pods, policies, bytes, .. } = cluster;
    format!(
        "| `{name}` | {pods} pods, {policies} policies | {:.1} MB | {} ({}) of {} | {} | {} |",
        *bytes as f64 / 1e6,
        milliseconds(best(taken)),
        milliseconds(median(taken)),
        taken.len(),
        milliseconds(cpu),
        peak.map_or_else(|| "not known".to_owned(), |peak| format!("{} MiB", peak >> 10)),
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
