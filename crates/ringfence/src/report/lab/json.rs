//! `lab` as JSON, version 1 (docs/lab.md). In: a report. Out: one object.

use std::io::{self, Write};

use ringfence_lab::trial::{Disagreement, Kernel, Tried};
use ringfence_model::{flow::Endpoint, port::Protocol};
use serde::Serialize;

use super::{LabReport, drops::Drop};
use crate::report::test::json as test;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    pods: usize,
    probes: usize,
    disagreements: Vec<DisagreementJson<'a>>,
    ready_ms: u128,
    probe_ms: u128,
    lost_log_records: u64,
    /// Denied probes that no record explains.
    unexplained: usize,
    undecided: Vec<UndecidedJson<'a>>,
    pairs: Vec<PairJson<'a>>,
    drops: Vec<DropJson<'a>>,
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<test::Document<'a>>,
}

/// A trial in which kernel and engine differ.
#[derive(Serialize)]
struct DisagreementJson<'a> {
    from: String,
    to: String,
    port: String,
    family: &'static str,
    engine: &'static str,
    kernel: &'static str,
    /// What the nodes' logs name; else why the engine says what it says.
    rule: String,
    /// `opened`, `cut` or `wrong-backend`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_by: Option<&'a str>,
    reasons: Vec<String>,
    places: Vec<String>,
}

#[derive(Serialize)]
struct UndecidedJson<'a> {
    why: &'a str,
    probes: usize,
    example: String,
}

/// What was tried between two units: workloads whose replicas behave the same, pods, nodes, addresses outside, Services.
#[derive(Serialize)]
struct PairJson<'a> {
    from: &'a str,
    to: &'a str,
    /// `all`, `some`, `none`, `differs`, `undecided`.
    state: &'static str,
    allowed: Vec<String>,
    denied: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undecided: Vec<String>,
}

#[derive(Serialize)]
struct DropJson<'a> {
    rule: &'a str,
    direction: &'static str,
    audit: bool,
    probes: usize,
    places: &'a [String],
    examples: &'a [String],
}

/// Writes the report.
pub(super) fn write(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let outcomes = report.outcomes;
    let rows = report.tested.map(test::Rows::of);
    let document = Document {
        version: 1,
        pods: outcomes.pods,
        probes: outcomes.tried.len(),
        disagreements: outcomes.disagreements().map(|tried| disagreement(report, tried)).collect(),
        ready_ms: outcomes.ready.as_millis(),
        probe_ms: outcomes.probing.as_millis(),
        lost_log_records: outcomes.lost_records,
        unexplained: report.drops.silent,
        undecided: undecided(report),
        pairs: pairs(report),
        drops: report.drops.rules.iter().map(drop_json).collect(),
        notes: report.notes(),
        test: rows.as_ref().map(test::Rows::document),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn disagreement<'a>(report: &'a LabReport<'_>, tried: &'a Tried) -> DisagreementJson<'a> {
    let trial = &tried.trial;
    let reasons = report.reasons(tried);
    let logged = LabReport::logged(tried);
    DisagreementJson {
        from: report.ends.endpoint(&trial.from),
        to: report.ends.destination(&trial.to),
        port: port(trial.protocol, trial.port),
        family: trial.family.as_str(),
        engine: LabReport::engine(tried),
        kernel: tried.kernel.as_str(),
        rule: if logged.is_empty() { reasons.join("; ") } else { logged.join("; ") },
        kind: match tried.disagreement {
            Some(Disagreement::Cut) => "cut",
            Some(Disagreement::WrongBackend) => "wrong-backend",
            Some(Disagreement::Opened) | None => "opened",
        },
        answered_by: match &tried.kernel {
            Kernel::Allowed(Some(pod))
                if trial.to != ringfence_lab::trial::Target::End(Endpoint::Pod(*pod)) =>
            {
                Some(report.ends.pod(*pod))
            }
            _ => None,
        },
        reasons,
        places: report.places(tried),
    }
}

fn undecided<'a>(report: &'a LabReport<'_>) -> Vec<UndecidedJson<'a>> {
    let one = |(why, tried): (&'a str, Vec<&'a Tried>)| UndecidedJson {
        why,
        probes: tried.len(),
        example: tried.first().map(|first| report.trial(first)).unwrap_or_default(),
    };
    report.undecided().into_iter().map(one).collect()
}

fn pairs<'a>(report: &'a LabReport<'_>) -> Vec<PairJson<'a>> {
    let texts = |ports: &mut dyn Iterator<Item = (Protocol, u16)>| {
        ports.map(|(protocol, number)| port(protocol, number)).collect()
    };
    let one = |(from, to, cell): (usize, usize, &super::grid::Cell)| PairJson {
        from: report.ends.name(from),
        to: report.ends.name(to),
        state: cell.state().word(),
        allowed: texts(&mut cell.which(|tally| tally.allowed > 0)),
        denied: texts(&mut cell.which(|tally| tally.denied > 0)),
        undecided: texts(&mut cell.which(|tally| tally.undecided > 0)),
    };
    report.grid.cells().map(one).collect()
}

fn drop_json(drop: &Drop) -> DropJson<'_> {
    DropJson {
        rule: &drop.rule,
        direction: drop.direction.as_str(),
        audit: drop.audit,
        probes: drop.count,
        places: &drop.places,
        examples: &drop.examples,
    }
}

/// `5432/TCP`; the type, for ICMP.
fn port(protocol: Protocol, port: u16) -> String {
    format!("{port}/{protocol}")
}
