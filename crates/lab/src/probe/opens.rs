//! New connections while policies change. In: probes that are asked again and again, and how often. Out: every attempt with
//! when it began, when it ended and what came of it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{Outcome, Probe, ProbeError, flight::Flight, ports::Ports};
use crate::{listen::Ledger, namespace::Namespace};

/// How often the thread looks whether it is told to stop.
const ATTENTION: Duration = Duration::from_millis(20);

/// A probe that is asked again and again.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// What is asked; [`Probe::from`] is a place in the list of namespaces.
    pub probe: Probe,
    /// The time from one attempt to the next, whether or not anything has come back.
    pub every: Duration,
}

/// How long and how much to ask.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long an attempt waits before it counts as silent.
    pub patience: Duration,
    /// When attempts end by themselves.
    pub lasting: Duration,
    /// How many attempts are made at most, of all openings together.
    pub attempts: usize,
}

/// One attempt. Times are on the clock of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which opening: its place in the list.
    pub opening: usize,
    /// When it was begun.
    pub began: Duration,
    /// When its outcome was known; nothing while it is not.
    pub ended: Option<(Duration, Outcome)>,
}

/// Attempts that are being made. They end when this is dropped, or at their bounds.
pub struct Opens {
    attempts: Arc<Mutex<Vec<Attempt>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), ProbeError>>>,
}

impl Opens {
    pub(super) fn start(
        ledger: Arc<Ledger>,
        ports: Arc<Ports>,
        namespaces: Vec<Namespace>,
        openings: Vec<Opening>,
        bounds: Bounds,
    ) -> Result<Self, ProbeError> {
        let (attempts, stop) = (Arc::<Mutex<Vec<Attempt>>>::default(), Arc::<AtomicBool>::default());
        let opener = Opener {
            ledger,
            namespaces,
            openings,
            bounds,
            attempts: Arc::clone(&attempts),
            stop: Arc::clone(&stop),
        };
        let thread =
            thread::Builder::new().name("new connections".to_owned()).spawn(move || opener.run(&ports));
        Ok(Self { attempts, stop, thread: Some(thread.map_err(ProbeError::Thread)?) })
    }

    /// The attempts so far, in the order in which they began.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        locked(&self.attempts).clone()
    }

    /// Begins no new attempts, waits for the outcomes of those under way, and returns all.
    ///
    /// # Errors
    /// What ended the attempts before they were told to.
    pub fn stop(mut self) -> Result<Vec<Attempt>, ProbeError> {
        self.end()?;
        Ok(self.attempts())
    }

    fn end(&mut self) -> Result<(), ProbeError> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or(Ok(()), |thread| {
            thread.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
        })
    }
}

impl Drop for Opens {
    fn drop(&mut self) {
        // Who wants to know calls `stop`.
        let _ = self.end();
    }
}

fn locked(attempts: &Mutex<Vec<Attempt>>) -> MutexGuard<'_, Vec<Attempt>> {
    attempts.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Opener {
    ledger: Arc<Ledger>,
    namespaces: Vec<Namespace>,
    openings: Vec<Opening>,
    bounds: Bounds,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    stop: Arc<AtomicBool>,
}

impl Opener {
    fn run(&self, ports: &Ports) -> Result<(), ProbeError> {
        let start = Instant::now();
        let mut flight = Flight::new(ports)?;
        let mut due: BTreeMap<(Instant, usize), ()> =
            (0..self.openings.len()).map(|place| ((start, place), ())).collect();
        while !self.stop.load(Ordering::Relaxed) && start.elapsed() < self.bounds.lasting {
            let begun = self.begin_due(&mut due, &mut flight)?;
            let next = due.first_key_value().map(|((next, _), ())| *next);
            if next.is_none() && !begun && flight.open() == 0 {
                break;
            }
            let attention = Instant::now() + ATTENTION;
            self.advance(&mut flight, next.map_or(attention, |next| next.min(attention)))?;
        }
        while flight.open() > 0 {
            self.advance(&mut flight, Instant::now() + ATTENTION)?;
        }
        Ok(())
    }

    /// Begins the attempts whose time has come. Returns whether there were any.
    fn begin_due(
        &self,
        due: &mut BTreeMap<(Instant, usize), ()>,
        flight: &mut Flight<'_>,
    ) -> Result<bool, ProbeError> {
        let now = Instant::now();
        let mut begun: BTreeMap<usize, Vec<(usize, Probe)>> = BTreeMap::new();
        while let Some(entry) = due.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((time, place), ()) = entry.remove_entry();
            let Some(opening) = self.openings.get(place) else { continue };
            let mut attempts = locked(&self.attempts);
            if attempts.len() >= self.bounds.attempts {
                due.clear();
                break;
            }
            begun.entry(opening.probe.from).or_default().push((attempts.len(), opening.probe));
            attempts.push(Attempt { opening: place, began: self.ledger.now(), ended: None });
            // After a pause one attempt is made, not all that were missed at once.
            let next = (time + opening.every).max(now + Duration::from_micros(100));
            due.insert((next, place), ());
        }
        for (from, probes) in &begun {
            let first = probes.first().map_or(0, |(number, _)| *number);
            let namespace = self.namespaces.get(*from).ok_or(ProbeError::NoNamespace(first))?;
            namespace.run(|| flight.launch(probes, self.bounds.patience))?;
        }
        Ok(!begun.is_empty())
    }

    fn advance(&self, flight: &mut Flight<'_>, until: Instant) -> Result<(), ProbeError> {
        let until = flight.deadline().map_or(until, |deadline| deadline.min(until));
        flight.poll(until)?;
        flight.give_up()?;
        let now = self.ledger.now();
        let mut attempts = locked(&self.attempts);
        for (number, outcome) in flight.settled() {
            if let Some(attempt) = attempts.get_mut(number) {
                attempt.ended = Some((now, outcome));
            }
        }
        Ok(())
    }
}
