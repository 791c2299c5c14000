//! `explain` as JSON, version 1 (docs/explain.md). In: an explanation. Out: one object.

use std::io::{self, Write};

use ringfence_analysis::{
    explain::{SideStory, Step, Story, steps::condition_text},
    question::{Part, Question, Ruling, request},
};
use ringfence_model::{
    address::Family,
    cluster::Cluster,
    origin::{Origin, Sources},
    port::{PortSet, Protocol},
    verdict::Outcome,
};
use serde::Serialize;

use super::Explained;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    from: EndJson<'a>,
    to: EndJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    verdict: &'static str,
    notes: &'a [String],
    parts: Vec<PartJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<MissingJson<'a>>,
}

#[derive(Serialize)]
struct EndJson<'a> {
    asked: &'a str,
    name: &'a str,
}

/// One part of an answer.
#[derive(Serialize)]
pub(crate) struct PartJson<'a> {
    from: String,
    to: String,
    families: Vec<&'static str>,
    ports: Vec<PortsJson>,
    #[serde(rename = "backendPorts", skip_serializing_if = "Option::is_none")]
    backend_ports: Option<Vec<PortsJson>>,
    verdict: &'static str,
    /// Why it reaches nothing, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// In words; one of the egress side's and one of the ingress side's must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    egress: Option<SideJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ingress: Option<SideJson<'a>>,
}

#[derive(Serialize)]
struct PortsJson {
    protocol: &'static str,
    ports: Vec<String>,
}

#[derive(Serialize)]
struct SideJson<'a> {
    at: &'a str,
    verdict: &'static str,
    steps: Vec<StepJson<'a>>,
}

#[derive(Serialize)]
struct StepJson<'a> {
    kind: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<PlaceJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<PlaceJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<DetailJson<'a>>,
}

#[derive(Serialize)]
struct PolicyJson<'a> {
    kind: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct PlaceJson<'a> {
    file: &'a str,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct DetailJson<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<PlaceJson<'a>>,
}

#[derive(Serialize)]
struct MissingJson<'a> {
    policies: Vec<ProposalJson<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct ProposalJson<'a> {
    purpose: &'a str,
    yaml: &'a str,
}

/// Writes an explanation.
pub(crate) fn write(explained: &Explained<'_>, out: &mut dyn Write) -> io::Result<()> {
    let question = explained.question;
    let end = |named: &'_ ringfence_analysis::question::Named| (named.given.clone(), named.full.clone());
    let (from, to) = (end(&question.from), end(&question.to));
    let document = Document {
        version: 1,
        from: EndJson { asked: &from.0, name: &from.1 },
        to: EndJson { asked: &to.0, name: &to.1 },
        request: question.request.as_ref().map(request::describe),
        verdict: explained.answer.summary.as_str(),
        notes: &explained.answer.notes,
        parts: parts(explained),
        missing: explained.repair.map(|repair| MissingJson {
            policies: (repair.proposals.iter())
                .map(|proposal| ProposalJson { purpose: &proposal.purpose, yaml: &proposal.yaml })
                .collect(),
            notes: &repair.notes,
        }),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// The parts of an answer with their stories.
pub(crate) fn parts<'a>(explained: &'a Explained<'_>) -> Vec<PartJson<'a>> {
    let Explained { question, cluster, .. } = explained;
    explained.parts().map(|(told, story)| part(told, story, question, cluster)).collect()
}

fn part<'a>(part: &Part, story: &'a Story, question: &Question, cluster: &'a Cluster) -> PartJson<'a> {
    let mut sides = story.sides.iter().map(|told| side(told, &cluster.sources));
    let (reason, conditions) = match &part.ruling {
        Ruling::Refused(refusal) => (Some(refusal.describe()), Vec::new()),
        Ruling::Judged { verdict, .. } => {
            let all = verdict.egress.conditions.iter().chain(&verdict.ingress.conditions);
            (None, all.map(condition_text).collect())
        }
    };
    PartJson {
        from: part.from.describe(cluster),
        to: if reason.is_some() { question.to.full.clone() } else { part.to.describe(cluster) },
        families: part.families.iter().map(|family| Family::as_str(*family)).collect(),
        ports: ports(&part.asked),
        backend_ports: (reason.is_none() && part.asked != part.ports).then(|| ports(&part.ports)),
        verdict: Outcome::as_str(part.ruling.outcome()),
        reason,
        conditions,
        egress: sides.next(),
        ingress: sides.next(),
    }
}

fn ports(ports: &[(Protocol, PortSet)]) -> Vec<PortsJson> {
    let range = |(first, last): &(u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ports
        .iter()
        .map(|(protocol, set)| PortsJson {
            protocol: protocol.as_str(),
            ports: set.ranges().iter().map(range).collect(),
        })
        .collect()
}

fn side<'a>(side: &'a SideStory, sources: &'a Sources) -> SideJson<'a> {
    let steps = side.steps.iter().map(|told| step(told, sources)).collect();
    SideJson { at: &side.subject, verdict: side.outcome.as_str(), steps }
}

fn step<'a>(step: &'a Step, sources: &'a Sources) -> StepJson<'a> {
    StepJson {
        kind: step.kind.as_str(),
        text: &step.text,
        policy: step.policy.as_ref().map(|(kind, name)| PolicyJson { kind, name }),
        place: place(step.origin, sources),
        peer: place(step.mark, sources),
        details: (step.details.iter())
            .map(|detail| DetailJson { text: &detail.text, place: place(detail.origin, sources) })
            .collect(),
    }
}

fn place(origin: Origin, sources: &Sources) -> Option<PlaceJson<'_>> {
    let source = sources.get(origin.source)?;
    let position = source.position(origin.start);
    Some(PlaceJson { file: &source.name, line: position.line, column: position.column })
}
