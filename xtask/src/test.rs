//! All tests, in the order in which they fail fastest. In: the work tree. Out: a heading for each step, its output, and
//! a closing line.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::{docs, readme, run, tools};

/// Which tests to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Skip what is slow and seldom fails: documentation, licences, release builds
    #[arg(long)]
    quick: bool,
}

/// A step: its heading, whether it is slow, and what it does.
type Step = (&'static str, bool, fn() -> Result<()>);

const STEPS: [Step; 8] = [
    ("What the tests need", false, tools::set_up),
    ("Format", false, format),
    ("Lints", false, lints),
    ("Tests: unit, property, corpus, snapshot, layering, fuzz corpus, documentation examples", false, tests),
    ("Generated documents", false, || docs::run(&docs::Args::check())),
    ("Documentation", true, documentation),
    ("Licences and sources of dependencies", true, dependencies),
    ("The commands of README.md", true, readme::run),
];

/// Runs the tests.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    let steps: Vec<&Step> = STEPS.iter().filter(|(_, slow, _)| !(args.quick && *slow)).collect();
    for (number, (heading, _, step)) in steps.iter().enumerate() {
        println!("\n== {}/{} {heading}", number + 1, steps.len());
        let since = Instant::now();
        step().with_context(|| heading.to_lowercase())?;
        println!("-- {}", shown(since.elapsed()));
    }
    let skipped = STEPS.len() - steps.len();
    let note = if skipped == 0 { String::new() } else { format!(" ({skipped} slow steps skipped)") };
    println!("\nAll {} steps passed in {}{note}.", steps.len(), shown(start.elapsed()));
    Ok(())
}

fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) }
}

fn format() -> Result<()> {
    run::go(run::cargo().args(["fmt", "--all", "--check"])).context("run `cargo fmt`")
}

fn lints() -> Result<()> {
    run::go(run::cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

fn tests() -> Result<()> {
    // A snapshot that is missing must fail, not be written.
    run::go(run::cargo().args(["test", "--workspace", "--locked"]).env("INSTA_UPDATE", "no"))
}

fn documentation() -> Result<()> {
    let mut doc = run::cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"]);
    // These pages are for developers: links to private items are what they are for.
    run::go(doc.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links"))
}

fn dependencies() -> Result<()> {
    let deny = tools::cargo_deny()?;
    // Not the advisories: whether there is a new one says nothing about this work tree, and asking needs a network.
    let checks = ["bans", "licenses", "sources"];
    run::go(run::command(deny).args(["--locked", "check", "--hide-inclusion-graph"]).args(checks))
}
