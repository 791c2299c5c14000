//! A lab under load: connections are held and opened while policies and pods change and things go wrong. The process enters
//! namespaces of its own before any thread starts, so this is a test program with its own `main`. Where namespaces are
//! forbidden the tests are skipped, unless `CI` is set: then they fail.

mod audit;
mod faults;
mod lines;
mod load;
mod world;

use libtest_mimic::{Arguments, Failed};
use ringfence_lab::namespace;

#[expect(clippy::print_stderr, reason = "says why tests are skipped, before the harness starts")]
fn main() -> std::process::ExitCode {
    if let Some(ended) = faults::role() {
        return ended;
    }
    let arguments = Arguments::from_args();
    let mut trials = load::trials();
    trials.extend(faults::trials());
    trials.extend(audit::trials());
    if !arguments.list
        && let Err(error) = namespace::enter()
    {
        eprintln!("no test of packets can run: {error}");
        let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
        if ci || !error.is_forbidden() {
            return 1.into();
        }
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    }
    // Messages are measured in milliseconds: one lab at a time.
    let arguments = Arguments { test_threads: Some(1), ..arguments };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// How a test ends.
type Outcome<T = ()> = Result<T, Failed>;

/// Names a test and its function.
macro_rules! trials {
    ($($test:ident),+ $(,)?) => {
        vec![$(libtest_mimic::Trial::test(concat!(module_path!(), "::", stringify!($test)), $test)),+] as Vec<libtest_mimic::Trial>
    };
}
use trials;
