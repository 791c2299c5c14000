//! Whether the kernel did what the engine says. In: a trial and what became of its packets. Out: nothing, or how they
//! differ.

use ringfence_model::{flow::Endpoint, verdict::Outcome, workload::PodId};

use super::{Expected, Trial};

/// What became of a trial's packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// They arrived and were answered, by which pod if one said so.
    Allowed(Option<PodId>),
    /// They were refused, or never answered: how, in words.
    Denied(String),
    /// No packet can decide it: why.
    Undecided(String),
}

impl Kernel {
    /// `allow`, `deny` or `undecided`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Allowed(_) => "allow",
            Self::Denied(_) => "deny",
            Self::Undecided(_) => "undecided",
        }
    }
}

/// How the kernel differs from the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// The engine denies what the kernel let through.
    Opened,
    /// The engine allows what the kernel stopped.
    Cut,
    /// A pod answered that is no backend of the Service.
    WrongBackend,
}

/// What the program does with an outcome: where a proxy or a fact is missing it denies.
fn passes(outcome: Outcome) -> bool {
    outcome == Outcome::Allow
}

impl Trial {
    /// Compares.
    #[must_use]
    pub fn compare(&self, kernel: &Kernel) -> Option<Disagreement> {
        match (&self.expected, kernel) {
            (_, Kernel::Undecided(_)) => None,
            (Expected::One(verdict), Kernel::Allowed(_)) => {
                (!passes(verdict.outcome)).then_some(Disagreement::Opened)
            }
            (Expected::One(verdict), Kernel::Denied(_)) => {
                passes(verdict.outcome).then_some(Disagreement::Cut)
            }
            (Expected::Backends(backends), Kernel::Allowed(by)) => {
                // A pod that its Service sends back to itself always gets through.
                if by.is_some_and(|pod| self.from == Endpoint::Pod(pod)) {
                    return None;
                }
                let mut answered = (backends.iter())
                    .filter(|backend| by.is_none_or(|pod| backend.end == Endpoint::Pod(pod)))
                    .peekable();
                if answered.peek().is_none() {
                    return Some(Disagreement::WrongBackend);
                }
                let fine = answered.any(|backend| passes(backend.verdict.outcome));
                (!fine).then_some(Disagreement::Opened)
            }
            (Expected::Backends(backends), Kernel::Denied(_)) => {
                let all =
                    !backends.is_empty() && backends.iter().all(|backend| passes(backend.verdict.outcome));
                all.then_some(Disagreement::Cut)
            }
        }
    }
}
