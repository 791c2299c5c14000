//! One run of the linter. In: an input and settings. Out: what the rules found, sorted.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::{
    context::Context,
    finding::{Finding, Findings},
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
    let (mut findings, ignored) = paths::apply(findings, settings, &context.cluster.sources);
    suppressed.extend(ignored);
    findings.sort_by(in_order);
    suppressed.sort_by(|(a, _), (b, _)| in_order(a, b));
    Checked { findings, suppressed }
}

/// What rules find, sorted, with the severities that are stated.
fn run(context: &Context<'_>, chosen: &[&'static Rule]) -> Vec<Finding> {
    let found: Vec<Vec<Finding>> = (chosen.par_iter())
        .map(|rule| {
            let mut findings = Findings::new(rule);
            (rule.check)(context, &mut findings);
            findings.into_vec()
        })
        .collect();
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    for finding in &mut findings {
        if let Some(severity) = context.settings.severity_of(finding.rule) {
            finding.severity = severity;
        }
    }
    findings.sort_by(in_order);
    findings.dedup_by(|a, b| a.origin == b.origin && a.rule.code == b.rule.code && a.message == b.message);
    findings
}

/// The order of the texts, then of the rules.
fn in_order(a: &Finding, b: &Finding) -> Ordering {
    (a.origin, a.rule.code, &a.message).cmp(&(b.origin, b.rule.code, &b.message))
}
