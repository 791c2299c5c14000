//! `test`. In: a matrix of intended connections, a cluster. Out: for every row whether the policies do as it says, with an
//! explanation of those that do not.

use std::path::Path;

use ringfence_analysis::{
    explain::stories,
    matrix::{self, Finding, Report},
    question::Problem,
};
use ringfence_model::{
    cluster::Cluster,
    diagnostic::Diagnostic,
    origin::{Origin, SourceId, Sources},
};

use crate::{
    args::test::{Format, On, TestArgs},
    commands::lab,
    context::{Context, Failure},
    exit::Exit,
    input::{self, Gathered},
    load,
    matrix_file::{self, MatrixFile},
    output,
    report::test::{Tested, github, json, junit, md, tap, text},
};

/// Judges the matrix.
pub(crate) fn run(args: &TestArgs, context: &Context) -> Result<Exit, Failure> {
    let file = matrix_file::read(&args.matrix)?;
    if args.on == On::Lab {
        lab::enter()?;
    }
    let mut gathered = input::gather(&args.input.paths);
    leave_out(&mut gathered, &args.matrix);
    let loaded = load::from_gathered(gathered, &args.input.load, context)?;
    let (cluster, namespace) = (loaded.compiled.cluster(), args.input.load.namespace.as_deref());
    let faulty = match args.on {
        On::Engine => {
            let report = matrix::run(&file.matrix, cluster, &loaded.compiled, namespace);
            print(&Checked::new(&file, report, cluster), args.format, context)?
        }
        On::Lab => {
            let (report, cluster) = lab::test_matrix(&file.matrix, cluster, namespace, context)?;
            print(&Checked::new(&file, report, &cluster), args.format, context)?
        }
    };
    Ok(faulty.after(loaded.failed))
}

/// A matrix with what came of it.
pub(crate) struct Checked<'a> {
    file: &'a MatrixFile,
    report: Report,
    cluster: &'a Cluster,
}

impl<'a> Checked<'a> {
    /// Of a matrix that was judged.
    pub(crate) fn new(file: &'a MatrixFile, report: Report, cluster: &'a Cluster) -> Self {
        Self { file, report, cluster }
    }

    /// With explanations of the rows that failed, for reports.
    pub(crate) fn tested(&self) -> Tested<'_> {
        let Self { file, report, cluster } = self;
        let of_finding = |finding: &Finding| match finding {
            Finding::Judged(judged) if !judged.pass => stories(&judged.question, &judged.answer, cluster),
            _ => Vec::new(),
        };
        let stories =
            report.findings.iter().map(|findings| findings.iter().map(of_finding).collect()).collect();
        Tested { name: &file.name, matrix: &file.matrix, report, stories, cluster }
    }

    /// Prints what could not be read; whether there is such a thing.
    pub(crate) fn show_problems(&self, context: &Context) -> bool {
        let tested = Tested {
            name: &self.file.name,
            matrix: &self.file.matrix,
            report: &self.report,
            stories: self.report.findings.iter().map(|rows| vec![Vec::new(); rows.len()]).collect(),
            cluster: self.cluster,
        };
        let problems = problems(&tested);
        let mut sources = Sources::default();
        let text = self.file.text.as_str();
        let source = sources.add(self.file.name.as_str(), text);
        let diagnostics: Vec<Diagnostic> =
            problems.iter().map(|(line, problem)| diagnostic(source, text, *line, problem)).collect();
        context.show(&diagnostics, &sources);
        !problems.is_empty()
    }
}

fn print(checked: &Checked<'_>, format: Format, context: &Context) -> Result<Exit, Failure> {
    let faulty = checked.show_problems(context);
    let tested = checked.tested();
    match format {
        Format::Text => output::styled(context, |out| text::write(&tested, out))?,
        Format::Md => output::plain(|out| md::write(&tested, out))?,
        Format::Json => output::plain(|out| json::write(&tested, out))?,
        Format::Junit => output::plain(|out| junit::write(&tested, out))?,
        Format::Tap => output::plain(|out| tap::write(&tested, out))?,
        Format::Github => output::plain(|out| github::write(&tested, out))?,
    }
    let exit = if checked.report.failed() > 0 { Exit::Finding } else { Exit::Fine };
    Ok(exit.after(faulty))
}

/// The matrix is no manifest, even if it lies among them.
pub(crate) fn leave_out(gathered: &mut Gathered, matrix: &Path) {
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
