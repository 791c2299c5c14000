//! Chance. In: a seed. Out: choices, the same on every machine.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Letters and digits of generated names, as Kubernetes uses them: no vowels, so that no words come out.
const NAME_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Makes the choices of one cluster.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// True in so many of 100 cases.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.0.random_ratio(percent.min(100), 100)
    }

    /// From `from` to `to`, both included.
    pub(crate) fn number(&mut self, from: usize, to: usize) -> usize {
        self.0.random_range(from..=to.max(from))
    }

    /// One of some items, if there are any.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.number(0, items.len().saturating_sub(1)))
    }

    /// A suffix such as those of pods and ReplicaSets.
    pub(crate) fn suffix(&mut self, length: usize) -> String {
        (0..length).filter_map(|_| self.pick(NAME_LETTERS)).map(|letter| char::from(*letter)).collect()
    }
}
