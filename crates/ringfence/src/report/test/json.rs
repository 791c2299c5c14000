//! `test` as JSON, version 1 (docs/test.md). In: a judged matrix. Out: one object.

use std::io::{self, Write};

use ringfence_analysis::{explain::steps::condition_text, matrix::Finding};
use serde::Serialize;

use super::{Tested, TestedRow};
use crate::report::explain::{
    Explained, brief,
    json::{PartJson, parts},
};

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    cases: Vec<CaseJson<'a>>,
    passed: usize,
    failed: usize,
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

#[derive(Serialize)]
struct ErrorJson<'a> {
    line: u32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

/// Writes the report.
pub(crate) fn write<'a>(tested: &'a Tested<'a>, out: &mut dyn Write) -> io::Result<()> {
    let mut cases = Vec::new();
    let mut errors: Vec<ErrorJson<'_>> = Vec::new();
    let faults = tested.matrix.faults.iter().map(|fault| (fault.line, &fault.problem));
    errors.extend(faults.map(|(line, problem)| ErrorJson {
        line,
        message: &problem.message,
        help: problem.help.as_deref(),
    }));
    let rows: Vec<_> = tested.rows().collect();
    let explained: Vec<Option<Explained<'_>>> = rows.iter().map(|row| explained(row, tested)).collect();
    for (row, explained) in rows.iter().zip(&explained) {
        match (row.finding, &row.row.case) {
            (Finding::Unreadable(problem), _) => errors.push(ErrorJson {
                line: row.row.line,
                message: &problem.message,
                help: problem.help.as_deref(),
            }),
            (Finding::Judged(judged), Ok(case)) => {
                let mut conditions: Vec<String> = judged.answer.conditions().map(condition_text).collect();
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
                    line: row.row.line,
                    reason: brief::reason(&judged.answer, tested.cluster),
                    conditions,
                    notes: &judged.answer.notes,
                    explanation: explained.as_ref().map(parts),
                });
            }
            // A row that was judged was read.
            (Finding::Judged(_), Err(_)) => {}
        }
    }
    errors.sort_by_key(|error| error.line);
    let document = Document {
        version: 1,
        cases,
        passed: tested.report.passed(),
        failed: tested.report.failed(),
        errors,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
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
