//! `connections` as Markdown, for a document. In: a report. Out: a table, and one of the entry points.

use std::io::{self, Write};

use super::{
    Report,
    blocks::{self, Blocks},
};
use crate::report::{
    md::{cell, escape},
    words::count,
};

/// Writes the report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Blocks { blocks, connections } = blocks::of(report);
    let ports = if report.listing.view.denied { "Denied ports" } else { "Ports" };
    writeln!(out, "| From | To | {ports} |\n|---|---|---|")?;
    for block in &blocks {
        let mut sources = cell(&block.sources);
        for line in &block.lines {
            writeln!(out, "| {sources} | {} | {} |", cell(&line.targets), cell(&line.facts.ports))?;
            sources.clear();
        }
    }
    let what = if report.listing.view.denied { "denied connection" } else { "connection" };
    writeln!(out, "\n{}.", count(connections, what))?;
    if report.entries.is_empty() {
        return Ok(());
    }
    let names = blocks::names(report);
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
