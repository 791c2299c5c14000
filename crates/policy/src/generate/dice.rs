//! Chance. In: a seed. Out: choices, and origins that tell the generated values apart.

use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ringfence_model::origin::{Origin, SourceId};

/// The generator of random numbers: the same on every machine.
pub type Rng = ChaCha8Rng;

/// Numbers of a seed.
#[must_use]
pub fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

/// Makes the choices of one cluster.
pub(super) struct Dice {
    rng: Rng,
    origins: u32,
}

impl Dice {
    /// Choices of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: rng(seed), origins: 0 }
    }

    /// Choices from numbers that are already under way.
    pub(super) fn with(rng: &mut Rng) -> Self {
        Self { rng: Rng::from_rng(rng), origins: 0 }
    }

    /// True in so many of 100 cases.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent.min(100), 100)
    }

    /// From `from` to `to`, both included.
    pub(super) fn number(&mut self, from: usize, to: usize) -> usize {
        self.rng.random_range(from..=to.max(from))
    }

    /// One of some items.
    #[expect(
        clippy::indexing_slicing,
        reason = "the place is smaller than the length; callers list at least one item"
    )]
    pub(super) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.rng.random_range(0..items.len())].clone()
    }

    /// One of some items, if there are any.
    pub(super) fn maybe_pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        (!items.is_empty()).then(|| self.pick(items))
    }

    /// Between `from` and `to` results.
    pub(super) fn several<T>(
        &mut self,
        from: usize,
        to: usize,
        mut one: impl FnMut(&mut Self) -> T,
    ) -> Vec<T> {
        (0..self.number(from, to)).map(|_| one(self)).collect()
    }

    /// An origin that no other value of this cluster has. No text holds it.
    pub(super) fn origin(&mut self) -> Origin {
        self.origins += 1;
        Origin { source: SourceId(0), start: self.origins, end: self.origins }
    }
}
