//! `check` as Markdown. In: a report. Out: the counts, a table of the findings, and below it what to do about each.

use std::io::{self, Write};

use ringfence_lint::{Severity, page::split_help};

use super::{Place, Report, Reported};
use crate::report::md::escape;

/// Writes the report.
pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "**{}**", report.summary())?;
    if report.findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| | Rule | Place | Finding |\n|---|---|---|---|")?;
    for reported in &report.findings {
        let finding = reported.finding;
        let sign = match finding.severity {
            Severity::Error => "❌",
            Severity::Warning => "⚠️",
            Severity::Info => "ℹ️",
        };
        let place = escape(&place_of(report, reported));
        let rule = escape(&reported.title());
        writeln!(
            out,
            "| {sign} {} | {rule} | {place} | {} |",
            finding.severity,
            code_kept(&finding.message)
        )?;
    }
    for reported in &report.findings {
        details(report, reported, out)?;
    }
    Ok(())
}

/// `file:line`
fn place_of(report: &Report<'_>, reported: &Reported<'_>) -> String {
    let Place { file, start, .. } = report.place(reported.finding.origin);
    if file.is_empty() { String::new() } else { format!("{file}:{}", start.line) }
}

fn details(report: &Report<'_>, reported: &Reported<'_>, out: &mut dyn Write) -> io::Result<()> {
    let finding = reported.finding;
    if finding.help.is_none() && finding.label.is_none() && finding.related.is_empty() {
        return Ok(());
    }
    let place = place_of(report, reported);
    writeln!(out, "\n<details><summary>{}</summary>\n", html(&format!("{} {place}", finding.rule.code)))?;
    writeln!(out, "{}", code_kept(&finding.message))?;
    let mut notes: Vec<String> = Vec::new();
    notes.extend(finding.label.as_deref().map(code_kept));
    for related in &finding.related {
        let Place { file, start, .. } = report.place(related.origin);
        notes.push(format!("{}:{}: {}", escape(file), start.line, code_kept(&related.message)));
    }
    notes.extend(finding.fix.as_ref().map(|fix| format!("`--fix`: {}", code_kept(&fix.title))));
    if !notes.is_empty() {
        writeln!(out)?;
    }
    for note in notes {
        writeln!(out, "- {note}")?;
    }
    if let Some(help) = &finding.help {
        let (first, manifest) = split_help(help);
        writeln!(out, "\nHelp: {}", code_kept(first))?;
        if !manifest.is_empty() {
            let fence = fence(manifest);
            writeln!(out, "\n{fence}yaml\n{manifest}\n{fence}")?;
        }
    }
    writeln!(out, "\n</details>")
}

/// A message with what is in backticks as code, and the rest unchanged.
fn code_kept(message: &str) -> String {
    let pieces: Vec<&str> = message.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return escape(message);
    }
    let shown = pieces.iter().enumerate().map(|(at, piece)| {
        if at.is_multiple_of(2) {
            escape(piece)
        } else {
            format!("`{}`", piece.replace('|', "\\|").replace(['\n', '\r'], " "))
        }
    });
    shown.collect()
}

/// A fence that is longer than any in the text.
fn fence(text: &str) -> String {
    let longest =
        text.lines().map(|line| line.trim_start().chars().take_while(|letter| *letter == '`').count()).max();
    "`".repeat(longest.unwrap_or(0).max(2) + 1)
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stays_code_and_nothing_else_becomes_markup() {
        assert_eq!(code_kept("`a|b_c` has *two* <b>"), "`a\\|b_c` has \\*two\\* &lt;b>");
        assert_eq!(code_kept("a ` alone"), "a \\` alone");
        assert_eq!(fence("a\n````\n"), "`````");
    }
}
