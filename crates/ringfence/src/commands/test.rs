//! `test`. In: a matrix of intended connections, a cluster. Out: for every row whether the policies do as it says, with an
//! explanation of those that do not.

use std::path::Path;

use ringfence_analysis::{
    explain::stories,
    matrix::{self, Finding},
    question::Problem,
};
use ringfence_model::{
    diagnostic::Diagnostic,
    origin::{Origin, SourceId, Sources},
};

use crate::{
    args::test::{Format, TestArgs},
    context::{Context, Failure},
    exit::Exit,
    input::{self, Gathered},
    load, matrix_file, output,
    report::test::{Tested, github, json, junit, md, tap, text},
};

/// Judges the matrix.
pub(crate) fn run(args: &TestArgs, context: &Context) -> Result<Exit, Failure> {
    let file = matrix_file::read(&args.matrix)?;
    let mut gathered = input::gather(&args.input.paths);
    leave_out(&mut gathered, &args.matrix);
    let loaded = load::from_gathered(gathered, &args.input.load, context)?;
    let cluster = loaded.compiled.cluster();
    let report = matrix::run(&file.matrix, cluster, &loaded.compiled, args.input.load.namespace.as_deref());
    let stories = report
        .findings
        .iter()
        .map(|findings| {
            let failed = |finding: &Finding| match finding {
                Finding::Judged(judged) if !judged.pass => stories(&judged.question, &judged.answer, cluster),
                _ => Vec::new(),
            };
            findings.iter().map(failed).collect()
        })
        .collect();
    let tested = Tested { name: &file.name, matrix: &file.matrix, report: &report, stories, cluster };
    let problems = problems(&tested);
    let mut sources = Sources::default();
    let source = sources.add(file.name.as_str(), file.text.as_str());
    let diagnostics: Vec<Diagnostic> =
        problems.iter().map(|(line, problem)| diagnostic(source, &file.text, *line, problem)).collect();
    context.show(&diagnostics, &sources);
    match args.format {
        Format::Text => output::styled(context, |out| text::write(&tested, out))?,
        Format::Md => output::plain(|out| md::write(&tested, out))?,
        Format::Json => output::plain(|out| json::write(&tested, out))?,
        Format::Junit => output::plain(|out| junit::write(&tested, out))?,
        Format::Tap => output::plain(|out| tap::write(&tested, out))?,
        Format::Github => output::plain(|out| github::write(&tested, out))?,
    }
    let exit = if report.failed() > 0 { Exit::Finding } else { Exit::Fine };
    Ok(exit.after(loaded.failed || !problems.is_empty()))
}

/// The matrix is no manifest, even if it lies among them.
fn leave_out(gathered: &mut Gathered, matrix: &Path) {
    if let Ok(matrix) = matrix.canonicalize() {
        gathered.inputs.retain(|input| Path::new(&input.name).canonicalize().ok().as_ref() != Some(&matrix));
    }
}

/// The rows and files that could not be used, by line.
fn problems<'a>(tested: &Tested<'a>) -> Vec<(u32, &'a Problem)> {
    let faults = tested.matrix.faults.iter().map(|fault| (fault.line, &fault.problem));
    let rows = tested.rows().filter_map(|row| match row.finding {
        Finding::Unreadable(problem) => Some((row.row.line, problem)),
        Finding::Judged(_) | Finding::Undecided { .. } => None,
    });
    let mut problems: Vec<(u32, &Problem)> = faults.chain(rows).collect();
    problems.sort_by_key(|(line, _)| *line);
    problems
}

/// A problem with the line that it is about.
fn diagnostic(source: SourceId, text: &str, line: u32, problem: &Problem) -> Diagnostic {
    let mut start = 0;
    for (at, content) in (1..).zip(text.split_inclusive('\n')) {
        if at == line {
            let number = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
            let origin =
                Origin { source, start: number(start), end: number(start + content.trim_end().len()) };
            return with_help(Diagnostic::error("matrix", origin, problem.message.clone()), problem);
        }
        start += content.len();
    }
    with_help(Diagnostic::error("matrix", Origin::NONE, problem.message.clone()), problem)
}

fn with_help(diagnostic: Diagnostic, problem: &Problem) -> Diagnostic {
    match &problem.help {
        Some(help) => diagnostic.with_help(help.clone()),
        None => diagnostic,
    }
}
