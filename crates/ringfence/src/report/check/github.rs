//! `check` as annotations for GitHub Actions. In: a report. Out: a workflow command for every finding, and a last line with
//! the counts.

use std::io::{self, Write};

use ringfence_lint::Severity;

use super::{Place, Report, within};
use crate::report::github::{data, property};

/// Writes the report.
pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for reported in &report.findings {
        let level = match reported.finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let (title, message) = (property(&reported.title()), data(&reported.told()));
        let Place { file, start, end } = report.place(reported.finding.origin);
        if file.is_empty() {
            writeln!(out, "::{level} title={title}::{message}")?;
            continue;
        }
        let (file, line, column) = (property(&within(file)), start.line, start.column);
        // GitHub takes a last column only within one line.
        let end_column =
            if end.line == start.line { format!(",endColumn={}", end.column) } else { String::new() };
        let end = end.line;
        writeln!(
            out,
            "::{level} file={file},line={line},endLine={end},col={column}{end_column},title={title}::{message}"
        )?;
    }
    for problem in report.problems {
        writeln!(out, "::error title={}::{}", property(problem.code), data(&problem.message))?;
    }
    writeln!(out, "{}", report.summary())
}
