//! Comparing things on a noisy machine. In: contenders and what one round of each takes. Out: medians of the differences
//! to the first contender, round by round, with their quartiles.

/// Median and quartiles.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Of some numbers, at least one.
    pub(crate) fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        let at = |quarter: usize| numbers[(numbers.len() - 1) * quarter / 4];
        Self { low: at(1), median: at(2), high: at(3) }
    }
}

/// What one contender took: in itself, and more than the first in the same round.
pub(crate) struct Taken {
    pub(crate) own: Spread,
    pub(crate) more: Spread,
}

/// Runs rounds of every contender in turns; who begins changes with every round. The first rounds only warm up.
pub(crate) fn compare(
    contenders: usize,
    rounds: usize,
    mut round: impl FnMut(usize, usize) -> f64,
) -> Vec<Taken> {
    const WARM_UP: usize = 2;
    let mut taken = vec![Vec::with_capacity(rounds); contenders];
    for number in 0..rounds + WARM_UP {
        for turn in 0..contenders {
            let contender = (number + turn) % contenders;
            let one = round(contender, number);
            if number >= WARM_UP {
                taken[contender].push(one);
            }
        }
    }
    let base = taken[0].clone();
    let spread = |own: Vec<f64>| {
        let more = own.iter().zip(&base).map(|(own, base)| own - base).collect();
        Taken { own: Spread::of(own), more: Spread::of(more) }
    };
    taken.into_iter().map(spread).collect()
}
