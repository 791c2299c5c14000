//! `check` for people. In: findings. Out: each in the manner of rustc, and a summary line.

use std::io::{self, Write};

use ringfence_lint::{Checked, Finding, Severity};
use ringfence_model::{
    diagnostic::{Diagnostic, Severity as Level},
    origin::Sources,
};

use crate::diagnostics;

/// Writes the findings.
pub(crate) fn write(checked: &Checked, sources: &Sources, out: &mut dyn Write) -> io::Result<()> {
    for finding in &checked.findings {
        writeln!(out, "{}\n", diagnostics::render(&diagnostic(finding), sources))?;
    }
    let counts =
        Severity::ALL.iter().rev().map(|severity| format!("{} {severity}", checked.count(*severity)));
    writeln!(out, "{}", counts.collect::<Vec<_>>().join(", "))
}

fn diagnostic(finding: &Finding) -> Diagnostic {
    let severity = match finding.severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warning,
        Severity::Info => Level::Note,
    };
    Diagnostic {
        severity,
        code: finding.rule.code,
        message: finding.message.clone(),
        origin: finding.origin,
        label: finding.label.clone(),
        help: finding.help.clone(),
        related: finding.related.clone(),
    }
}
