//! The program in the kernel: every test runs in network namespaces of its own, with `nft` as the oracle.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a broken expectation is a failed test, and what is left out is said"
)]

mod faults;
mod forms;
mod limits;
mod live;
mod namespace;
mod programs;
mod updates;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let able = namespace::enter();
    let mut trials = Vec::new();
    for (name, test) in [forms::TESTS, limits::TESTS, updates::TESTS, faults::TESTS, live::TESTS].concat() {
        trials.push(namespace::trial(name, test, &able));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// A test by name.
type Test = (&'static str, fn());

/// Named trials of a module.
type Tests = &'static [Test];
