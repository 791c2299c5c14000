//! Reports of `test`. In: a matrix and what came of it. Out: text, Markdown, JSON, JUnit, TAP, annotations for GitHub.

pub(crate) mod github;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod md;
pub(crate) mod tap;
pub(crate) mod text;

use std::io;

use ringfence_analysis::{
    explain::Story,
    matrix::{Case, Finding, Judged, Matrix, Report, Row, Table},
};
use ringfence_model::cluster::Cluster;

use super::explain::{self, Explained};

/// A matrix that was judged.
pub(crate) struct Tested<'a> {
    /// The file's name.
    pub(crate) name: &'a str,
    /// The matrix.
    pub(crate) matrix: &'a Matrix,
    /// What came of it.
    pub(crate) report: &'a Report,
    /// The stories of failed rows, by table and row.
    pub(crate) stories: Vec<Vec<Vec<Story>>>,
    /// The cluster that it is about.
    pub(crate) cluster: &'a Cluster,
}

/// A row with what came of it.
#[derive(Clone, Copy)]
pub(crate) struct TestedRow<'a, 'b> {
    pub(crate) table: &'a Table,
    /// The position of the table in the file.
    pub(crate) table_number: usize,
    pub(crate) row: &'a Row,
    pub(crate) finding: &'a Finding,
    pub(crate) stories: &'b [Story],
}

impl<'a> Tested<'a> {
    /// All rows, in the order written.
    pub(crate) fn rows(&self) -> impl Iterator<Item = TestedRow<'a, '_>> {
        let (matrix, report) = (self.matrix, self.report);
        let tables = matrix.tables.iter().zip(&report.findings).zip(&self.stories);
        tables.enumerate().flat_map(|(table_number, ((table, findings), stories))| {
            let rows = table.rows.iter().zip(findings).zip(stories);
            rows.map(move |((row, finding), stories)| TestedRow {
                table,
                table_number,
                row,
                finding,
                stories,
            })
        })
    }

    /// `61 passed, 2 failed`, with what no packet decides and what could not be read.
    pub(crate) fn counts(&self) -> String {
        let (passed, failed) = (self.report.passed(), self.report.failed());
        let undecided = self.report.undecided();
        let unreadable = self.report.unreadable() + self.matrix.faults.len();
        let mut counts = format!("{passed} passed, {failed} failed");
        if undecided > 0 {
            counts.push_str(&format!(", {undecided} undecided"));
        }
        if unreadable > 0 {
            counts.push_str(&format!(", {unreadable} not understood"));
        }
        counts
    }
}

impl TestedRow<'_, '_> {
    /// What the row asks: `web -> api 8000`, with the request.
    pub(crate) fn title(&self) -> String {
        match &self.row.case {
            Ok(case) => title(case),
            Err(_) => self.row.cells.join(" | "),
        }
    }

    /// `expected deny, but it is allow`, or why the row cannot be judged.
    pub(crate) fn complaint(&self) -> String {
        match (self.finding, &self.row.case) {
            (Finding::Judged(judged), Ok(case)) => {
                format!("expected {}, but it is {}", case.expect.as_str(), judged.answer.summary.as_str())
            }
            (Finding::Undecided { why, .. }, _) => format!("undecided: {why}"),
            (Finding::Unreadable(problem), _) => match &problem.help {
                Some(help) => format!("{} ({help})", problem.message),
                None => problem.message.clone(),
            },
            (Finding::Judged(_), Err(problem)) => problem.message.clone(),
        }
    }
}

fn title(case: &Case) -> String {
    let mut title = format!("{} -> {}", case.from, case.to);
    for more in
        [Some(&case.port), case.request.as_ref()].into_iter().flatten().filter(|text| !text.is_empty())
    {
        title.push(' ');
        title.push_str(more);
    }
    title
}

/// The explanation of a failed row as plain text.
pub(crate) fn explanation(judged: &Judged, stories: &[Story], cluster: &Cluster) -> String {
    let mut styled = Vec::new();
    let explained =
        Explained { question: &judged.question, answer: &judged.answer, stories, repair: None, cluster };
    // Writing to memory does not fail.
    let _: io::Result<()> = explain::text::write_parts(&explained, 0, &mut styled);
    let text = String::from_utf8_lossy(&styled);
    anstream::adapter::strip_str(&text).to_string().trim().to_owned()
}
