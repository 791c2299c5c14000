//! Random changes of policies and pods while connections are held and opened. In: a seed and how many changes. Out: whether what
//! is allowed is never interrupted, what becomes forbidden stops at once, and nothing forbidden ever passes.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use ringfence_dataplane::compile::{Options, Refusal};
use ringfence_lab::{
    probe::{Attempt, Bounds, Opens},
    run::Running,
};
use ringfence_model::{address::Family, flow::Flow, port::Protocol, workload::PodId};
use ringfence_policy::generate::{self, Churn};

use crate::{
    Outcome,
    lines::{Counts, Ends, Judged, LATE, Line, Update, judged},
    trials,
    world::{self, PORTS, STAYING, cluster, owner, start, stays},
};

/// How long each state lasts.
const DWELL: Duration = Duration::from_millis(60);

/// After so many changes new connections are asked for by others.
const ROUND: usize = 20;

pub(crate) fn trials() -> Vec<Trial> {
    trials![changes_under_load, changes_that_drop_under_load]
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn changes_under_load() -> Outcome {
    let changes = number("RINGFENCE_CHANGES").and_then(|count| usize::try_from(count).ok()).unwrap_or(60);
    run(number("RINGFENCE_SEED").unwrap_or(1), changes, &Options::default())
}

fn changes_that_drop_under_load() -> Outcome {
    let changes = number("RINGFENCE_CHANGES").and_then(|count| usize::try_from(count).ok()).unwrap_or(80) / 4;
    let options = Options { refusal: Refusal::Drop, strict_own_node: true, ..Options::default() };
    run(number("RINGFENCE_SEED").unwrap_or(1), changes, &options)
}

/// New connections, and what was said of them since they are asked for.
struct Asked {
    opens: Opens,
    ends: Vec<Ends>,
    /// Each state: when it was reached, what it says, and when the update that ended it began.
    states: Vec<(Duration, Vec<Judged>, Duration)>,
    changes: usize,
}

#[derive(Clone, Debug, Default)]
struct Tried {
    answered: u64,
    refused: u64,
    across: u64,
    unasked: u64,
}

impl Asked {
    fn start(running: &mut Running, since: Duration) -> Outcome<Self> {
        let cluster = running.lab().cluster();
        let pods: Vec<PodId> = (0..).map(PodId).zip(&cluster.pods).map(|(id, _)| id).collect();
        let mut flows = Vec::new();
        for (at, from) in pods.iter().enumerate() {
            for (step, port) in (1..).zip(PORTS) {
                let to = pods.get((at + step * 2) % pods.len()).filter(|to| *to != from);
                let family = if (at + step) % 2 == 0 { Family::V4 } else { Family::V6 };
                flows.extend(to.map(|to| world::flow(*from, *to, family, port)));
            }
        }
        let ends = flows.iter().map(|flow| Ends::of(cluster, flow)).collect::<Outcome<Vec<_>>>()?;
        let every = Duration::from_millis(50);
        let bounds = Bounds { patience: LATE, lasting: Duration::from_secs(3600), attempts: 1 << 20 };
        let opens = running.open(&flows, every, bounds)?;
        let judged = ends.iter().map(|ends| judged(running, ends)).collect();
        Ok(Self { opens, ends, states: vec![(since, judged, Duration::MAX)], changes: 0 })
    }

    fn note(&mut self, running: &Running, update: Update) {
        if let Some(last) = self.states.last_mut() {
            last.2 = update.began;
        }
        let judged = self.ends.iter().map(|ends| judged(running, ends)).collect();
        self.states.push((update.done, judged, Duration::MAX));
        self.changes += 1;
    }

    /// Every attempt ended as the engine said all the while that it took.
    fn finish(self, tried: &mut Tried) -> Outcome {
        let Self { opens, ends, states, .. } = self;
        for Attempt { opening, began, ended } in opens.stop()? {
            let Some((ended, came)) = ended else { continue };
            let Some(passed) = came.passes() else {
                tried.unasked += 1;
                continue;
            };
            // A state may be in effect as soon as the update to it begins, and until the next one is done.
            let during = (0..states.len()).filter(|at| {
                let starts = at.checked_sub(1).and_then(|at| states.get(at)).map(|(_, _, until)| *until);
                starts.is_none_or(|starts| starts <= ended)
                    && states.get(at + 1).is_none_or(|(next, ..)| *next > began)
            });
            let mut verdicts = during
                .filter_map(|at| states.get(at).and_then(|(_, judged, _)| judged.get(opening).copied()));
            let Some(first) = verdicts.next().filter(|first| verdicts.all(|one| one == *first)) else {
                tried.across += 1;
                continue;
            };
            let ok = match first {
                Judged::Allowed => passed,
                Judged::Denied(..) => !passed,
                Judged::Nobody => true,
            };
            if !ok {
                return Err(format!(
                    "{:?} is {first:?} and a new connection ended with `{came}` ({began:?} to {ended:?})",
                    ends.get(opening)
                )
                .into());
            }
            tried.answered += u64::from(passed);
            tried.refused += u64::from(!passed);
        }
        Ok(())
    }
}

/// The connections that are held between pods that stay.
fn wanted(running: &Running) -> Vec<Flow> {
    let cluster = running.lab().cluster();
    let staying: Vec<PodId> =
        (0..).map(PodId).zip(&cluster.pods).filter(|(_, pod)| stays(pod)).map(|(id, _)| id).collect();
    let mut flows = Vec::new();
    for (at, from) in staying.iter().enumerate() {
        for step in 1..STAYING {
            let Some(to) = staying.get((at + step) % STAYING) else { continue };
            let Some(port) = PORTS.get((at + step) % PORTS.len()) else { continue };
            let family = if (at * step) % 2 == 0 { Family::V4 } else { Family::V6 };
            flows.push(world::flow(*from, *to, family, *port));
        }
    }
    flows
}

/// Connections to and from pods that come and go.
fn visitors(running: &Running, lines: &[Line], change: usize) -> Vec<Flow> {
    let cluster = running.lab().cluster();
    let known: BTreeSet<PodId> = lines
        .iter()
        .filter(|line| line.ends.protocol == Protocol::Udp)
        .flat_map(|line| [owner(cluster, line.ends.from), owner(cluster, line.ends.to)])
        .flatten()
        .collect();
    let all = || (0..).map(PodId).zip(&cluster.pods);
    let Some((host, _)) = all().filter(|(_, pod)| stays(pod)).nth(change % STAYING) else {
        return Vec::new();
    };
    let new = all().filter(|(id, pod)| !stays(pod) && !known.contains(id));
    new.flat_map(|(id, _)| {
        [
            world::flow(host, id, Family::V4, (Protocol::Udp, 53)),
            world::flow(id, host, Family::V6, (Protocol::Udp, 53)),
            world::flow(host, id, Family::V6, (Protocol::Tcp, 8080)),
        ]
    })
    .collect()
}

/// Opens again what has ended and may go on, and what is new.
fn reopen(running: &mut Running, lines: &mut Vec<Line>, change: usize, since: Duration) -> Outcome {
    let cluster = running.lab().cluster();
    lines.retain(|line| !line.is_over(cluster));
    let mut missing = Vec::new();
    for flow in wanted(running) {
        let ends = Ends::of(running.lab().cluster(), &flow)?;
        if !lines.iter().any(|line| line.ends == ends) {
            missing.push(flow);
        }
    }
    missing.extend(visitors(running, lines, change));
    for flow in missing {
        let ends = Ends::of(running.lab().cluster(), &flow)?;
        if judged(running, &ends) == Judged::Allowed {
            lines.push(Line::open(running, &flow, since)?);
        }
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the counts are what the test is for")]
fn run(seed: u64, changes: usize, options: &Options) -> Outcome {
    let start_time = Instant::now();
    let mut running = start(&cluster("")?, options.clone())?;
    let ledger = running.ledger();
    let mut churn = Churn::new(generate::rng(seed));
    let (mut lines, mut counts, mut tried) = (Vec::new(), Counts::default(), Tried::default());
    let mut history: Vec<String> = Vec::new();
    let mut done = ledger.now();
    reopen(&mut running, &mut lines, 0, done)?;
    let mut asked = Asked::start(&mut running, done)?;
    let (mut slowest, mut total) = (Duration::ZERO, Duration::ZERO);
    for change in 1..=changes {
        let mut wanted = running.lab().cluster().clone();
        history.push(churn.step(&mut wanted, stays));
        let said = |error: libtest_mimic::Failed, history: &[String]| {
            let last = history.iter().rev().take(8).rev().cloned().collect::<Vec<_>>();
            let what = error.message().unwrap_or_default();
            libtest_mimic::Failed::from(format!("seed {seed}, change {change}: {what}\n{}", last.join("\n")))
        };
        let began = ledger.now();
        running.update(&wanted).map_err(|error| said(error.into(), &history))?;
        done = ledger.now();
        let update = Update { began, done };
        (slowest, total) = (slowest.max(done - began), total + (done - began));
        asked.note(&running, update);
        thread::sleep(DWELL);
        for line in &mut lines {
            line.check(&running, update, &mut counts).map_err(|error| said(error, &history))?;
        }
        let after = ledger.now();
        reopen(&mut running, &mut lines, change, after)?;
        if asked.changes >= ROUND {
            asked.finish(&mut tried).map_err(|error| said(error, &history))?;
            asked = Asked::start(&mut running, ledger.now())?;
        }
    }
    asked.finish(&mut tried)?;
    eprintln!(
        "{changes} changes in {:?} (an update takes {:?}, at most {slowest:?}), {} connections held at the end\n{counts:?}\n{tried:?}",
        start_time.elapsed(),
        total / u32::try_from(changes).unwrap_or(1).max(1),
        lines.len(),
    );
    let few = counts.cut == 0 || counts.opened == 0 || counts.through == 0 || counts.stopped == 0;
    if changes >= 60 && (few || tried.answered == 0 || tried.refused == 0) {
        return Err("too little happened".into());
    }
    if running.repairs() > 0 {
        return Err("a program was repaired that nobody had touched".into());
    }
    Ok(())
}
