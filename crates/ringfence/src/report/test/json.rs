//! `test` as JSON, version 1 (docs/test.md). In: a judged matrix. Out: one object.

use std::io::{self, Write};

use ringfence_analysis::{explain::steps::condition_text, matrix::Finding, question::Problem};
use serde::Serialize;

use super::{Tested, TestedRow};
use crate::report::explain::{
    Explained, brief,
    json::{PartJson, parts},
};

/// A judged matrix.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    version: u32,
    cases: Vec<CaseJson<'a>>,
    passed: usize,
    failed: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undecided: Vec<UndecidedJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ErrorJson<'a>>,
}

#[derive(Serialize)]
struct CaseJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    from: &'a str,
    to: &'a str,
    port: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
    expect: &'static str,
    verdict: &'static str,
    pass: bool,
    line: u32,
    reason: String,
    /// Conditions under which it is allowed, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
    /// As `parts` of `explain`; only of a failed case.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Vec<PartJson<'a>>>,
}

/// A row that no packet can decide.
#[derive(Serialize)]
struct UndecidedJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    from: &'a str,
    to: &'a str,
    port: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
    expect: &'static str,
    line: u32,
    why: &'a str,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    line: u32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

/// Writes the report.
pub(crate) fn write(tested: &Tested<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Rows::of(tested).document())?;
    writeln!(out)
}

/// The rows with what there is to say about those that failed.
pub(crate) struct Rows<'a> {
    tested: &'a Tested<'a>,
    rows: Vec<(TestedRow<'a, 'a>, Option<Explained<'a>>)>,
}

impl<'a> Rows<'a> {
    /// Of a judged matrix.
    pub(crate) fn of(tested: &'a Tested<'a>) -> Self {
        let rows = tested.rows().map(|row| (row, explained(&row, tested))).collect();
        Self { tested, rows }
    }

    /// As JSON.
    pub(crate) fn document(&self) -> Document<'_> {
        let tested = self.tested;
        let mut cases = Vec::new();
        let mut undecided = Vec::new();
        let mut errors: Vec<ErrorJson<'_>> = Vec::new();
        errors.extend(tested.matrix.faults.iter().map(|fault| error(fault.line, &fault.problem)));
        for (row, explained) in &self.rows {
            let line = row.row.line;
            match (row.finding, &row.row.case) {
                (Finding::Unreadable(problem), _) => errors.push(error(line, problem)),
                (Finding::Judged(judged), Ok(case)) => {
                    let mut conditions: Vec<String> =
                        judged.answer.conditions().map(condition_text).collect();
                    conditions.sort_unstable();
                    conditions.dedup();
                    cases.push(CaseJson {
                        name: case.name.as_deref(),
                        from: &case.from,
                        to: &case.to,
                        port: &case.port,
                        request: case.request.as_deref(),
                        expect: case.expect.as_str(),
                        verdict: judged.verdict(),
                        pass: judged.pass,
                        line,
                        reason: brief::reason(&judged.answer, tested.cluster),
                        conditions,
                        notes: &judged.answer.notes,
                        explanation: explained.as_ref().map(parts),
                    });
                }
                (Finding::Undecided { why, .. }, Ok(case)) => undecided.push(UndecidedJson {
                    name: case.name.as_deref(),
                    from: &case.from,
                    to: &case.to,
                    port: &case.port,
                    request: case.request.as_deref(),
                    expect: case.expect.as_str(),
                    line,
                    why,
                }),
                // A row that was judged was read.
                (Finding::Judged(_) | Finding::Undecided { .. }, Err(_)) => {}
            }
        }
        errors.sort_by_key(|error| error.line);
        let (passed, failed) = (tested.report.passed(), tested.report.failed());
        Document { version: 1, cases, passed, failed, undecided, errors }
    }
}

fn error(line: u32, problem: &Problem) -> ErrorJson<'_> {
    ErrorJson { line, message: &problem.message, help: problem.help.as_deref() }
}

/// What there is to say about a failed row.
fn explained<'a>(row: &TestedRow<'a, 'a>, tested: &'a Tested<'a>) -> Option<Explained<'a>> {
    match row.finding {
        Finding::Judged(judged) if !judged.pass => Some(Explained {
            question: &judged.question,
            answer: &judged.answer,
            stories: row.stories,
            repair: None,
            cluster: tested.cluster,
        }),
        _ => None,
    }
}
