//! `differential --kernel`. In: a number of packets and a seed. Out: whether kernels do what the engine says on random clusters,
//! and for the first packet on which they do not a corpus file of the smallest case.
//!
//! Three judges meet on each packet: the engine, the compiled programs as the interpreter runs them, and the kernels of the lab's
//! nodes, with real packets. A node's log must name the rules that the engine names.

use std::{
    collections::BTreeSet,
    ops::AddAssign,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use ringfence_dataplane::{
    compile::{self, Refusal},
    judge::Programs,
};
use ringfence_lab::{
    namespace, plan,
    probe::Outcome as Answer,
    run::{RunError, Running, Settings},
    trial::{Disagreement, Expected, Kernel, Target, Trial, Tried},
};
use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    port::Protocol,
    verdict::Outcome,
};
use ringfence_policy::{
    Compiled, Judge as _,
    compiled::View,
    generate::{self, Size},
};

use crate::differential;

/// Labs that are up at once: a lab waits more than it works.
const LABS: usize = 3;
/// Packets after which there is a line on how far it is.
const PACKETS_PER_LINE: u64 = 10_000;
/// Random flows that are tried in a cluster.
const FLOWS: usize = 300;
/// The most of the usual trials (every pair, every Service) that are tried in a cluster.
const USUAL: usize = 150;
/// How long a case is made smaller: each step is a lab.
const SHRINKING: Duration = Duration::from_secs(120);

/// Five to ten pods.
const SIZE: Size = Size {
    namespaces: 3,
    nodes: 3,
    workloads: 6,
    services: 3,
    network_policies: 6,
    tier_policies: 6,
    cilium_policies: 4,
};

/// What was tried.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// Clusters.
    clusters: u64,
    /// Connections that packets decided.
    packets: u64,
    /// Of those, the allowed ones.
    allowed: u64,
    /// Of those, the ones that went to a Service's address.
    services: u64,
    /// Denied ones of which a log names the rule.
    named: u64,
    /// Connections that no packet can decide.
    undecided: u64,
    /// Clusters that cannot be built.
    unbuilt: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.clusters += other.clusters;
        self.packets += other.packets;
        self.allowed += other.allowed;
        self.services += other.services;
        self.named += other.named;
        self.undecided += other.undecided;
        self.unbuilt += other.unbuilt;
    }
}

/// A packet on which the judges differ.
struct Difference {
    cluster: Cluster,
    tried: Tried,
    what: String,
}

/// What a worker found.
enum Found {
    Agreement(Counts),
    Difference(Box<Difference>),
}

/// Compares the engine with kernels.
///
/// # Errors
/// If they differ, after writing the case; if there are no namespaces to be had.
pub(crate) fn run(first: u64, packets: u64) -> Result<()> {
    // Before the first thread, which is the condition for an ordinary user.
    namespace::enter()?;
    println!("{packets} packets, seeds from {first}");
    let start = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new(Counts::default());
    let work = || -> Result<Option<(u64, Box<Difference>)>> {
        while !stop.load(Ordering::Relaxed) {
            let seed = first.wrapping_add(next.fetch_add(1, Ordering::Relaxed));
            match cluster(seed).inspect_err(|_| stop.store(true, Ordering::Relaxed))? {
                Found::Agreement(counts) => {
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    let before = total.packets / PACKETS_PER_LINE;
                    *total += counts;
                    if total.packets / PACKETS_PER_LINE > before {
                        println!("{}", progress(&total, start));
                    }
                    if total.packets >= packets {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                Found::Difference(difference) => {
                    stop.store(true, Ordering::Relaxed);
                    return Ok(Some((seed, difference)));
                }
            }
        }
        Ok(None)
    };
    let mut differences = Vec::new();
    let ended = thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..LABS).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let found = worker.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))?;
            differences.extend(found);
        }
        Ok(())
    });
    ended?;
    if let Some((seed, difference)) = differences.into_iter().min_by_key(|(seed, _)| *seed) {
        return differ(seed, &difference);
    }
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("engine, programs and kernels agree: {}", progress(&total, start));
    println!(
        "{} allowed, {} denied ({} with the rule in a log), {} to Services; {} that no packet can decide, {} clusters that cannot be built",
        total.allowed,
        total.packets - total.allowed,
        total.named,
        total.services,
        total.undecided,
        total.unbuilt,
    );
    Ok(())
}

fn progress(total: &Counts, start: Instant) -> String {
    let rate = total.packets as f64 / start.elapsed().as_secs_f64();
    format!("{} packets in {} clusters, {rate:.0} a second", total.packets, total.clusters)
}

/// How the lab of a seed is built, so that every way of making programs comes up.
fn settings(seed: u64) -> Settings {
    Settings {
        plan: plan::Options { dual_stack: seed.is_multiple_of(5), ..plan::Options::default() },
        program: compile::Options {
            // What is dropped is waited for.
            refusal: if seed.is_multiple_of(16) { Refusal::Drop } else { Refusal::Reject },
            strict_own_node: seed.is_multiple_of(7),
            mark_mask: if seed.is_multiple_of(11) { 0x0000_0f00 } else { 0xffff_0000 },
            ..compile::Options::default()
        },
        ..Settings::default()
    }
}

/// Tries the cluster of a seed.
fn cluster(seed: u64) -> Result<Found> {
    let cluster = generate::cluster(seed, &SIZE);
    let mut running = match Running::start(&cluster, settings(seed), &|_| ()) {
        Ok(running) => running,
        // Random addresses may collide.
        Err(RunError::Plan(_)) => {
            return Ok(Found::Agreement(Counts { clusters: 1, unbuilt: 1, ..Counts::default() }));
        }
        Err(error) => return Err(anyhow::Error::from(error).context(format!("seed {seed}"))),
    };
    let flows = flows(seed, running.lab().cluster());
    let mut trials = running.flow_trials(&flows);
    trials.extend(usual(&running));
    let outcomes = running.run(trials, &|_| ())?;
    if outcomes.lost_records > 0 {
        bail!("seed {seed}: {} records of the logs were lost", outcomes.lost_records);
    }
    let options = settings(seed).program;
    let rejects = options.refusal == Refusal::Reject;
    let programs = match Programs::new(running.compiled(), None, &options) {
        Ok(programs) => programs,
        Err(error) => bail!("seed {seed}: {error}"),
    };
    let mut counts = Counts { clusters: 1, ..Counts::default() };
    for tried in outcomes.tried {
        if let Some(what) = difference(&tried, &programs, rejects) {
            let cluster = running.lab().cluster().clone();
            return Ok(Found::Difference(Box::new(Difference { cluster, tried, what })));
        }
        match tried.kernel {
            Kernel::Undecided(_) => counts.undecided += 1,
            Kernel::Allowed(_) => {
                counts.packets += 1;
                counts.allowed += 1;
            }
            Kernel::Denied(_) => {
                counts.packets += 1;
                counts.named += u64::from(!tried.denials.is_empty());
            }
        }
        let decided = !matches!(tried.kernel, Kernel::Undecided(_));
        counts.services += u64::from(decided && matches!(tried.trial.to, Target::Service { .. }));
    }
    Ok(Found::Agreement(counts))
}

/// Random flows that packets can show, each once.
fn flows(seed: u64, cluster: &Cluster) -> Vec<Flow> {
    let flows = generate::flows(seed, cluster, FLOWS).into_iter().filter_map(|flow| {
        let named = [&flow.from, &flow.to].into_iter().any(|end| matches!(end, Endpoint::Name(_)));
        let (protocol, port) = match (flow.protocol, flow.family) {
            (Protocol::Icmp | Protocol::Icmpv6, Family::V4) => (Protocol::Icmp, 8),
            (Protocol::Icmp | Protocol::Icmpv6, Family::V6) => (Protocol::Icmpv6, 128),
            (protocol, _) => (protocol, flow.port),
        };
        (!named).then_some(Flow { protocol, port, request: None, ..flow })
    });
    flows.collect::<BTreeSet<Flow>>().into_iter().collect()
}

/// Some of what a lab tries when nobody says what, Services first.
fn usual(running: &Running) -> Vec<Trial> {
    let all = running.trials(&running.scope());
    let (mut services, others): (Vec<Trial>, Vec<Trial>) =
        all.into_iter().partition(|trial| matches!(trial.to, Target::Service { .. }));
    let step = (others.len() / USUAL.saturating_sub(services.len()).max(1)).max(1);
    services.extend(others.into_iter().step_by(step));
    services
}

/// How the judges differ about a packet, if they do. `rejects` says that whoever is refused is told.
fn difference(tried: &Tried, programs: &Programs<'_>, rejects: bool) -> Option<String> {
    let outcome = tried.trial.expected.outcome().map_or("either", Outcome::as_str);
    if let Some(disagreement) = tried.disagreement {
        let how = match disagreement {
            Disagreement::Opened => "opened",
            Disagreement::Cut => "cut",
            Disagreement::WrongBackend => "sent to a wrong backend",
        };
        return Some(format!("the engine says {outcome}; {how} by a kernel ({:?})", tried.kernel));
    }
    if rejects && matches!(&tried.kernel, Kernel::Denied(how) if *how == Answer::Silent.to_string()) {
        return Some(format!("the engine says {outcome}; a kernel refuses it, but does not say so"));
    }
    let denied = matches!((&tried.kernel, &tried.trial.to), (Kernel::Denied(_), Target::End(_)));
    if denied && tried.denials.iter().all(|denial| denial.audit) {
        return Some(format!("the engine says {outcome}; a kernel refuses it, but no log says why"));
    }
    if let Some(denial) = tried.misnamed() {
        let (node, direction) = (&denial.node, denial.direction.as_str());
        return Some(format!("the log of {node} names other rules for {direction}: {}", denial.rule));
    }
    let flow = tried.trial.flow().filter(|_| !matches!(tried.kernel, Kernel::Undecided(_)))?;
    let program = programs.verdict(&flow);
    let passes = matches!(tried.kernel, Kernel::Allowed(_));
    ((program.outcome == Outcome::Allow) != passes).then(|| {
        format!(
            "the engine says {outcome}, a kernel does it, the interpreter says {}",
            program.outcome.as_str()
        )
    })
}

/// Makes the case smaller and writes it into the corpus.
fn differ(seed: u64, difference: &Difference) -> Result<()> {
    let Difference { cluster, tried, what } = difference;
    println!("seed {seed}: {what}: {:?}", tried.trial);
    let (mut cluster, mut what) = (cluster.clone(), what.clone());
    let flow = match (&tried.trial.expected, tried.trial.flow()) {
        (_, Some(mut flow)) => {
            let end = Instant::now() + SHRINKING;
            let differs = |cluster: &Cluster, flow: &Flow| {
                Instant::now() < end && matches!(again(seed, cluster, flow), Ok(Some(_)))
            };
            if differs(&cluster, &flow) {
                println!("making the case smaller");
                (cluster, flow) = generate::shrink(cluster, flow, differs);
                what = again(seed, &cluster, &flow)?.unwrap_or(what);
            } else {
                println!("the packet alone does not show it");
            }
            flow
        }
        (Expected::Backends(backends), None) => {
            let Some(backend) = backends.first() else { bail!("seed {seed}: {what}") };
            let Trial { from, family, protocol, .. } = tried.trial.clone();
            let to = backend.end.clone();
            Flow { from, to, family, protocol, port: backend.port, request: None }
        }
        (Expected::One(_), None) => bail!("seed {seed}: {what}"),
    };
    let verdict = Compiled::new(cluster.clone()).enforced(&flow, view(seed));
    let shows = format!("Seed {seed}: {what}.\nEngine {}", generate::describe(&verdict));
    let case = generate::case("The kernel differs", &shows, &cluster, &flow, verdict.outcome);
    let name = differential::keep(seed, &case)?;
    bail!(
        "the judges differ: `--kernel --packets 1 --seed {seed}` shows it again, tests/corpus/found/{name} has the smallest \
         case (give it a title and say what it shows)"
    );
}

/// How the judges differ about one packet in a lab of its own.
fn again(seed: u64, cluster: &Cluster, flow: &Flow) -> Result<Option<String>> {
    let mut running = Running::start(cluster, settings(seed), &|_| ())?;
    let trials = running.flow_trials(std::slice::from_ref(flow));
    let outcomes = running.run(trials, &|_| ())?;
    let options = settings(seed).program;
    let Ok(programs) = Programs::new(running.compiled(), None, &options) else { return Ok(None) };
    let rejects = options.refusal == Refusal::Reject;
    Ok(outcomes.tried.iter().find_map(|tried| difference(tried, &programs, rejects)))
}

fn view(seed: u64) -> View {
    View { strict_own_node: settings(seed).program.strict_own_node, ..View::default() }
}
