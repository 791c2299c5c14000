//! The list of the linter's rules. In: the rules. Out: text in columns by subject, or JSON.

use std::io::{self, Write};

use anstyle::Style;
use ringfence_lint::{Rule, page, rules};
use serde::Serialize;

use super::{check, layout};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Writes the list for people.
pub(crate) fn text(out: &mut dyn Write) -> io::Result<()> {
    let all = rules::all();
    let name_width = all.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    let mut first = true;
    for (beginning, subject) in page::SUBJECTS {
        let of_subject: Vec<&&Rule> = all.iter().filter(|rule| rule.code.starts_with(beginning)).collect();
        if of_subject.is_empty() {
            continue;
        }
        let gap = if first { "" } else { "\n" };
        first = false;
        writeln!(out, "{gap}{BOLD}{beginning}xx  {subject}{BOLD:#}")?;
        for rule in of_subject {
            let (name, severity) = (layout::pad(rule.name, name_width), rule.severity.as_str());
            let style = check::style(rule.severity);
            let severity =
                format!("{style}{severity}{style:#}{}", " ".repeat("warning".len() - severity.len()));
            let notes = notes(rule);
            writeln!(out, "{}  {name}  {severity}  {}{DIM}{notes}{DIM:#}", rule.code, rule.summary)?;
        }
    }
    Ok(())
}

/// ` (fixable, only when selected)`, or nothing.
fn notes(rule: &Rule) -> String {
    let fixable = page::is_fixable(rule).then_some("fixable");
    let opt_in = rule.opt_in.then_some("only when selected");
    let notes: Vec<&str> = [fixable, opt_in].into_iter().flatten().collect();
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) }
}

#[derive(Serialize)]
struct Document {
    version: u32,
    rules: Vec<RuleJson>,
}

#[derive(Serialize)]
struct RuleJson {
    rule: &'static str,
    name: &'static str,
    severity: &'static str,
    fixable: bool,
    opt_in: bool,
    since: &'static str,
    summary: &'static str,
}

/// Writes the list as JSON, version 1.
pub(crate) fn json(out: &mut dyn Write) -> io::Result<()> {
    let rules = rules::all().into_iter().map(|rule| RuleJson {
        rule: rule.code,
        name: rule.name,
        severity: rule.severity.as_str(),
        fixable: page::is_fixable(rule),
        opt_in: rule.opt_in,
        since: rule.since,
        summary: rule.summary,
    });
    serde_json::to_writer_pretty(&mut *out, &Document { version: 1, rules: rules.collect() })?;
    writeln!(out)
}
