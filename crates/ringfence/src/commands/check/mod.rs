//! `check`. In: manifests, settings, a baseline. Out: what the rules of the linter find, and on demand repaired manifests.

mod known;
mod repair;
mod settings;

use ringfence_lint::{Checked, Input, Settings, check, is_unreadable, rules};
use ringfence_model::{
    diagnostic::{Diagnostic, Severity as Level},
    origin::Sources,
};

use crate::{
    args::check::{CheckArgs, Format},
    context::{Context, Failure},
    exit::Exit,
    input, load, output,
    report::check::{Report, github, json, junit, md, sarif, text},
};

use self::known::KnownFile;

/// The rule that says which documents could not be read.
const UNREADABLE: &str = "RF001";

/// Checks the input.
pub(crate) fn run(args: &CheckArgs, context: &Context) -> Result<Exit, Failure> {
    repair::refuse_standard_input(args)?;
    let Some(settings) = settings::read(args, context)? else { return Ok(Exit::Unusable) };
    let mut known = match &args.baseline {
        None => None,
        Some(path) => match KnownFile::read(path, context)? {
            Some(file) => Some(file),
            None => return Ok(Exit::Unusable),
        },
    };
    let mut gathered = load::not_empty(input::gather(&args.input.paths), context)?;
    context.show(&gathered.problems, &Sources::default());
    let mut repaired = None;
    let (input, checked) = if args.fix && !args.diff {
        let (input, checked, made) = repair::make(&gathered.inputs, &settings, context)?;
        repaired = Some(made);
        (input, checked)
    } else {
        let texts = if args.diff { gathered.inputs.clone() } else { std::mem::take(&mut gathered.inputs) };
        let input = Input::read(texts, &settings);
        let checked = check(&input, &settings);
        (input, checked)
    };
    // Something that is no manifest at all is not a cluster without faults.
    let found = |diagnostic: &Diagnostic| diagnostic.severity == Level::Error;
    if input.objects == 0 && !input.diagnostics.iter().any(found) {
        return Err(load::no_objects());
    }
    let unread = unread(&input, &settings, context);
    let failed = unread || gathered.problems.iter().any(|problem| problem.severity == Level::Error);
    if let Some(path) = &args.write_baseline {
        known = Some(KnownFile::write(path, &input, &checked)?);
    }
    let exit = if args.diff {
        repair::show(&gathered.inputs, &settings, context)?;
        let report = report(&input, &checked, &gathered.problems, &settings, args, known.as_mut());
        report.exit()
    } else {
        let mut report = report(&input, &checked, &gathered.problems, &settings, args, known.as_mut());
        report.repaired = repaired;
        print(&report, args.format, context)?;
        report.exit()
    };
    Ok(exit.after(failed))
}

/// Whether some document could not be read; says which if no rule does.
fn unread(input: &Input, settings: &Settings, context: &Context) -> bool {
    let unread: Vec<&Diagnostic> = input.diagnostics.iter().filter(|found| is_unreadable(found)).collect();
    if !rules::find(UNREADABLE).is_some_and(|rule| settings.selects(rule)) {
        context.show(unread.iter().copied(), &input.compiled.cluster().sources);
    }
    !unread.is_empty()
}

fn report<'a>(
    input: &'a Input,
    checked: &'a Checked,
    problems: &'a [Diagnostic],
    settings: &Settings,
    args: &CheckArgs,
    known: Option<&mut KnownFile>,
) -> Report<'a> {
    let mut report = Report::new(input, checked, problems, args.severity.into());
    if let Some(known) = known {
        known.hide(&mut report, settings);
    }
    report
}

fn print(report: &Report<'_>, format: Format, context: &Context) -> Result<(), Failure> {
    match format {
        Format::Text => output::styled(context, |out| text::write(report, out)),
        Format::Json => output::plain(|out| json::write(report, out)),
        Format::Sarif => output::plain(|out| sarif::write(report, out)),
        Format::Github => output::plain(|out| github::write(report, out)),
        Format::Junit => output::plain(|out| junit::write(report, out)),
        Format::Md => output::plain(|out| md::write(report, out)),
    }
}
