//! `test` as Markdown. In: a judged matrix. Out: its tables with two more columns: the verdict and the reason.

use std::io::{self, Write};

use ringfence_analysis::matrix::{Finding, Table};

use super::Tested;
use crate::report::explain::brief;

/// Writes the report.
pub(crate) fn write(tested: &Tested<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "**{}**", tested.counts())?;
    let mut current = None;
    for row in tested.rows() {
        if current != Some(row.table_number) {
            current = Some(row.table_number);
            head(row.table, out)?;
        }
        let (verdict, reason) = match row.finding {
            Finding::Judged(judged) => {
                let sign = if judged.pass { "✅" } else { "❌" };
                let verdict = format!("{sign} {}", judged.answer.summary.as_str());
                (verdict, brief::reason(&judged.answer, tested.cluster))
            }
            Finding::Undecided { why, .. } => ("➖ undecided".to_owned(), why.clone()),
            Finding::Unreadable(_) => ("⚠️".to_owned(), row.complaint()),
        };
        let cells = row.row.cells.join(" | ");
        writeln!(out, "| {cells} | {verdict} | {} |", reason.replace('|', "\\|"))?;
    }
    Ok(())
}

fn head(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    if let Some(heading) = &table.heading {
        writeln!(out, "\n## {heading}")?;
    }
    let columns = table.columns.iter().map(|column| column.replace('|', "\\|")).collect::<Vec<_>>();
    writeln!(out, "\n| {} | Verdict | Reason |", columns.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(columns.len() + 2))
}
