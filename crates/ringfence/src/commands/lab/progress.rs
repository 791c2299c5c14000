//! Progress. In: how far a lab is. Out: on standard error one line that changes, or plain lines where it is no terminal; nothing
//! if the user wants quiet.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ringfence_lab::{lab, run};

use crate::context::Context;

/// How often the line changes.
const BEAT: Duration = Duration::from_millis(100);

/// Erases the line from where the cursor is.
const ERASE: &str = "\r\x1b[K";

/// Tells how far it is.
pub(super) struct Progress {
    quiet: bool,
    /// Whether the line can change.
    terminal: bool,
    /// Whether a line stands that is to be erased.
    stands: AtomicBool,
    last: Mutex<Option<Instant>>,
}

impl Progress {
    /// As the user wants it.
    pub(super) fn new(context: &Context) -> Self {
        Self {
            quiet: context.quiet,
            terminal: stderr().is_terminal(),
            stands: AtomicBool::new(false),
            last: Mutex::default(),
        }
    }

    /// Takes what a lab says.
    pub(super) fn tell(&self, at: run::Progress) {
        if self.quiet {
            return;
        }
        let (text, milestone) = match at {
            run::Progress::Network(lab::Progress::Namespaces { made, of }) => {
                (format!("namespaces {made}/{of}"), made == of)
            }
            run::Progress::Network(lab::Progress::Wiring) => ("wiring".to_owned(), false),
            run::Progress::Network(lab::Progress::Up) => ("network up".to_owned(), true),
            run::Progress::Listening => ("listeners ready".to_owned(), true),
            run::Progress::Enforced(1) => ("program loaded on 1 node".to_owned(), true),
            run::Progress::Enforced(nodes) => (format!("programs loaded on {nodes} nodes"), true),
            run::Progress::Probed { done, of } => (format!("probes {done}/{of}"), done == of),
        };
        self.line(&text, milestone);
    }

    /// Shows a text for the moment. Where lines cannot change only milestones are lines.
    fn line(&self, text: &str, milestone: bool) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let early = last.is_some_and(|last| last.elapsed() < BEAT);
        if !milestone && (early || !self.terminal) {
            return;
        }
        *last = Some(Instant::now());
        // A closed standard error is not an error.
        let mut err = stderr().lock();
        if self.terminal {
            self.stands.store(true, Ordering::Relaxed);
            let _ = write!(err, "{ERASE}{text}").and_then(|()| err.flush());
        } else {
            let _ = writeln!(err, "{text}");
        }
    }

    /// A text that stays.
    pub(super) fn say(&self, text: &str) {
        if self.quiet {
            return;
        }
        self.finish();
        let _ = writeln!(stderr().lock(), "{text}");
    }

    /// Leaves no line behind.
    pub(super) fn finish(&self) {
        if self.stands.swap(false, Ordering::Relaxed) {
            let mut err = stderr().lock();
            let _ = write!(err, "{ERASE}").and_then(|()| err.flush());
        }
    }
}
