//! `diff` as Markdown, for a comment on a pull request. In: a report. Out: a summary and a table per kind of change.

use std::io::{self, Write};

use super::{KINDS, Report};
use crate::report::md::{cell, escape};

/// Longer tables are folded.
const LONG: usize = 20;

/// Writes the report.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut summary = report.summary();
    if let Some(first) = summary.get(..1).map(str::to_uppercase) {
        summary.replace_range(..1, &first);
    }
    writeln!(out, "**{summary}.**")?;
    for (kind, heading, _) in KINDS {
        let blocks = report.blocks(kind);
        if blocks.is_empty() {
            continue;
        }
        let long = blocks.iter().map(|block| block.lines.len()).sum::<usize>() > LONG;
        if long {
            writeln!(out, "\n<details><summary>{heading}</summary>\n")?;
        } else {
            writeln!(out, "\n### {heading}\n")?;
        }
        writeln!(out, "| From | To | Ports | Why |\n|---|---|---|---|")?;
        for block in &blocks {
            let mut sources = cell(&block.sources);
            for line in &block.lines {
                let (ports, why) = (cell(&line.facts.ports), cell(&line.facts.why));
                writeln!(out, "| {sources} | {} | {ports} | {why} |", cell(&line.targets))?;
                sources.clear();
            }
        }
        if long {
            writeln!(out, "\n</details>")?;
        }
    }
    let lists = [("New workloads", &report.diff.added), ("Removed workloads", &report.diff.removed)];
    for (heading, workloads) in lists.into_iter().filter(|(_, workloads)| !workloads.is_empty()) {
        writeln!(out, "\n{heading}: {}.", escape(&report.labels(workloads).join(", ")))?;
    }
    Ok(())
}
