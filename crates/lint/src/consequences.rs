//! One mistake, one finding. In: what the rules found. Out: the same without the findings that go away when another one is
//! repaired; these are told with their cause.
//!
//! A selector that is mistyped cuts off, opens or isolates something, and other rules see that too. Whether it is the cause is
//! not guessed: its repair is made in a copy of the texts, and the rules about consequences are run again.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_manifest::{self as manifest, edit::Edit};
use ringfence_model::{diagnostic::Severity as Level, origin::Origin};

use crate::{
    context::Context,
    finding::{Claim, Finding, Fix},
    fix::edited,
    input::Input,
    rule::{Rule, Severity},
    rules,
    run::run,
    settings::Settings,
};

/// So many causes are looked into; of more, the first.
const MOST_CAUSES: usize = 16;

/// Of larger inputs nothing is looked into: each cause takes as long as reading the whole input.
const MOST_OBJECTS: usize = 10_000;

/// So many consequences are told with a cause.
const TOLD: usize = 3;

/// Rules about what a policy says, beside those of RF1xx, whose repair may make other findings go away.
const CAUSES: [&str; 3] = ["RF201", "RF503", "RF505"];

/// Rules about what comes of it, beside those of RF3xx.
const CONSEQUENCES: [&str; 9] =
    ["RF405", "RF407", "RF410", "RF501", "RF502", "RF504", "RF507", "RF509", "RF510"];

/// Rules to which others leave what they would say too.
const SIDES: [&str; 2] = ["RF304", "RF305"];

fn is_cause(rule: &Rule) -> bool {
    rule.code.starts_with("RF1") || CAUSES.contains(&rule.code)
}

fn is_consequence(rule: &Rule) -> bool {
    rule.code.starts_with("RF3") || CONSEQUENCES.contains(&rule.code)
}

/// Whether it may be the cause: who isolates less does not make others less forgotten.
fn may_explain(cause: &Rule, consequence: &Rule) -> bool {
    !CAUSES.contains(&cause.code) || !matches!(consequence.code, "RF501" | "RF502" | "RF504")
}

/// What becomes of a finding when another one is repaired.
enum Becomes {
    /// It is gone.
    Nothing,
    /// Less of it is left.
    Less(Box<Finding>),
}

/// Puts consequences to their causes.
pub(crate) fn fold(input: &Input, settings: &Settings, mut findings: Vec<Finding>) -> Vec<Finding> {
    let numbers = |of: &dyn Fn(&Finding) -> bool| -> Vec<usize> {
        (0..).zip(&findings).filter(|(_, finding)| of(finding)).map(|(at, _)| at).collect()
    };
    let repair = |finding: &Finding| finding.fix.clone().or_else(|| finding.likely_fix.clone());
    let causes = numbers(&|finding| is_cause(finding.rule));
    let causes: Vec<Cause> = (causes.into_iter())
        .filter_map(|at| {
            findings.get(at).and_then(|one| Some(Cause { at, rule: one.rule, fix: repair(one)? }))
        })
        .take(MOST_CAUSES)
        .collect();
    let consequences = numbers(&|finding| is_consequence(finding.rule));
    if consequences.is_empty() || causes.len().saturating_mul(input.objects) > MOST_OBJECTS {
        return findings;
    }
    let texts: Vec<manifest::Input> = (input.compiled.cluster().sources.iter())
        .map(|(_, source)| manifest::Input { name: source.name.to_string(), text: source.text.to_string() })
        .collect();
    let trial = Trial { input, settings, texts: &texts, findings: &findings };
    let mut told = Told::default();
    let mut less: BTreeMap<usize, Vec<Finding>> = BTreeMap::new();
    for cause in &causes {
        for (at, what) in trial.repaired(&[cause], &consequences) {
            match what {
                Becomes::Nothing => told.add(&[cause.at], at),
                Becomes::Less(finding) => less.entry(at).or_default().push(*finding),
            }
        }
    }
    let rest: Vec<usize> = (consequences.into_iter())
        .filter(|at| {
            !told.gone.contains(at) && findings.get(*at).is_some_and(|one| one.severity > Severity::Info)
        })
        .collect();
    for (at, together) in trial.only_together(&causes, &rest) {
        told.add(&together, at);
    }
    // What several repairs lessen would be told differently by each.
    for (at, mut by) in less {
        if let (Some(rest), true, Some(finding)) = (by.pop(), by.is_empty(), findings.get_mut(at)) {
            *finding = rest;
        }
    }
    told.tell(&mut findings, settings);
    findings
}

/// A finding whose repair may make others go away.
struct Cause {
    at: usize,
    rule: &'static Rule,
    fix: Fix,
}

/// Which findings come of which.
#[derive(Default)]
struct Told {
    /// Consequences that are not reported themselves.
    gone: BTreeSet<usize>,
    /// By cause: the consequences that are told with it.
    with: BTreeMap<usize, Vec<usize>>,
    /// By consequence: its causes.
    by: BTreeMap<usize, Vec<usize>>,
}

impl Told {
    fn add(&mut self, causes: &[usize], consequence: usize) {
        let Some(first) = causes.first() else { return };
        self.gone.insert(consequence);
        self.with.entry(*first).or_default().push(consequence);
        self.by.entry(consequence).or_default().extend(causes);
    }

    /// Says what comes of each cause, and makes it as bad as that.
    fn tell(self, findings: &mut Vec<Finding>, settings: &Settings) {
        for (cause, of_it) in self.with {
            let of_it: Vec<Finding> = (of_it.iter())
                .filter_map(|at| findings.get(*at))
                .filter(|one| one.severity > Severity::Info)
                .cloned()
                .collect();
            let more = of_it.len().saturating_sub(TOLD);
            let Some(finding) = findings.get_mut(cause) else { continue };
            for (at, one) in (1..).zip(of_it.iter().take(TOLD)) {
                let rest = if at == TOLD && more > 0 { format!(", and {more} more") } else { String::new() };
                finding.related(one.origin, format!("so {}{rest}", one.message));
            }
        }
        for (consequence, causes) in self.by {
            let severity = findings.get(consequence).map(|one| one.severity);
            let Some(severity) = severity.filter(|severity| *severity > Severity::Info) else { continue };
            for cause in causes {
                let Some(finding) = findings.get_mut(cause) else { continue };
                if settings.severity_of(finding.rule).is_none() {
                    finding.severity = finding.severity.max(severity);
                }
                // What other findings bear out is no guess any more.
                if let Some(fix) = finding.likely_fix.take() {
                    finding.fix.get_or_insert(fix);
                }
            }
        }
        let mut at = 0..;
        findings.retain(|_| at.next().is_none_or(|at| !self.gone.contains(&at)));
    }
}

/// The texts, to try out repairs on.
struct Trial<'t> {
    input: &'t Input,
    settings: &'t Settings,
    texts: &'t [manifest::Input],
    findings: &'t [Finding],
}

impl Trial<'_> {
    /// What becomes of consequences when some causes are repaired.
    fn repaired(&self, causes: &[&Cause], consequences: &[usize]) -> Vec<(usize, Becomes)> {
        let finding = |at: &usize| self.findings.get(*at);
        let asked: Vec<(usize, &Finding)> = (consequences.iter())
            .filter_map(|at| Some((*at, finding(at)?)))
            .filter(|(_, one)| causes.iter().any(|cause| may_explain(cause.rule, one.rule)))
            .collect();
        let mut asked_rules: Vec<&'static Rule> = asked.iter().map(|(_, one)| one.rule).collect();
        if !asked_rules.is_empty() {
            asked_rules.extend(SIDES.iter().filter_map(|code| rules::find(code)));
        }
        asked_rules.sort_by_key(|rule| rule.code);
        asked_rules.dedup_by_key(|rule| rule.code);
        let texts = edited(self.texts, &causes.iter().map(|cause| &cause.fix).collect::<Vec<&Fix>>());
        let Some(texts) = texts.ok().filter(|_| !asked_rules.is_empty()) else { return Vec::new() };
        let after = Input::read(texts, self.settings);
        let unreadable =
            |input: &Input| input.diagnostics.iter().filter(|found| found.severity == Level::Error).count();
        if unreadable(&after) > unreadable(self.input) {
            return Vec::new();
        }
        let context = Context::new(&after, self.settings);
        let (left, _, _) = context.suppressions().apply(run(&context, &asked_rules));
        // What a rule of one side says now, others leave to it.
        let new_sides: Vec<&Finding> = (left.iter())
            .filter(|one| SIDES.contains(&one.rule.code))
            .filter(|one| !self.findings.iter().any(|known| known.message == one.message))
            .collect();
        let shift = Shift::new(causes.iter().flat_map(|cause| &cause.fix.edits));
        asked
            .into_iter()
            .filter_map(|(at, finding)| {
                let left = left.iter().filter(|other| other.rule.code == finding.rule.code);
                if left.clone().any(|other| other.message == finding.message) {
                    return None;
                }
                let place = (finding.origin.source, shift.later(finding.origin)?);
                let mut there = left.filter(|other| (other.origin.source, other.origin.start) == place);
                match there.next() {
                    None if new_sides.iter().any(|side| same_pods(side, finding)) => None,
                    None => Some((at, Becomes::Nothing)),
                    Some(rest) => Some((at, Becomes::Less(Box::new(shift.back(rest)?)))),
                }
            })
            .collect()
    }

    /// Consequences that only go away when several causes are repaired together, each with those of which none may be left out.
    fn only_together(&self, causes: &[Cause], consequences: &[usize]) -> Vec<(usize, Vec<usize>)> {
        let all: Vec<&Cause> = causes.iter().collect();
        if all.len() < 2 || consequences.is_empty() {
            return Vec::new();
        }
        let gone_with = |causes: &[&Cause], of: &[usize]| -> Vec<usize> {
            let becomes = self.repaired(causes, of).into_iter();
            becomes.filter(|(_, what)| matches!(what, Becomes::Nothing)).map(|(at, _)| at).collect()
        };
        let gone = gone_with(&all, consequences);
        if gone.is_empty() {
            return Vec::new();
        }
        let mut needed: BTreeMap<usize, Vec<usize>> = gone.iter().map(|at| (*at, Vec::new())).collect();
        for left_out in causes {
            let others: Vec<&Cause> = causes.iter().filter(|cause| cause.at != left_out.at).collect();
            let still = gone_with(&others, &gone);
            for at in gone.iter().filter(|at| !still.contains(at)) {
                needed.entry(*at).or_default().push(left_out.at);
            }
        }
        // Where each could be left out, no single one of them is the cause.
        needed.into_iter().filter(|(_, by)| !by.is_empty()).collect()
    }
}

/// Whether two findings are about connections between the same pods.
fn same_pods(a: &Finding, b: &Finding) -> bool {
    let flows = |finding: &'_ Finding| match finding.fix.as_ref().map(|fix| fix.claim.clone()) {
        Some(Claim::Opens(flows)) => flows,
        _ => Vec::new(),
    };
    let others = flows(b);
    flows(a).iter().any(|flow| others.iter().any(|other| (&flow.from, &flow.to) == (&other.from, &other.to)))
}

/// Where things are after some edits.
struct Shift<'e>(Vec<&'e Edit>);

impl<'e> Shift<'e> {
    fn new(edits: impl Iterator<Item = &'e Edit>) -> Self {
        let mut edits: Vec<&Edit> = edits.collect();
        edits.sort_by_key(|edit| (edit.origin.source, edit.origin.start, edit.origin.end));
        Self(edits)
    }

    /// Where a place starts afterwards; nothing if it is within what is replaced.
    fn later(&self, at: Origin) -> Option<u32> {
        let mut start = i64::from(at.start);
        for edit in self.0.iter().filter(|edit| edit.origin.source == at.source) {
            if edit.origin.end <= at.start {
                start += grows(edit);
            } else if edit.origin.start < at.start {
                return None;
            }
        }
        u32::try_from(start).ok()
    }

    /// A place of the edited texts in the original ones; nothing if it is within what was put in.
    fn earlier(&self, at: Origin) -> Option<Origin> {
        if !at.is_some() {
            return Some(at);
        }
        let (mut start, mut end) = (i64::from(at.start), i64::from(at.end));
        let mut grown = 0;
        for edit in self.0.iter().filter(|edit| edit.origin.source == at.source) {
            let first = i64::from(edit.origin.start) + grown;
            let last = i64::from(edit.origin.end) + grown + grows(edit);
            grown += grows(edit);
            if last <= i64::from(at.start) {
                start -= grows(edit);
                end -= grows(edit);
            } else if first >= i64::from(at.end) {
            } else if first >= i64::from(at.start) && last <= i64::from(at.end) {
                end -= grows(edit);
            } else {
                return None;
            }
        }
        Some(Origin { source: at.source, start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    /// A finding about the edited texts as one about the original ones.
    fn back(&self, finding: &Finding) -> Option<Finding> {
        let mut finding = finding.clone();
        finding.origin = self.earlier(finding.origin)?;
        for related in &mut finding.related {
            related.origin = self.earlier(related.origin)?;
        }
        for fix in [&mut finding.fix, &mut finding.likely_fix].into_iter().flatten() {
            for edit in &mut fix.edits {
                edit.origin = self.earlier(edit.origin)?;
            }
        }
        Some(finding)
    }
}

/// By how many bytes an edit makes a text longer.
fn grows(edit: &Edit) -> i64 {
    let new = i64::try_from(edit.replacement.len()).unwrap_or(i64::MAX);
    new - i64::from(edit.origin.end.saturating_sub(edit.origin.start))
}
