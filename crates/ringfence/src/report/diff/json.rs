//! `diff` as JSON, version 1. In: a report. Out: one object, one change a line.

use std::io::{self, Write};

use ringfence_analysis::diff::{Because, Change, End, Kind};
use serde::Serialize;

use super::Report;
use crate::report::json::{self, Entry, append};

#[derive(Serialize)]
struct ChangeJson<'a> {
    from: json::End,
    to: json::End,
    /// `opened`, `cut` or `changed`.
    change: &'static str,
    before: Vec<Entry<'a>>,
    after: Vec<Entry<'a>>,
    /// What depends on facts that are missing.
    #[serde(rename = "beforeMaybe", skip_serializing_if = "Vec::is_empty")]
    before_maybe: Vec<Entry<'a>>,
    #[serde(rename = "afterMaybe", skip_serializing_if = "Vec::is_empty")]
    after_maybe: Vec<Entry<'a>>,
    because: Vec<BecauseJson<'a>>,
}

#[derive(Serialize)]
struct BecauseJson<'a> {
    state: &'static str,
    direction: &'static str,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a str>,
}

/// Writes the report.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"{\"version\":1,\"changes\":[")?;
    let mut text = Vec::new();
    for (at, change) in report.diff.changes.iter().enumerate() {
        text.clear();
        text.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
        append(&mut text, &change_json(report, change));
        out.write_all(&text)?;
    }
    text.clear();
    text.extend_from_slice(b"\n]");
    for (name, workloads) in [("added", &report.diff.added), ("removed", &report.diff.removed)] {
        let ends: Vec<json::End> = workloads.iter().map(|at| workload(report, *at)).collect();
        text.extend_from_slice(format!(",\"{name}\":").as_bytes());
        append(&mut text, &ends);
    }
    text.extend_from_slice(b"}\n");
    out.write_all(&text)
}

fn change_json<'a>(report: &Report, change: &'a Change) -> ChangeJson<'a> {
    ChangeJson {
        from: end(report, &change.from),
        to: end(report, &change.to),
        change: kind(change.kind),
        before: json::allowed(&change.before),
        after: json::allowed(&change.after),
        before_maybe: json::plain(&change.before.maybe),
        after_maybe: json::plain(&change.after.maybe),
        because: change.because.iter().map(because).collect(),
    }
}

/// `opened`, `cut` or `changed`.
pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Opened => "opened",
        Kind::Cut => "cut",
        Kind::Changed => "changed",
    }
}

fn because(because: &Because) -> BecauseJson<'_> {
    BecauseJson {
        state: because.state.as_str(),
        direction: because.direction.as_str(),
        what: because.what.words(),
        place: because.place.as_deref(),
    }
}

fn end(report: &Report, end: &End) -> json::End {
    match end {
        End::Workload(at) => workload(report, *at),
        End::Outside(addresses) => json::End::outside(addresses),
    }
}

fn workload(report: &Report, at: usize) -> json::End {
    let key = report.diff.workloads.get(at);
    json::End::Inside {
        pod: None,
        workload: key.map(|key| format!("{}/{}", key.namespace, key.name)).unwrap_or_default(),
        kind: key.map(|key| key.kind.to_string()).unwrap_or_default(),
    }
}
