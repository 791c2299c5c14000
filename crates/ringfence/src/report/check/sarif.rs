//! `check` as SARIF 2.1.0 (OASIS). In: a report. Out: one run, with the rules that found something, and their results;
//! suppressed ones are marked so.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ringfence_lint::{Finding, Rule, Severity, finding::Fix, page};
use ringfence_model::origin::Origin;
use serde::Serialize;

use super::{Hidden, Place, Report, Reported, within};

/// What stays as it is in a path (RFC 3986, `pchar` without `:`, which would begin a scheme).
const KEPT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// The name under which results carry their fingerprint; a number for the way it is made.
const FINGERPRINT: &str = "ringfence/v1";

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool,
    invocations: [Invocation; 1],
    column_kind: &'static str,
    results: Vec<ResultJson<'a>>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<RuleJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleJson {
    id: &'static str,
    name: &'static str,
    short_description: Message<'static>,
    full_description: Message<'static>,
    help: Help,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Message<'static>,
}

#[derive(Serialize)]
struct Message<'a> {
    text: std::borrow::Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultJson<'a> {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message<'a>,
    locations: Vec<Location<'a>>,
    partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location<'a>>,
    suppressions: Vec<Suppression>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<FixJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation<'a> {
    fully_qualified_name: &'a str,
    kind: &'static str,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    start_column: u32,
    end_line: u32,
    end_column: u32,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    justification: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FixJson<'a> {
    description: Message<'a>,
    artifact_changes: Vec<ArtifactChange<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactChange<'a> {
    artifact_location: ArtifactLocation,
    replacements: Vec<Replacement<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement<'a> {
    deleted_region: Region,
    inserted_content: Message<'a>,
}

/// Writes the report.
pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let shown = report.findings.iter().map(|reported| (reported, None));
    let hidden = report.hidden.iter().map(|(reported, reason)| (reported, Some(reason)));
    let mut all: Vec<(&Reported<'_>, Option<&Hidden<'_>>)> = shown.chain(hidden).collect();
    all.sort_by_key(|(reported, _)| (reported.finding.origin, reported.finding.rule.code));
    let rules: BTreeMap<&str, &Rule> =
        all.iter().map(|(reported, _)| (reported.finding.rule.code, reported.finding.rule)).collect();
    let indices: BTreeMap<&str, usize> = rules.keys().zip(0..).map(|(code, index)| (*code, index)).collect();
    let results = all.iter().map(|(reported, hidden)| {
        let index = indices.get(reported.finding.rule.code).copied().unwrap_or_default();
        result(report, reported, *hidden, index)
    });
    let run = Run {
        tool: Tool {
            driver: Driver {
                name: "ringfence",
                semantic_version: env!("CARGO_PKG_VERSION"),
                rules: rules.values().map(|rule| of_rule(rule)).collect(),
            },
        },
        invocations: [invocation(report)],
        column_kind: "unicodeCodePoints",
        results: results.collect(),
    };
    let log = Log {
        schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        version: "2.1.0",
        runs: [run],
    };
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn invocation(report: &Report<'_>) -> Invocation {
    let notifications = report.problems.iter().map(|problem| Notification {
        level: "error",
        message: Message { text: problem.message.clone().into() },
    });
    Invocation {
        execution_successful: report.problems.is_empty(),
        tool_execution_notifications: notifications.collect(),
    }
}

fn of_rule(rule: &Rule) -> RuleJson {
    let page = page::page(rule);
    RuleJson {
        id: rule.code,
        name: rule.name,
        short_description: Message { text: rule.summary.into() },
        full_description: Message { text: rule.what.into() },
        help: Help { text: page.clone(), markdown: page },
        default_configuration: Configuration { level: level(rule.severity) },
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn result<'a>(
    report: &Report<'a>,
    reported: &'a Reported<'a>,
    hidden: Option<&Hidden<'_>>,
    rule_index: usize,
) -> ResultJson<'a> {
    let finding: &Finding = reported.finding;
    let mut place: Vec<Location<'_>> = location(report, finding.origin).into_iter().collect();
    for location in &mut place {
        let object = reported.fingerprint.object.as_str();
        if !object.is_empty() {
            location
                .logical_locations
                .push(LogicalLocation { fully_qualified_name: object, kind: "resource" });
        }
        location.message = finding.label.as_deref().map(|label| Message { text: label.into() });
    }
    let related = finding.related.iter().zip(1..).filter_map(|(related, id)| {
        let location = location(report, related.origin)?;
        Some(Location {
            id: Some(id),
            message: Some(Message { text: related.message.as_str().into() }),
            ..location
        })
    });
    let suppression = hidden.map(|hidden| match hidden {
        Hidden::Suppressed(reason) => Suppression {
            kind: if reason.in_source { "inSource" } else { "external" },
            justification: reason.text.clone(),
        },
        Hidden::Baseline => Suppression { kind: "external", justification: "in the baseline".to_owned() },
    });
    ResultJson {
        rule_id: finding.rule.code,
        rule_index,
        level: level(finding.severity),
        message: Message { text: reported.told().into() },
        locations: place,
        partial_fingerprints: BTreeMap::from([(FINGERPRINT, reported.id())]),
        related_locations: related.collect(),
        suppressions: suppression.into_iter().collect(),
        fixes: finding.fix.as_ref().map(|fix| of_fix(report, fix)).into_iter().collect(),
    }
}

/// A place, unless no text holds it.
fn location<'a>(report: &Report<'_>, origin: Origin) -> Option<Location<'a>> {
    let place = report.place(origin);
    (!place.file.is_empty()).then(|| Location {
        id: None,
        physical_location: PhysicalLocation {
            artifact_location: artifact(place.file),
            region: region(place),
        },
        logical_locations: Vec::new(),
        message: None,
    })
}

fn region(place: Place<'_>) -> Region {
    Region {
        start_line: place.start.line,
        start_column: place.start.column,
        end_line: place.end.line,
        end_column: place.end.column,
    }
}

/// A file as a URI: relative to where the program was started, unless it is not in there and the user named it from the root.
fn artifact(file: &str) -> ArtifactLocation {
    let path = utf8_percent_encode(&within(file), KEPT).to_string();
    ArtifactLocation { uri: if path.starts_with('/') { format!("file://{path}") } else { path } }
}

fn of_fix<'a>(report: &Report<'_>, fix: &'a Fix) -> FixJson<'a> {
    let mut files: BTreeMap<u32, ArtifactChange<'_>> = BTreeMap::new();
    for edit in &fix.edits {
        let place = report.place(edit.origin);
        let change = files.entry(edit.origin.source.0).or_insert_with(|| ArtifactChange {
            artifact_location: artifact(place.file),
            replacements: Vec::new(),
        });
        change.replacements.push(Replacement {
            deleted_region: region(place),
            inserted_content: Message { text: edit.replacement.as_str().into() },
        });
    }
    FixJson {
        description: Message { text: fix.title.as_str().into() },
        artifact_changes: files.into_values().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_uris() {
        assert_eq!(artifact("a b/ü:c.yaml").uri, "a%20b/%C3%BC%3Ac.yaml");
        assert_eq!(artifact("/srv/a.yaml").uri, "file:///srv/a.yaml");
        assert_eq!(artifact("<stdin>").uri, "%3Cstdin%3E");
        assert_eq!(artifact("./k8s/../a.yaml").uri, "a.yaml");
        let here = std::env::current_dir().unwrap().join("k8s/a.yaml");
        assert_eq!(artifact(here.to_str().unwrap()).uri, "k8s/a.yaml");
        assert_eq!(artifact("../a.yaml").uri, "../a.yaml");
    }
}
