//! `check` for people. In: a report. Out: each finding in the manner of rustc, the manifest that would help below it, and a
//! summary line.

use std::io::{self, Write};

use anstyle::Style;
use ringfence_lint::{Finding, Severity, page::split_help};
use ringfence_model::diagnostic::{Diagnostic, Severity as Level};

use super::{Report, style};
use crate::diagnostics;

const BOLD: Style = Style::new().bold();

/// Writes the report.
pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for reported in &report.findings {
        let finding = reported.finding;
        let (help, manifest) = finding.help.as_deref().map_or((None, ""), |help| {
            let (first, manifest) = split_help(help);
            (Some(first), manifest)
        });
        let fix = finding.fix.as_ref().map(|fix| format!("{} (`--fix` does it)", fix.title));
        let shown = diagnostics::render_with(&diagnostic(finding, help), report.sources, fix.as_deref());
        writeln!(out, "{shown}\n")?;
        if !manifest.is_empty() {
            for line in manifest.lines() {
                writeln!(out, "{}", format!("    {line}").trim_end())?;
            }
            writeln!(out)?;
        }
    }
    let worst = report.findings.iter().map(|reported| reported.finding.severity).max();
    let style = worst.map_or(BOLD, style);
    writeln!(out, "{style}{}{style:#}", report.summary())
}

fn diagnostic(finding: &Finding, help: Option<&str>) -> Diagnostic {
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
        help: help.map(str::to_owned),
        related: finding.related.clone(),
    }
}
