//! `check --fix`. In: the texts, settings. Out: files with the repairs that the engine has confirmed, or the same as a diff;
//! what could not be repaired is said on standard error.

use std::{
    fs,
    io::{self, Write},
    path::Path,
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
    for changed in &planned.files {
        write(changed)?;
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

/// Writes a file, unless somebody else has done so meanwhile.
fn write(changed: &Changed) -> Result<(), Failure> {
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
    fs::write(path, &changed.new).map_err(|error| {
        let message = format!("cannot write `{}`: {error}", changed.name);
        Box::new(Diagnostic::error("write", Origin::NONE, message).with_help("check the file's permissions"))
    })
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
