//! `connections` as Markdown, for a document. In: a report. Out: a table, and one of the entry points.

use std::io::{self, Write};

use super::{
    Report,
    blocks::{self, Blocks, Names},
};
use crate::report::words::count;

/// Writes the report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Blocks { blocks, connections } = blocks::of(report);
    let ports = if report.listing.view.denied { "Denied ports" } else { "Ports" };
    writeln!(out, "| From | To | {ports} |\n|---|---|---|")?;
    for block in &blocks {
        let mut sources = cell(&block.sources);
        for line in &block.lines {
            writeln!(out, "| {sources} | {} | {} |", cell(&line.targets), cell(&line.ports))?;
            sources.clear();
        }
    }
    let what = if report.listing.view.denied { "denied connection" } else { "connection" };
    writeln!(out, "\n{}.", count(connections, what))?;
    if report.entries.is_empty() {
        return Ok(());
    }
    let names = Names::of(report);
    writeln!(out, "\n| Entry point | Leads to | Policy |\n|---|---|---|")?;
    for entry in &report.entries {
        let (title, leads) = blocks::entry(entry, &names);
        let mut title = escape(&title);
        for (destination, gate) in leads {
            writeln!(out, "| {title} | {} | {} |", escape(&destination), escape(&gate))?;
            title.clear();
        }
    }
    Ok(())
}

fn cell(pieces: &[String]) -> String {
    let pieces: Vec<String> = pieces.iter().map(|piece| escape(piece)).collect();
    pieces.join("<br>")
}

/// A text as Markdown shows it unchanged within a table.
pub(in crate::report) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '*' | '_' | '\\' | '`' | '[' | ']' => out.extend(['\\', character]),
            '<' => out.push_str("&lt;"),
            '\n' | '\r' => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}
