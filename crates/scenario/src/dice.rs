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

    /// A suffix such as those of ReplicaSets.
    pub(crate) fn suffix(&mut self, length: usize) -> String {
        (0..length).filter_map(|_| self.pick(NAME_LETTERS)).map(|letter| char::from(*letter)).collect()
    }

    /// A suffix of five letters such as those of pods; no two of one owner's pods have the same.
    pub(crate) fn pod_suffix(&mut self, number: usize) -> String {
        let count = NAME_LETTERS.len();
        // The factor has no divisor in common with the number of letters: every number has its own three letters.
        let scattered = number * 7_919;
        let own = [scattered, scattered / count, scattered / count / count];
        let own = own.map(|at| NAME_LETTERS.get(at % count).map_or('x', |letter| char::from(*letter)));
        own.into_iter().chain(self.suffix(2).chars()).collect()
    }
}
