//! `test` as annotations for GitHub Actions. In: a judged matrix. Out: a workflow command for every row that is not as
//! expected, and a last line with the counts.

use std::io::{self, Write};

use ringfence_analysis::matrix::Finding;

use super::{Tested, explanation};
use crate::report::github::{data, property};

/// Writes the report.
pub(crate) fn write(tested: &Tested<'_>, out: &mut dyn Write) -> io::Result<()> {
    for fault in &tested.matrix.faults {
        annotate("error", tested.name, fault.line, "matrix", &fault.problem.message, out)?;
    }
    for row in tested.rows() {
        let mut message = row.complaint();
        let mut level = "error";
        match row.finding {
            Finding::Judged(judged) if judged.pass => continue,
            Finding::Judged(judged) => {
                message.push('\n');
                message.push_str(&explanation(judged, row.stories, tested.cluster));
            }
            Finding::Undecided { .. } => level = "notice",
            Finding::Unreadable(_) => {}
        }
        annotate(level, tested.name, row.row.line, &row.title(), &message, out)?;
    }
    writeln!(out, "{}", tested.counts())
}

fn annotate(
    level: &str,
    file: &str,
    line: u32,
    title: &str,
    message: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (file, title) = (property(file), property(title));
    writeln!(out, "::{level} file={file},line={line},title={title}::{}", data(message))
}
