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
    finding::{Finding, Fix},
    fix::edited,
    input::Input,
    rule::{Rule, Severity},
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
    let mut causes = numbers(&|finding| is_cause(finding.rule) && repair(finding).is_some());
    let consequences = numbers(&|finding| is_consequence(finding.rule));
    causes.truncate(MOST_CAUSES);
    if consequences.is_empty() || causes.len().saturating_mul(input.objects) > MOST_OBJECTS {
        return findings;
    }
    let texts: Vec<manifest::Input> = (input.compiled.cluster().sources.iter())
        .map(|(_, source)| manifest::Input { name: source.name.to_string(), text: source.text.to_string() })
        .collect();
    // By consequence: the causes.
    let mut becomes: BTreeMap<usize, Vec<(usize, Becomes)>> = BTreeMap::new();
    for cause in causes {
        let Some(fix) = findings.get(cause).and_then(repair) else { continue };
        let of_it: Vec<usize> = consequences
            .iter()
            .copied()
            .filter(|at| {
                let rule = findings.get(cause).map(|finding| finding.rule);
                rule.zip(findings.get(*at)).is_some_and(|(rule, finding)| may_explain(rule, finding.rule))
            })
            .collect();
        for (at, what) in without(input, settings, &texts, &fix, &findings, &of_it) {
            becomes.entry(at).or_default().push((cause, what));
        }
    }
    let mut told: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for (at, by) in becomes {
        let mut less = Vec::new();
        for (cause, what) in by {
            match what {
                Becomes::Nothing => {
                    gone.insert(at);
                    told.entry(cause).or_default().push(at);
                }
                Becomes::Less(finding) => less.push(finding),
            }
        }
        if let ([_], Some(finding)) = (less.as_slice(), findings.get_mut(at))
            && let Some(rest) = less.pop()
        {
            *finding = *rest;
        }
    }
    for (cause, of_it) in told {
        let of_it: Vec<Finding> = of_it.iter().filter_map(|at| findings.get(*at).cloned()).collect();
        if let Some(finding) = findings.get_mut(cause) {
            tell(finding, &of_it, settings);
        }
    }
    let mut at = 0..;
    findings.retain(|_| at.next().is_none_or(|at| !gone.contains(&at)));
    findings
}

/// What becomes of consequences when a repair is made.
fn without(
    before: &Input,
    settings: &Settings,
    texts: &[manifest::Input],
    fix: &Fix,
    findings: &[Finding],
    consequences: &[usize],
) -> Vec<(usize, Becomes)> {
    let Ok(texts) = edited(texts, &[fix]) else { return Vec::new() };
    let after = Input::read(texts, settings);
    let unreadable =
        |input: &Input| input.diagnostics.iter().filter(|found| found.severity == Level::Error).count();
    if unreadable(&after) > unreadable(before) {
        return Vec::new();
    }
    let of = |at: &usize| findings.get(*at);
    let mut rules: Vec<&'static Rule> = consequences.iter().filter_map(of).map(|one| one.rule).collect();
    rules.sort_by_key(|rule| rule.code);
    rules.dedup_by_key(|rule| rule.code);
    let context = Context::new(&after, settings);
    let (left, _, _) = context.suppressions().apply(run(&context, &rules));
    let shift = Shift::new(&fix.edits);
    let mut found = Vec::new();
    for at in consequences {
        let Some(finding) = findings.get(*at) else { continue };
        let same_rule = |other: &&Finding| other.rule.code == finding.rule.code;
        if left.iter().filter(same_rule).any(|other| other.message == finding.message) {
            continue;
        }
        let Some(start) = shift.later(finding.origin) else { continue };
        let there =
            |other: &&Finding| (other.origin.source, other.origin.start) == (finding.origin.source, start);
        match left.iter().filter(same_rule).find(there) {
            None => found.push((*at, Becomes::Nothing)),
            Some(rest) => {
                let rest = shift.back(rest).map(|rest| (*at, Becomes::Less(Box::new(rest))));
                found.extend(rest);
            }
        }
    }
    found
}

/// Says what comes of a cause, and makes it as bad as that.
fn tell(cause: &mut Finding, of_it: &[Finding], settings: &Settings) {
    let worth_saying: Vec<&Finding> = of_it.iter().filter(|one| one.severity > Severity::Info).collect();
    let more = worth_saying.len().saturating_sub(TOLD);
    for (at, one) in (1..).zip(worth_saying.iter().take(TOLD)) {
        let rest = if at == TOLD && more > 0 { format!(", and {more} more") } else { String::new() };
        cause.related(one.origin, format!("so {}{rest}", one.message));
    }
    let Some(worst) = worth_saying.iter().map(|one| one.severity).max() else { return };
    if settings.severity_of(cause.rule).is_none() {
        cause.severity = cause.severity.max(worst);
    }
    // What other findings bear out is no guess any more.
    if let Some(fix) = cause.likely_fix.take() {
        cause.fix.get_or_insert(fix);
    }
}

/// Where things are after some edits.
struct Shift<'e>(Vec<&'e Edit>);

impl<'e> Shift<'e> {
    fn new(edits: &'e [Edit]) -> Self {
        let mut edits: Vec<&Edit> = edits.iter().collect();
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
