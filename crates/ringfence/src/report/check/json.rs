//! `check` as JSON, version 1. In: findings. Out: one object.

use std::io::{self, Write};

use ringfence_lint::{Checked, Finding};
use ringfence_model::{
    diagnostic::Related,
    origin::{Origin, Position, Sources},
};
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    findings: Vec<FindingJson<'a>>,
}

#[derive(Serialize)]
struct FindingJson<'a> {
    rule: &'static str,
    name: &'static str,
    severity: &'static str,
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    related: Vec<RelatedJson<'a>>,
}

#[derive(Serialize)]
struct RelatedJson<'a> {
    file: &'a str,
    line: u32,
    message: &'a str,
}

/// Writes the findings.
pub(crate) fn write(checked: &Checked, sources: &Sources, out: &mut dyn Write) -> io::Result<()> {
    let findings = checked.findings.iter().map(|finding| of_finding(finding, sources)).collect();
    serde_json::to_writer_pretty(&mut *out, &Document { version: 1, findings })?;
    writeln!(out)
}

fn of_finding<'a>(finding: &'a Finding, sources: &'a Sources) -> FindingJson<'a> {
    let (file, start, end) = place(finding.origin, sources);
    FindingJson {
        rule: finding.rule.code,
        name: finding.rule.name,
        severity: finding.severity.as_str(),
        file,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        message: &finding.message,
        help: finding.help.as_deref(),
        related: finding.related.iter().map(|related| of_related(related, sources)).collect(),
    }
}

fn of_related<'a>(related: &'a Related, sources: &'a Sources) -> RelatedJson<'a> {
    let (file, start, _) = place(related.origin, sources);
    RelatedJson { file, line: start.line, message: &related.message }
}

/// The file, the first position and the one past the last; the beginning of nothing if no text holds it.
fn place(origin: Origin, sources: &Sources) -> (&str, Position, Position) {
    sources
        .get(origin.source)
        .map_or(("", Position { line: 1, column: 1 }, Position { line: 1, column: 1 }), |source| {
            (&*source.name, source.position(origin.start), source.position(origin.end))
        })
}
