//! Generated documents. In: the program. Out: docs/cli.md as the program describes itself, or a complaint that it is not.

use anyhow::{Context as _, Result, bail};

use crate::run;

/// What to do with the documents.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail if something would change
    #[arg(long)]
    check: bool,
}

impl Args {
    /// To check.
    pub(crate) fn check() -> Self {
        Self { check: true }
    }
}

/// Writes or checks the documents.
///
/// # Errors
/// If one is out of date, or cannot be made.
pub(crate) fn run(args: &Args) -> Result<()> {
    let path = run::root().join("docs/cli.md");
    let wanted = run::output(run::cargo().args(["run", "--quiet", "--package", "ringfence", "--", "docs"]))?;
    // A document that is missing differs from what it should be.
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if found == wanted {
        println!("docs/cli.md is up to date");
    } else if args.check {
        bail!("docs/cli.md is not what the program says: run `cargo xtask docs`");
    } else {
        std::fs::write(&path, wanted).context("cannot write docs/cli.md")?;
        println!("docs/cli.md is written anew");
    }
    Ok(())
}
