//! `check` as JSON, version 1. In: a report. Out: one object with the findings; what is suppressed is not among them.

use std::io::{self, Write};

use ringfence_lint::finding::Fix;
use serde::Serialize;

use super::{Place, Report, Reported};

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
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    /// Kind, namespace and name.
    #[serde(skip_serializing_if = "str::is_empty")]
    object: &'a str,
    fingerprint: String,
    related: Vec<RelatedJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<FixJson<'a>>,
}

#[derive(Serialize)]
struct RelatedJson<'a> {
    file: &'a str,
    line: u32,
    message: &'a str,
}

#[derive(Serialize)]
struct FixJson<'a> {
    title: &'a str,
    edits: Vec<EditJson<'a>>,
}

#[derive(Serialize)]
struct EditJson<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    replacement: &'a str,
}

/// Writes the report.
pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let findings = report.findings.iter().map(|reported| of_finding(reported, report)).collect();
    serde_json::to_writer_pretty(&mut *out, &Document { version: 1, findings })?;
    writeln!(out)
}

fn of_finding<'a>(reported: &'a Reported<'a>, report: &Report<'a>) -> FindingJson<'a> {
    let finding = reported.finding;
    let Place { file, start, end } = report.place(finding.origin);
    let related = finding.related.iter().map(|related| {
        let Place { file, start, .. } = report.place(related.origin);
        RelatedJson { file, line: start.line, message: &related.message }
    });
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
        label: finding.label.as_deref(),
        help: finding.help.as_deref(),
        object: &reported.fingerprint.object,
        fingerprint: reported.id(),
        related: related.collect(),
        fix: finding.fix.as_ref().map(|fix| of_fix(fix, report)),
    }
}

fn of_fix<'a>(fix: &'a Fix, report: &Report<'a>) -> FixJson<'a> {
    let edits = fix.edits.iter().map(|edit| {
        let Place { file, start, end } = report.place(edit.origin);
        EditJson {
            file,
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            replacement: &edit.replacement,
        }
    });
    FixJson { title: &fix.title, edits: edits.collect() }
}
