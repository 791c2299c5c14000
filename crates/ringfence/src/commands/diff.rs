//! `diff`. In: two states of a cluster. Out: what opened and what was cut.

use ringfence_analysis::diff::diff;
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};

use crate::{
    args::diff::{DiffArgs, Format},
    context::{Context, Failure},
    exit::Exit,
    git,
    load::{Loaded, load, or_empty},
    output,
    report::diff::{self, Report},
};

/// Prints the difference.
pub(crate) fn run(args: &DiffArgs, context: &Context) -> Result<Exit, Failure> {
    let (old, new) = both(args, context)?;
    let found = diff(&old.compiled, &new.compiled, args.own);
    let opened = found.changes.iter().any(|change| change.opened);
    let finding = if args.deny_opened { opened } else { !found.changes.is_empty() };
    if !found.own.is_empty() {
        context.show([&own_note(&found)], &ringfence_model::origin::Sources::default());
    }
    let report = Report::new(found, new.compiled.cluster());
    let write = |out: &mut dyn std::io::Write| diff::write(&report, args.format, out);
    if args.format == Format::Text {
        output::styled(context, write)?;
    } else {
        output::plain(write)?;
    }
    let exit = if finding { Exit::Finding } else { Exit::Fine };
    Ok(exit.after(old.failed || new.failed))
}

fn both(args: &DiffArgs, context: &Context) -> Result<(Loaded, Loaded), Failure> {
    if let Some(revision) = &args.git {
        let both = git::both(revision, &args.paths)?;
        let (old, _) = or_empty(both.old, &args.load, &Context { quiet: true, ..*context });
        let (new, _) = or_empty(both.new, &args.load, context);
        return Ok((old, new));
    }
    let [old, new] = args.paths.as_slice() else {
        let failure = Diagnostic::error("usage", Origin::NONE, "`diff` compares two paths: OLD and NEW")
            .with_help(
                "with `--git REV`, any number of paths is compared with what they were in that revision",
            );
        return Err(Box::new(failure));
    };
    // The warnings and notes about what is no more would only distract.
    let old = load(std::slice::from_ref(old), &args.load, &Context { quiet: true, ..*context })?;
    Ok((old, load(std::slice::from_ref(new), &args.load, context)?))
}

/// Replicas of one workload are no connection of `connections` either, but to cut them can break a database.
fn own_note(found: &ringfence_analysis::diff::Diff) -> Diagnostic {
    let names: Vec<String> = found
        .own
        .iter()
        .filter_map(|at| found.workloads.get(*at))
        .map(|key| format!("`{}/{}`", key.namespace, key.name))
        .collect();
    let message =
        format!("connections between the replicas of one workload differ too: {}", names.join(", "));
    Diagnostic::warning("replicas", Origin::NONE, message).with_help("`--self` compares them as well")
}
