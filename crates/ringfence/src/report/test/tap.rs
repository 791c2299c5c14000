//! `test` in the Test Anything Protocol, version 14. In: a judged matrix. Out: a line for each row, with a YAML block below
//! those that failed.

use std::io::{self, Write};

use ringfence_analysis::matrix::Finding;

use super::{Tested, explanation};

/// Writes the report.
pub(crate) fn write(tested: &Tested<'_>, out: &mut dyn Write) -> io::Result<()> {
    let rows = tested.rows().count();
    writeln!(out, "TAP version 14\n1..{}", rows + tested.matrix.faults.len())?;
    for (number, row) in (1..).zip(tested.rows()) {
        // `#` begins a directive.
        let title = row.title().replace('\\', "\\\\").replace('#', "\\#");
        let (told, line) = match row.finding {
            Finding::Judged(judged) if judged.pass => {
                writeln!(out, "ok {number} - {title}")?;
                continue;
            }
            Finding::Undecided { why, .. } => {
                writeln!(out, "ok {number} - {title} # SKIP {why}")?;
                continue;
            }
            Finding::Judged(judged) => (explanation(judged, row.stories, tested.cluster), row.row.line),
            Finding::Unreadable(_) => (String::new(), row.row.line),
        };
        writeln!(out, "not ok {number} - {title}")?;
        block(tested, line, &row.complaint(), &told, out)?;
    }
    for (number, fault) in (rows + 1..).zip(&tested.matrix.faults) {
        writeln!(out, "not ok {number} - line {}", fault.line)?;
        block(tested, fault.line, &fault.problem.message, "", out)?;
    }
    Ok(())
}

fn block(tested: &Tested<'_>, line: u32, message: &str, told: &str, out: &mut dyn Write) -> io::Result<()> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    writeln!(out, "  ---")?;
    writeln!(out, "  message: {}", quoted(message))?;
    writeln!(out, "  at:\n    file: {}\n    line: {line}", quoted(tested.name))?;
    if !told.is_empty() {
        writeln!(out, "  explanation: |")?;
        for line in told.lines() {
            writeln!(out, "{}", format!("    {line}").trim_end())?;
        }
    }
    writeln!(out, "  ...")
}
