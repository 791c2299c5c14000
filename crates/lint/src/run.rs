//! One run of the linter. In: an input and settings. Out: what the rules found, sorted.

use std::{
    cmp::Ordering,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering as Memory},
    },
    thread,
};

use crate::{
    consequences,
    context::Context,
    finding::Finding,
    input::Input,
    rule::{Rule, Severity},
    rules,
    settings::Settings,
    suppress::{Reason, paths},
};

/// What a run gave.
#[derive(Debug, Default)]
pub struct Checked {
    /// What was found, in the order of the texts, then of the rules.
    pub findings: Vec<Finding>,
    /// What was found too and is not to be shown, with the reasons given, in the same order.
    pub suppressed: Vec<(Finding, Reason)>,
}

impl Checked {
    /// How many findings there are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// Runs the rules that the settings select.
#[must_use]
pub fn check(input: &Input, settings: &Settings) -> Checked {
    let context = Context::new(input, settings);
    let (last, chosen): (Vec<&'static Rule>, Vec<&'static Rule>) = (rules::all().into_iter())
        .filter(|rule| settings.selects(rule))
        .partition(|rule| rules::is_about_the_run(rule));
    let (mut findings, mut suppressed, used) = context.suppressions().apply(run(&context, &chosen));
    context.note_used(used);
    findings.extend(run(&context, &last));
    let (findings, ignored) = paths::apply(findings, settings, &context.cluster.sources);
    suppressed.extend(ignored);
    let mut findings = consequences::fold(input, settings, findings);
    findings.sort_by(in_order);
    suppressed.sort_by(|(a, _), (b, _)| in_order(a, b));
    Checked { findings, suppressed }
}

/// What rules find, sorted, with the severities that are stated.
pub(crate) fn run(context: &Context<'_>, chosen: &[&'static Rule]) -> Vec<Finding> {
    let mut findings = in_parallel(context, chosen);
    for finding in &mut findings {
        if let Some(severity) = context.settings.severity_of(finding.rule) {
            finding.severity = severity;
        }
    }
    findings.sort_by(in_order);
    findings.dedup_by(|a, b| a.origin == b.origin && a.rule.code == b.rule.code && a.message == b.message);
    findings
}

/// The rules that ask what would be without a policy. No other answer takes as long, and a part of it keeps only one core
/// busy, so it is asked for at once.
const EFFECTS: [&str; 8] = ["RF403", "RF507", "RF509", "RF510", "RF602", "RF603", "RF604", "RF605"];

/// What rules find, in any order.
///
/// The threads are not those of the pool of which the engine makes use: such a thread may take up another rule while it
/// waits for the parts of something shared that one rule asked for, and that rule would then wait for itself.
fn in_parallel(context: &Context<'_>, chosen: &[&'static Rule]) -> Vec<Finding> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = || {
        while let Some(rule) = chosen.get(next.fetch_add(1, Memory::Relaxed)) {
            let findings = rule.findings(context);
            found.lock().unwrap_or_else(PoisonError::into_inner).extend(findings);
        }
    };
    let ask_early = || {
        context.effects();
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(chosen.len());
    thread::scope(|scope| {
        // Where no thread can be made, this one does everything.
        if chosen.iter().any(|rule| EFFECTS.contains(&rule.code)) {
            drop(thread::Builder::new().spawn_scoped(scope, ask_early));
        }
        for _ in 1..threads {
            drop(thread::Builder::new().spawn_scoped(scope, work));
        }
        work();
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The order of the texts, then of the rules.
fn in_order(a: &Finding, b: &Finding) -> Ordering {
    (a.origin, a.rule.code, &a.message).cmp(&(b.origin, b.rule.code, &b.message))
}
