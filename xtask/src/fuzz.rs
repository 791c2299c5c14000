//! `fuzz`. In: a target and a time. Out: what libFuzzer prints; new inputs in fuzz/corpus, and for a crash its input in
//! fuzz/crashes.
//!
//! It works on a stable toolchain: the compiler's coverage pass is asked for by its name. There is no address
//! sanitizer there, and no unsafe code for it to look at.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::run;

/// The targets, as fuzz/Cargo.toml has them.
const TARGETS: [&str; 3] = ["tree", "manifest", "matrix"];

/// What makes the compiler count which edges of the code run.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cdebug-assertions -Ccodegen-units=1";

/// What to fuzz, and how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One target alone: tree, manifest or matrix
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    target: Option<String>,
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Keep only inputs that add coverage to the corpus, and end
    #[arg(long)]
    minimize: bool,
}

/// Fuzzes.
///
/// # Errors
/// If an input crashes a target or is too slow for it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let targets: Vec<&str> = match &args.target {
        Some(target) => vec![target],
        None => TARGETS.to_vec(),
    };
    let build = run::target().join("fuzz");
    let host = host()?;
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut cargo = run::cargo();
    cargo.args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
    // With a target named, build scripts and macros are built without the flags.
    cargo.args(["--features", "libfuzzer", "--target", &host, "--target-dir"]).arg(&build);
    run::go(cargo.env("RUSTFLAGS", format!("{flags} {COVERAGE}")))?;
    for target in targets {
        println!("\n== {target}");
        let program = build.join(&host).join("release").join(target);
        if args.minimize { minimize(&program, target)? } else { fuzz(&program, target, args.seconds)? }
    }
    Ok(())
}

fn fuzz(program: &Path, target: &str, seconds: u64) -> Result<()> {
    let corpus = run::root().join("fuzz/corpus").join(target);
    // New inputs go into the first directory: they are kept by hand, with `--minimize`.
    let found = run::target().join("fuzz").join("found").join(target);
    let crashes = run::root().join("fuzz/crashes").join(target);
    for directory in [&corpus, &found, &crashes] {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make `{}`", directory.display()))?;
    }
    let mut fuzz = run::command(program);
    fuzz.args(limits());
    fuzz.arg(format!("-max_total_time={seconds}"));
    fuzz.arg(format!("-artifact_prefix={}/", crashes.display()));
    fuzz.arg(&found).arg(&corpus);
    run::go(&mut fuzz).with_context(|| {
        format!("the input is in fuzz/crashes/{target}: it stays there, as a test, when the cause is gone")
    })
}

/// Replaces the corpus by the smallest set of inputs, old and found, that covers as much.
fn minimize(program: &Path, target: &str) -> Result<()> {
    let corpus = run::root().join("fuzz/corpus").join(target);
    let found = run::target().join("fuzz").join("found").join(target);
    let merged = run::target().join("fuzz").join("merged").join(target);
    if merged.exists() {
        std::fs::remove_dir_all(&merged).context("cannot remove what an earlier run left")?;
    }
    for directory in [&found, &merged] {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make `{}`", directory.display()))?;
    }
    run::go(run::command(program).args(limits()).arg("-merge=1").args([&merged, &corpus, &found]))?;
    let kept = std::fs::read_dir(&merged).context("cannot read what was kept")?.count();
    if kept == 0 {
        bail!("nothing was kept: fuzz/corpus/{target} stays as it is");
    }
    std::fs::remove_dir_all(&corpus).context("cannot remove the old corpus")?;
    std::fs::create_dir_all(&corpus).context("cannot make the new corpus")?;
    for entry in std::fs::read_dir(&merged).context("cannot read what was kept")? {
        let entry = entry.context("cannot read what was kept")?;
        std::fs::copy(entry.path(), corpus.join(entry.file_name())).context("cannot write the new corpus")?;
    }
    println!("{kept} inputs in fuzz/corpus/{target}");
    Ok(())
}

/// Limits of every run: seconds and megabytes for one input, bytes of an input.
fn limits() -> [&'static str; 4] {
    ["-timeout=10", "-rss_limit_mb=2048", "-max_len=16384", "-print_final_stats=1"]
}

/// The name of the machine that the compiler builds for.
fn host() -> Result<String> {
    let about = run::output(run::command("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` does not say what it builds for")
}
