//! `test` for people. In: a judged matrix. Out: every row with its verdict, then the failed ones explained.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use ringfence_analysis::matrix::Finding;

use super::{Tested, TestedRow};
use crate::report::explain::{
    Explained,
    text::{outcome, paragraph, write_parts},
};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const PASS: Style = AnsiColor::Green.on_default();
const DOUBT: Style = AnsiColor::Yellow.on_default();
const FAIL: Style = AnsiColor::Red.on_default().bold();

/// Columns that the longest name takes at most before the rest of its line moves right.
const WIDEST: usize = 54;

/// Writes the report.
pub(crate) fn write(tested: &Tested<'_>, out: &mut dyn Write) -> io::Result<()> {
    let titles = tested.rows().map(|row| row.title().chars().count());
    let width = titles.max().unwrap_or(0).min(WIDEST);
    let mut heading = None;
    for (at, row) in tested.rows().enumerate() {
        if heading != Some(row.table_number) {
            heading = Some(row.table_number);
            if at > 0 {
                writeln!(out)?;
            }
            if let Some(title) = &row.table.heading {
                writeln!(out, "{BOLD}{title}{BOLD:#}")?;
            }
        }
        write_row(&row, width, out)?;
    }
    for row in tested.rows() {
        if let Finding::Judged(judged) = row.finding
            && !judged.pass
        {
            let place = format!("{}:{}", tested.name, row.row.line);
            writeln!(out, "\n{FAIL}FAIL{FAIL:#}  {BOLD}{}{BOLD:#}", row.title())?;
            writeln!(out, "      {DIM}{place}{DIM:#}")?;
            paragraph(out, 6, "", &row.complaint())?;
            for note in &judged.answer.notes {
                paragraph(out, 6, "note: ", note)?;
            }
            let explained = Explained {
                question: &judged.question,
                answer: &judged.answer,
                stories: row.stories,
                repair: None,
                cluster: tested.cluster,
            };
            write_parts(&explained, 6, out)?;
        }
    }
    let style = if tested.report.failed() + tested.report.unreadable() > 0 { FAIL } else { PASS };
    writeln!(out, "\n{style}{}{style:#}", tested.counts())
}

fn write_row(row: &TestedRow<'_, '_>, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let title = row.title();
    match (row.finding, &row.row.case) {
        (Finding::Judged(judged), Ok(case)) => {
            let word = outcome(judged.answer.summary.as_str());
            if judged.pass {
                writeln!(out, "  {PASS}ok{PASS:#}    {title:width$}  {word}")
            } else {
                let expected = case.expect.as_str();
                writeln!(out, "  {FAIL}FAIL{FAIL:#}  {title:width$}  {word}, expected {expected}")
            }
        }
        (Finding::Undecided { .. }, _) => {
            writeln!(out, "  {DOUBT}skip{DOUBT:#}  {title:width$}  {}", row.complaint())
        }
        _ => writeln!(out, "  {FAIL}????{FAIL:#}  {title:width$}  not understood"),
    }
}
