//! Network namespaces and the lab's network, with packets. The process enters namespaces of its own before any thread starts,
//! so this is a test program with its own `main`. Where namespaces are forbidden the tests are skipped, unless `CI` is
//! set: then they fail. Run as root it runs a second time as an ordinary user.

mod cluster;
mod dns;
mod gone;
mod namespaces;
mod pods;
mod services;
mod user;

use libtest_mimic::{Arguments, Failed};
use ringfence_lab::namespace;

#[expect(clippy::print_stderr, reason = "says why tests are skipped, before the harness starts")]
fn main() -> std::process::ExitCode {
    if let Some(done) = gone::role() {
        return done;
    }
    let arguments = Arguments::from_args();
    let root = nix::unistd::geteuid().is_root();
    let mut trials = Vec::from_iter(
        [namespaces::trials(), pods::trials(), services::trials(), dns::trials(), gone::trials()]
            .into_iter()
            .flatten(),
    );
    if root {
        trials.extend(user::trials());
    }
    if !arguments.list
        && let Err(error) = namespace::enter()
    {
        eprintln!("no test of the network can run: {error}");
        let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
        if ci || !error.is_forbidden() {
            return 1.into();
        }
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// How a test ends.
type Outcome = Result<(), Failed>;

/// Names a test and its function.
macro_rules! trials {
    ($($test:ident),+ $(,)?) => {
        vec![$(libtest_mimic::Trial::test(concat!(module_path!(), "::", stringify!($test)), $test)),+] as Vec<libtest_mimic::Trial>
    };
}
use trials;
