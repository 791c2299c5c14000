//! One run of the linter. In: an input and settings. Out: what the rules found, sorted.

use rayon::prelude::*;

use crate::{
    context::Context,
    finding::{Finding, Findings},
    input::Input,
    rule::{Rule, Severity},
    rules,
    settings::Settings,
};

/// What a run gave.
#[derive(Debug, Default)]
pub struct Checked {
    /// What was found, in the order of the texts, then of the rules.
    pub findings: Vec<Finding>,
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
    let chosen: Vec<&'static Rule> = rules::all().into_iter().filter(|rule| settings.selects(rule)).collect();
    let found: Vec<Vec<Finding>> = (chosen.par_iter())
        .map(|rule| {
            let mut findings = Findings::new(rule);
            (rule.check)(&context, &mut findings);
            findings.into_vec()
        })
        .collect();
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    for finding in &mut findings {
        if let Some(severity) = settings.severity_of(finding.rule) {
            finding.severity = severity;
        }
    }
    findings.sort_by(|a, b| (a.origin, a.rule.code, &a.message).cmp(&(b.origin, b.rule.code, &b.message)));
    findings.dedup_by(|a, b| a.origin == b.origin && a.rule.code == b.rule.code && a.message == b.message);
    Checked { findings }
}
