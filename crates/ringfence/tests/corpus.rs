//! The corpus as tests: every section of every file of tests/corpus is a test of its own. In: Markdown files in the form that
//! tests/corpus/README.md describes. Out: for each section, whether every row of its tables comes out as written, by every
//! judge, for the reasons that it names.

mod sections;

use std::{collections::BTreeMap, fmt::Write as _};

use libtest_mimic::{Arguments, Failed};
use ringfence_analysis::{
    connections::{By, Listing, Map, Unit, View},
    explain::{self, Story},
    matrix::{self, Finding, Matrix, Row, Table},
    question::{self, Answer, End, Named, PortAsk, Question, Ruling},
};
use ringfence_model::{
    cluster::Cluster,
    diagnostic::Severity,
    origin::Origin,
    port::{PortSet, Protocol},
    verdict::{Missing, Outcome, Reason, Side},
};
use ringfence_policy::{Compiled, Judge, Reference, permit::Permit};
use sections::Section;

/// A section with this line expects its manifests to be refused in part.
const EXPECTS_DIAGNOSTICS: &str = "<!-- diagnostics: expected -->";

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, sections::trials(check)).exit();
}

/// Judges all rows of a section.
fn check(name: &str, text: &str, section: &Section) -> Result<(), Failed> {
    let matrix = section.matrix(text);
    let mut failures = String::new();
    for fault in &matrix.faults {
        let _ = writeln!(failures, "{name}:{}: {}", fault.line, fault.problem.message);
    }
    let loaded = section.read(name, text);
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let expected = section.text(text).contains(EXPECTS_DIAGNOSTICS);
    for error in errors.clone().filter(|_| !expected) {
        let place = loaded.cluster.sources.place(error.origin).unwrap_or_default();
        let _ = writeln!(failures, "{place}: error: {}", error.message);
    }
    if expected && errors.count() == 0 {
        let _ = writeln!(failures, "{name}: the section says that its manifests are refused, but none is");
    }
    let compiled = Compiled::new(loaded.cluster.clone());
    judge("compiled", &compiled, &loaded.cluster, &matrix, name, &mut failures);
    let reference = Reference { cluster: &loaded.cluster };
    judge("reference", &reference, &loaded.cluster, &matrix, name, &mut failures);
    agree(&compiled, name, &mut failures);
    if failures.is_empty() { Ok(()) } else { Err(failures.into()) }
}

/// Lets one judge answer all rows.
fn judge(
    judge: &str,
    with: &impl Judge,
    cluster: &Cluster,
    matrix: &Matrix,
    name: &str,
    failures: &mut String,
) {
    let report = matrix::run(matrix, cluster, with, None);
    for (table, findings) in matrix.tables.iter().zip(&report.findings) {
        for (row, finding) in table.rows.iter().zip(findings) {
            let place = format!("{name}:{}: {judge}:", row.line);
            let judged = match finding {
                Finding::Judged(judged) => judged,
                Finding::Undecided { why, .. } => {
                    let _ = writeln!(failures, "{place} {why}");
                    continue;
                }
                Finding::Unreadable(problem) => {
                    let help = problem.help.as_deref().unwrap_or_default();
                    let _ = writeln!(failures, "{place} {} {help}", problem.message);
                    continue;
                }
            };
            let missing = unnamed(table, row, &judged.answer);
            if judged.pass && missing.is_empty() {
                continue;
            }
            let verdict = judged.answer.summary.as_str();
            let _ = writeln!(failures, "{place} {verdict}, but the row says | {} |", row.cells.join(" | "));
            for policy in missing {
                let _ = writeln!(failures, "  `{policy}` is not among the reasons");
            }
            let stories = explain::stories(&judged.question, &judged.answer, cluster);
            for (part, story) in judged.answer.parts.iter().zip(stories) {
                let (from, to) = (part.from.describe(cluster), part.to.describe(cluster));
                let outcome = part.ruling.outcome().as_str();
                let _ =
                    writeln!(failures, "  {outcome}: {from} -> {to} {:?} {:?}", part.ports, part.families);
                if let Ruling::Refused(refusal) = &part.ruling {
                    let _ = writeln!(failures, "    {}", refusal.describe());
                }
                tell(&story, cluster, failures);
            }
        }
    }
}

fn tell(story: &Story, cluster: &Cluster, into: &mut String) {
    let place =
        |origin: Origin| cluster.sources.place(origin).map(|place| format!(" ({place})")).unwrap_or_default();
    for side in &story.sides {
        let _ = writeln!(into, "    {}: {}", side.direction.as_str(), side.outcome.as_str());
        for step in &side.steps {
            let _ = writeln!(into, "      {}{}", step.text, place(step.origin));
            for detail in &step.details {
                let _ = writeln!(into, "        {}{}", detail.text, place(detail.origin));
            }
        }
    }
}

/// What a port may do, from the most to the least open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Open {
    Allowed,
    Conditional,
    Maybe,
    Denied,
}

/// Checks that the list of connections says of every pair of pods what the answers to single questions say.
fn agree(compiled: &Compiled, name: &str, failures: &mut String) {
    let cluster = compiled.cluster();
    let listing = Listing { map: Map::new(compiled, By::Pod), view: View { own: true, ..View::all() } };
    let units = listing.map.units();
    for from in 0..units.len() {
        let Some(source) = units.get(from) else { continue };
        let targets = listing.targets(source.class);
        let mut listed: Vec<Option<&Permit>> = vec![None; units.len()];
        listing.each_target(from, &targets, |to, permit| {
            if let Some(slot) = listed.get_mut(to) {
                *slot = targets.permits.get(permit as usize);
            }
        });
        for (to, (destination, permit)) in units.iter().zip(listed).enumerate() {
            if from == to {
                continue;
            }
            let named = |unit: &Unit| {
                let full = unit.name(cluster);
                let end = unit.pod.map_or(End::Workload(unit.workload), End::Pod);
                Named { end, given: full.clone(), full, note: None }
            };
            let question =
                Question { from: named(source), to: named(destination), ports: PortAsk::All, request: None };
            let Ok(answer) = question::answer(&question, cluster, compiled) else { continue };
            for (protocol, port, asked) in differences(&answer, permit) {
                let (from, to) = (&question.from.full, &question.to.full);
                let said = permit.map_or(Open::Denied, |permit| listed_as(permit, protocol, port));
                let _ = writeln!(
                    failures,
                    "{name}: connections says {said:?} of {from} -> {to} {port}/{protocol}, explain {asked:?}"
                );
            }
        }
    }
}

/// The ends of the stretches of ports of which the two say something else. A pair that has two families counts as open as it
/// is over the more open one: the list says who can be reached at all.
fn differences(answer: &Answer, permit: Option<&Permit>) -> Vec<(Protocol, u16, Open)> {
    let mut asked: BTreeMap<(Protocol, u16), Open> = BTreeMap::new();
    for (protocol, set) in answer.parts.iter().flat_map(|part| &part.ports) {
        for port in set.ranges().iter().flat_map(|(first, last)| [*first, *last]) {
            let found = answer.parts.iter().filter(|part| {
                part.ports.iter().any(|(known, ports)| known == protocol && ports.contains(port))
            });
            let best = found.map(|part| match part.ruling.outcome() {
                Outcome::Allow => Open::Allowed,
                Outcome::AllowIf => Open::Conditional,
                Outcome::Unknown => Open::Maybe,
                Outcome::Deny => Open::Denied,
            });
            asked.insert((*protocol, port), best.min().unwrap_or(Open::Denied));
        }
    }
    let listed = |protocol, port| permit.map_or(Open::Denied, |permit| listed_as(permit, protocol, port));
    let all = asked.into_iter().map(|((protocol, port), asked)| (protocol, port, asked));
    all.filter(|(protocol, port, asked)| listed(*protocol, *port) != *asked).collect()
}

fn listed_as(permit: &Permit, protocol: Protocol, port: u16) -> Open {
    let has = |list: &[(Protocol, PortSet)]| {
        list.iter().any(|(known, ports)| *known == protocol && ports.contains(port))
    };
    if has(&permit.allowed) {
        Open::Allowed
    } else if permit.conditional.iter().any(|entry| entry.protocol == protocol && entry.ports.contains(port))
    {
        Open::Conditional
    } else if has(&permit.maybe) {
        Open::Maybe
    } else {
        Open::Denied
    }
}

/// The policies that a row's column Because names and that no part of the answer gives as a reason.
fn unnamed(table: &Table, row: &Row, answer: &Answer) -> Vec<String> {
    let because = table.columns.iter().position(|column| column.eq_ignore_ascii_case("because"));
    let Some(cell) = because.and_then(|at| row.cells.get(at)) else { return Vec::new() };
    let mut reasons: Vec<String> = Vec::new();
    for part in &answer.parts {
        if let Ruling::Judged { verdict, .. } = &part.ruling {
            reasons.extend(named(&verdict.egress).chain(named(&verdict.ingress)));
        }
    }
    let wanted = cell.split(',').map(|policy| policy.trim().trim_matches('`').to_owned());
    wanted.filter(|policy| !policy.is_empty() && *policy != "-" && !reasons.contains(policy)).collect()
}

/// The policies among a side's reasons, without those that only came near; of an undefined order, those that compete.
fn named(side: &Side) -> impl Iterator<Item = String> {
    let policies = side.reasons.iter().filter_map(|reason| match reason {
        Reason::Rule(rule) | Reason::Passed(rule) => Some(&rule.policy),
        Reason::Isolated(policy) if side.outcome != Outcome::Allow => Some(policy),
        _ => None,
    });
    let competing = side.missing.iter().filter_map(|missing| match missing {
        Missing::PriorityOrder(policies) => Some(policies),
        _ => None,
    });
    policies.map(|policy| policy.full_name()).chain(competing.flatten().map(ToString::to_string))
}
