//! Generated documents. In: the program. Out: the documents as the program and its rules describe themselves, or a complaint
//! that they are not.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::run;

/// The directory below docs that holds nothing but generated documents.
const GENERATED: &str = "rules";

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
    let made = run::target().join("generated-docs");
    if made.exists() {
        fs::remove_dir_all(&made).context("cannot remove what was generated before")?;
    }
    let mut generate = run::cargo();
    generate.args(["run", "--quiet", "--package", "ringfence", "--", "docs", "--into"]).arg(&made);
    run::go(&mut generate)?;
    let docs = run::root().join("docs");
    let mut wanted = BTreeMap::new();
    texts(&made, "", &mut wanted)?;
    let mut found = BTreeMap::new();
    texts(&docs.join(GENERATED), &format!("{GENERATED}/"), &mut found)?;
    let mut changed = Vec::new();
    for (path, text) in &wanted {
        // A document that is missing differs from what it should be.
        if fs::read_to_string(docs.join(path)).unwrap_or_default() == *text {
            continue;
        }
        changed.push(path.as_str());
        if !args.check {
            write(&docs.join(path), text)?;
        }
    }
    for path in found.keys().filter(|path| !wanted.contains_key(*path)) {
        changed.push(path);
        if !args.check {
            fs::remove_file(docs.join(path)).with_context(|| format!("cannot remove docs/{path}"))?;
        }
    }
    match changed.as_slice() {
        [] => println!("{} generated documents are up to date", wanted.len()),
        changed if args.check => {
            bail!("not what the program says: {}; run `cargo xtask docs`", changed.join(", "));
        }
        changed => println!("written anew: {}", changed.join(", ")),
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let above = path.parent().unwrap_or(path);
    fs::create_dir_all(above)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The texts in a directory and below it, by their paths with a prefix; none if it is not there.
fn texts(directory: &Path, prefix: &str, into: &mut BTreeMap<String, String>) -> Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    let unreadable = || format!("cannot read {}", directory.display());
    for entry in fs::read_dir(directory).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            texts(&path, &format!("{prefix}{name}/"), into)?;
        } else {
            into.insert(format!("{prefix}{name}"), fs::read_to_string(&path).with_context(unreadable)?);
        }
    }
    Ok(())
}
