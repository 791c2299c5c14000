//! Many probes at once. In: namespaces and probes. Out: the outcome of each, in order. Probes are asked in rounds, each more
//! patient than the one before, in which only the silent ones are asked again: a packet lost by a busy machine does not turn
//! an allowed probe into a denied one, and what is really dropped costs the rounds' time once for all of them together.

use std::{
    cmp::Reverse,
    fs, io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit},
};
use thiserror::Error;

use super::{
    Outcome, Probe,
    flight::{Flight, Number},
    held::{Held, Hold},
    opens::{Bounds, Opening, Opens},
    ports::Ports,
};
use crate::{
    listen::{Backlog, Listeners},
    namespace::{Namespace, NamespaceError},
};

/// How many probes are sent before what has come back is looked at: fewer than the kernel queues anywhere.
const PIECE: usize = 128;

/// How long to wait for listeners that are busy.
const CATCHING_UP: Duration = Duration::from_secs(5);

/// Descriptors that are left to the rest of the process.
const SPARE_FILES: usize = 256;

/// How to probe.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long silence is waited for in each round. Nothing is called silent before the last.
    pub patience: Vec<Duration>,
    /// How many threads send and receive.
    pub workers: usize,
    /// How many sockets may be open at once, by all threads together; by default what the limit of open files leaves.
    pub sockets: Option<usize>,
}

impl Default for Options {
    /// 150 ms, 500 ms and 1.5 s, and a thread for each processor.
    fn default() -> Self {
        Self {
            patience: [150, 500, 1500].map(Duration::from_millis).to_vec(),
            workers: thread::available_parallelism().map_or(1, usize::from),
            sockets: None,
        }
    }
}

/// Why probes could not be asked at all. What goes wrong with a single one is its [`Outcome`].
#[derive(Debug, Error)]
pub enum ProbeError {
    /// A namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A probe names a place that the list of namespaces does not have.
    #[error("probe {0} is asked from a namespace that is not there")]
    NoNamespace(usize),
    /// A protocol has no connections to hold.
    #[error("{0} has no connections that can be held; TCP, UDP and SCTP have")]
    NoConnection(&'static str),
    /// The kernel refuses a socket for a connection that is to be held.
    #[error("cannot open a connection: {0}")]
    Socket(io::Error),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The kernel does not say when sockets are ready.
    #[error("cannot wait for answers: {0}")]
    Wait(#[from] Errno),
}

/// Asks probes. Remembers which source ports it has used; all probes of a lab should come from one.
#[derive(Debug, Default)]
pub struct Prober {
    options: Options,
    ports: Arc<Ports>,
    backlog: Option<Backlog>,
}

/// Probes of one namespace with their places in the list.
type Work<'a> = (&'a Namespace, Vec<(Number, Probe)>);

impl Prober {
    /// A prober with other than the usual options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// A prober that asks these listeners. Before it calls anything silent it waits until they have served all that has come
    /// to them, so that listeners which a busy machine keeps waiting are not taken for rules that drop packets.
    #[must_use]
    pub fn beside(self, listeners: &Listeners) -> Self {
        Self { backlog: Some(listeners.backlog()), ..self }
    }

    /// Opens connections and holds them for some time at most; their listeners are of the same lab.
    ///
    /// # Errors
    /// When a namespace cannot be entered, a socket cannot be made, or a protocol has no connections.
    pub fn hold(&self, listeners: &Listeners, holds: &[Hold], lasting: Duration) -> Result<Held, ProbeError> {
        Held::open(listeners.ledger(), &self.ports, holds, lasting)
    }

    /// Asks probes again and again, in the background.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open(
        &self,
        listeners: &Listeners,
        namespaces: Vec<Namespace>,
        openings: Vec<Opening>,
        bounds: Bounds,
    ) -> Result<Opens, ProbeError> {
        Opens::start(listeners.ledger(), Arc::clone(&self.ports), namespaces, openings, bounds)
    }

    /// Asks all probes and waits for their outcomes, which are in the order of the probes.
    ///
    /// # Errors
    /// When a namespace is missing or cannot be entered.
    pub fn run(&self, namespaces: &[Namespace], probes: &[Probe]) -> Result<Vec<Outcome>, ProbeError> {
        let mut outcomes = vec![Outcome::Silent; probes.len()];
        let mut open: Vec<Number> = (0..probes.len()).collect();
        for &patience in &self.options.patience {
            if open.is_empty() {
                break;
            }
            for (number, outcome) in self.round(namespaces, probes, &open, patience)? {
                if let Some(place) = outcomes.get_mut(number) {
                    // A handshake of an earlier round stays one, even if this round heard nothing.
                    let known = matches!(place, Outcome::Answered { .. }) && outcome == Outcome::Silent;
                    *place = if known { *place } else { outcome };
                }
            }
            let undecided = |number: &Number| {
                outcomes.get(*number).is_some_and(|outcome| asks_again(*outcome, probes, *number))
            };
            open.retain(undecided);
        }
        Ok(outcomes)
    }

    /// Asks some of the probes once.
    fn round(
        &self,
        namespaces: &[Namespace],
        probes: &[Probe],
        open: &[Number],
        patience: Duration,
    ) -> Result<Vec<(Number, Outcome)>, ProbeError> {
        let mut work: Vec<Work<'_>> = namespaces.iter().map(|namespace| (namespace, Vec::new())).collect();
        for &number in open {
            let Some(probe) = probes.get(number) else { continue };
            let (_, list) = work.get_mut(probe.from).ok_or(ProbeError::NoNamespace(number))?;
            list.push((number, *probe));
        }
        work.retain(|(_, list)| !list.is_empty());
        let shares = share(work, self.options.workers);
        let sockets = self.options.sockets.unwrap_or_else(free_sockets) / shares.len().max(1);
        thread::scope(|scope| {
            let ask = |share| move || self.ask(share, patience, sockets.max(PIECE));
            let started: Vec<_> = shares.into_iter().map(|share| scope.spawn(ask(share))).collect();
            let mut settled = Vec::with_capacity(open.len());
            for thread in started {
                settled.extend(thread.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))?);
            }
            Ok(settled)
        })
    }

    /// What one thread does in a round.
    fn ask(
        &self,
        share: Vec<Work<'_>>,
        patience: Duration,
        sockets: usize,
    ) -> Result<Vec<(Number, Outcome)>, ProbeError> {
        let mut flight = Flight::new(&self.ports)?;
        let mut settled = Vec::new();
        for (namespace, probes) in share {
            for piece in probes.chunks(PIECE) {
                while flight.open() + piece.len() > sockets && flight.open() > 0 {
                    self.wait(&mut flight)?;
                }
                namespace.run(|| flight.launch(piece, patience))?;
                flight.poll(Instant::now())?;
                settled.extend(flight.settled());
            }
        }
        while flight.open() > 0 {
            self.wait(&mut flight)?;
        }
        settled.extend(flight.settled());
        Ok(settled)
    }

    /// Takes what has come, and gives up what is past its time and still silent when the listeners have caught up.
    fn wait(&self, flight: &mut Flight<'_>) -> Result<(), Errno> {
        let Some(deadline) = flight.deadline() else { return flight.give_up() };
        flight.poll(deadline)?;
        if let Some(backlog) = self.backlog.as_ref().filter(|_| Instant::now() >= deadline) {
            // Twice, for TCP: a connection first has to stand, then the listener is asked who it is.
            for _ in 0..2 {
                while flight.open() > 0 && flight.poll(deadline)? {}
                backlog.await_served(CATCHING_UP);
            }
        }
        flight.give_up()
    }
}

/// Whether another round may know more: after silence, and after a handshake that nobody spoke on.
fn asks_again(outcome: Outcome, probes: &[Probe], number: Number) -> bool {
    let speaks = probes
        .get(number)
        .is_some_and(|probe| ringfence_model::port::Protocol::WITH_PORTS.contains(&probe.protocol));
    match outcome {
        Outcome::Silent => true,
        Outcome::Answered { by } => by.is_none() && speaks,
        Outcome::Refused(_) | Outcome::Failed(_) => false,
    }
}

/// Divides the work of namespaces among threads, the largest first.
fn share(mut work: Vec<Work<'_>>, workers: usize) -> Vec<Vec<Work<'_>>> {
    work.sort_by_key(|(_, list)| Reverse(list.len()));
    let mut shares: Vec<(usize, Vec<Work<'_>>)> = Vec::new();
    shares.resize_with(workers.clamp(1, work.len().max(1)), Default::default);
    for one in work {
        if let Some((load, share)) = shares.iter_mut().min_by_key(|(load, _)| *load) {
            *load += one.1.len();
            share.push(one);
        }
    }
    shares.into_iter().map(|(_, share)| share).collect()
}

/// How many probes may have sockets now: each that connects costs one more at the listener.
fn free_sockets() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE)
        .map_or(1024, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX));
    let used = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    limit.saturating_sub(used).saturating_sub(SPARE_FILES) / 2
}
