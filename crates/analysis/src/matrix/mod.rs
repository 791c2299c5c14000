//! Test matrices: what a team means its network policy to be. In: tables of sources, destinations, ports and expectations,
//! from Markdown, CSV or whatever a front end reads. Out: for every row the verdict and whether it is as expected; a row
//! that cannot be read or resolved hides no other.

mod columns;
pub mod csv;
pub mod expect;
pub mod markdown;

use ringfence_model::{cluster::Cluster, verdict::Outcome};
use ringfence_policy::Judge;

use crate::question::{Answer, Ask, Problem, Question, Summary, answer};
pub use columns::Column;
pub use expect::Expect;

/// A matrix as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix {
    /// Its tables, in the order written.
    pub tables: Vec<Table>,
    /// What is wrong with the file as a whole.
    pub faults: Vec<Fault>,
}

/// Something that is wrong at a line of a matrix file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub problem: Problem,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The nearest heading above it, if the format has headings.
    pub heading: Option<String>,
    /// The names of its columns, as written.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its line in the file, from 1.
    pub line: u32,
    /// Its cells as Markdown, one for each column.
    pub cells: Vec<String>,
    /// What it asks and expects, or why that cannot be read.
    pub case: Result<Case, Problem>,
}

/// A question with the answer that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The case's name, if it has one.
    pub name: Option<String>,
    /// Who connects.
    pub from: String,
    /// To whom.
    pub to: String,
    /// To which port; empty for all.
    pub port: String,
    /// What is asked over the connection.
    pub request: Option<String>,
    /// What is expected.
    pub expect: Expect,
}

/// A row as a reader hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRow {
    /// Its line in the file, from 1.
    pub line: u32,
    /// The plain text of its cells.
    pub text: Vec<String>,
    /// Its cells as Markdown.
    pub markdown: Vec<String>,
}

impl RawRow {
    /// A row of plain text.
    #[must_use]
    pub fn plain(line: u32, text: Vec<String>) -> Self {
        let markdown = text.iter().map(|cell| cell.replace('|', "\\|").replace(['\n', '\r'], " ")).collect();
        Self { line, text, markdown }
    }
}

impl Table {
    /// A table of a matrix; nothing if its columns are not those of a matrix: source, destination and expectation, by any
    /// of their usual names.
    #[must_use]
    pub fn of(heading: Option<String>, columns: Vec<String>, rows: Vec<RawRow>) -> Option<Self> {
        let roles = columns::roles(&columns)?;
        let rows = rows
            .into_iter()
            .map(|mut row| {
                row.markdown.resize(columns.len(), String::new());
                Row { line: row.line, case: columns::case(&roles, &row.text), cells: row.markdown }
            })
            .collect();
        Some(Self { heading, columns, rows })
    }
}

/// What came of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It was judged.
    Judged(Box<Judged>),
    /// The means at hand cannot decide it: of a lab, packets.
    Undecided {
        /// The question, its names resolved.
        question: Box<Question>,
        /// Why not.
        why: String,
    },
    /// It could not be read, or a name in it stands for nothing.
    Unreadable(Problem),
}

/// A row that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The question, its names resolved.
    pub question: Question,
    /// Its answer.
    pub answer: Answer,
    /// Whether the answer is the expected one.
    pub pass: bool,
}

impl Judged {
    /// `allow`, `deny`, `mixed` or `unknown`: conditions do not make an allowed connection anything else.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.answer.summary {
            Summary::AllowIf => Summary::Allow.as_str(),
            summary => summary.as_str(),
        }
    }
}

/// What came of a matrix: for every table a finding for every row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// As [`Matrix::tables`] and [`Table::rows`].
    pub findings: Vec<Vec<Finding>>,
}

impl Report {
    /// How many rows came out as expected.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.judged().filter(|judged| judged.pass).count()
    }

    /// How many did not.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.judged().filter(|judged| !judged.pass).count()
    }

    /// How many nobody can decide with the means at hand.
    #[must_use]
    pub fn undecided(&self) -> usize {
        let all = self.findings.iter().flatten();
        all.filter(|finding| matches!(finding, Finding::Undecided { .. })).count()
    }

    /// How many could not be read.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        let all = self.findings.iter().flatten();
        all.filter(|finding| matches!(finding, Finding::Unreadable(_))).count()
    }

    fn judged(&self) -> impl Iterator<Item = &Judged> {
        self.findings.iter().flatten().filter_map(|finding| match finding {
            Finding::Judged(judged) => Some(&**judged),
            Finding::Undecided { .. } | Finding::Unreadable(_) => None,
        })
    }
}

/// Judges every row. Bare names are looked up in `namespace` first.
pub fn run(matrix: &Matrix, cluster: &Cluster, judge: &impl Judge, namespace: Option<&str>) -> Report {
    let row = |row: &Row| match judge_row(row, cluster, judge, namespace) {
        Ok(judged) => Finding::Judged(Box::new(judged)),
        Err(problem) => Finding::Unreadable(problem),
    };
    Report { findings: matrix.tables.iter().map(|table| table.rows.iter().map(row).collect()).collect() }
}

fn judge_row(
    row: &Row,
    cluster: &Cluster,
    judge: &impl Judge,
    namespace: Option<&str>,
) -> Result<Judged, Problem> {
    let case = row.case.as_ref().map_err(Problem::clone)?;
    let ask = Ask {
        from: &case.from,
        to: &case.to,
        port: Some(&case.port),
        request: case.request.as_deref(),
        namespace,
    };
    let question = Question::resolve(&ask, cluster)?;
    let answer = answer(&question, cluster, judge)?;
    let pass = case.expect.is_met(answer.summary);
    Ok(Judged { question, answer, pass })
}

/// The line of a byte, from 1.
fn line_of(text: &str, at: usize) -> u32 {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    u32::try_from(1 + before.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// Whether an outcome is what a row expects, so that a report of a failed row can point at the parts that are not.
#[must_use]
pub fn part_is_met(expect: Expect, outcome: Outcome) -> bool {
    match expect {
        Expect::Allow => matches!(outcome, Outcome::Allow | Outcome::AllowIf),
        Expect::AllowIf => outcome == Outcome::AllowIf,
        Expect::Deny => outcome == Outcome::Deny,
        Expect::Unknown => outcome == Outcome::Unknown,
        Expect::Mixed => true,
    }
}
