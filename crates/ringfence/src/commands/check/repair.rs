//! `check --fix`. In: the texts, settings. Out: files with the repairs that the engine has confirmed, or the same as a diff;
//! what could not be repaired is said on standard error.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt as _, fchown},
    path::{Path, PathBuf},
};

use ringfence_lint::{
    Checked, Input, Settings, check,
    fix::{self, Changed, Planned},
};
use ringfence_manifest as manifest;
use ringfence_model::{
    diagnostic::Diagnostic,
    origin::{Origin, Sources},
};
use similar::TextDiff;

use crate::{
    args::check::CheckArgs,
    context::{Context, Failure},
    input, output,
    report::{check::Repaired, words::count},
};

/// Refuses to repair what cannot be written.
///
/// # Errors
/// If a repair of standard input is asked for.
pub(super) fn refuse_standard_input(args: &CheckArgs) -> Result<(), Failure> {
    if !args.fix || args.diff || !args.input.paths.iter().any(|path| path == Path::new("-")) {
        return Ok(());
    }
    let failure = Diagnostic::error("usage", Origin::NONE, "standard input cannot be repaired in place")
        .with_help("add `--diff` to see the repairs, or give files");
    Err(Box::new(failure))
}

/// Makes the repairs; what is found afterwards, and how much was done.
///
/// # Errors
/// If a file cannot be written, or has changed since it was read.
pub(super) fn make(
    texts: &[manifest::Input],
    settings: &Settings,
    context: &Context,
) -> Result<(Input, Checked, Repaired), Failure> {
    let planned = fix::plan(texts, settings);
    show_refused(&planned, context);
    // Nothing is written if any of them cannot be.
    let writable = planned.files.iter().map(writable).collect::<Result<Vec<_>, _>>()?;
    for (changed, path) in planned.files.iter().zip(writable) {
        write(changed, &path).map_err(|error| cannot_write(changed, &error))?;
    }
    let repaired = Repaired { repairs: planned.applied.len(), files: planned.files.len() };
    Ok(match planned.input {
        Some(input) => (input, planned.checked, repaired),
        None => {
            let input = Input::read(texts.to_vec(), settings);
            let checked = check(&input, settings);
            (input, checked, repaired)
        }
    })
}

/// Shows the repairs as a diff.
///
/// # Errors
/// If the output cannot be written.
pub(super) fn show(texts: &[manifest::Input], settings: &Settings, context: &Context) -> Result<(), Failure> {
    let planned = fix::plan(texts, settings);
    output::plain(|out| planned.files.iter().try_for_each(|changed| diff(changed, out)))?;
    show_refused(&planned, context);
    let message = match planned.applied.len() {
        0 => "there is nothing that could be repaired".to_owned(),
        repairs => format!(
            "{} in {}; without `--diff` they are made",
            count(repairs, "repair"),
            count(planned.files.len(), "file")
        ),
    };
    context.show([&Diagnostic::note("fix", Origin::NONE, message)], &Sources::default());
    Ok(())
}

fn diff(changed: &Changed, out: &mut dyn Write) -> io::Result<()> {
    let Changed { name, old, new } = changed;
    let diff = TextDiff::from_lines(old.as_str(), new.as_str());
    let mut unified = diff.unified_diff();
    let (before, after) = (format!("a/{name}"), format!("b/{name}"));
    unified.header(&before, &after);
    write!(out, "{unified}")
}

/// The file that is to be written: the one at the end of links.
///
/// # Errors
/// If it has changed since it was read, or nobody may write to it.
fn writable(changed: &Changed) -> Result<PathBuf, Failure> {
    let path = Path::new(&changed.name);
    let now = input::read_text(path)?;
    if now != changed.old {
        let failure = Diagnostic::error(
            "write",
            Origin::NONE,
            format!("`{}` has changed while it was checked", changed.name),
        )
        .with_help("check it again");
        return Err(Box::new(failure));
    }
    let file = fs::canonicalize(path).map_err(|error| cannot_write(changed, &error))?;
    let known = fs::metadata(&file).map_err(|error| cannot_write(changed, &error))?;
    if known.permissions().readonly() {
        return Err(cannot_write(changed, &io::Error::other("it is read-only")));
    }
    Ok(file)
}

/// Puts the new text in the place of the file in one step, so that nobody ever finds half of it. Its permissions stay, and its
/// owner if that may be set.
fn write(changed: &Changed, path: &Path) -> io::Result<()> {
    let known = fs::metadata(path)?;
    let mut new = tempfile::Builder::new()
        .prefix(".ringfence-")
        .tempfile_in(path.parent().unwrap_or_else(|| Path::new(".")))?;
    new.write_all(changed.new.as_bytes())?;
    // Only its owner may give a file away: then it is the one who repairs it.
    let _ = fchown(new.as_file(), Some(known.uid()), Some(known.gid()));
    new.as_file().set_permissions(known.permissions())?;
    new.as_file().sync_all()?;
    new.persist(path)?;
    Ok(())
}

fn cannot_write(changed: &Changed, error: &io::Error) -> Failure {
    let message = format!("cannot write `{}`: {error}", changed.name);
    Box::new(Diagnostic::error("write", Origin::NONE, message).with_help("check the permissions"))
}

fn show_refused(planned: &Planned, context: &Context) {
    let none = Sources::default();
    let sources = planned.input.as_ref().map_or(&none, |input| &input.compiled.cluster().sources);
    let refused: Vec<Diagnostic> = planned
        .refused
        .iter()
        .map(|(finding, reason)| {
            let message = format!("not repaired: {}", finding.message);
            Diagnostic::warning(finding.rule.code, finding.origin, message).with_label(reason.as_str())
        })
        .collect();
    context.show(&refused, sources);
}
