//! `diff` for people. In: a report. Out: aligned text, opened and cut apart, with the lines of policy responsible.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use ringfence_analysis::diff::Kind;
use unicode_width::UnicodeWidthStr as _;

use super::{KINDS, Report};
use crate::report::layout::{WIDTH, beside, pad, wrap};

const HEADING: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// The left column is no wider than this.
const WIDEST_LEFT: usize = 40;

/// Writes the report.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for (kind, heading, mark) in KINDS {
        let blocks = report.blocks(kind);
        if blocks.is_empty() {
            continue;
        }
        let style = style(kind);
        writeln!(out, "{style}{heading}{style:#}")?;
        let widest = blocks.iter().flat_map(|block| &block.lines).flat_map(|line| &line.targets);
        let left = (widest.map(|target| target.width()).max().unwrap_or(0) + 1).clamp(20, WIDEST_LEFT);
        let right = WIDTH - left - 9;
        for block in &blocks {
            for line in wrap(&block.sources, WIDTH - 2) {
                writeln!(out, "  {HEADING}{line}{HEADING:#}")?;
            }
            for (at, line) in block.lines.iter().enumerate() {
                let mut mark = mark;
                for (target, ports) in beside(wrap(&line.targets, left), wrap(&line.facts.ports, right)) {
                    let text = format!("{}  {ports}", pad(&target, left));
                    writeln!(out, "    {style}{mark}{style:#} {}", text.trim_end())?;
                    mark = " ";
                }
                // Lines in a row with the same reasons say them once.
                let next = block.lines.get(at + 1).map(|line| &line.facts.why);
                if next != Some(&line.facts.why) {
                    for reason in &line.facts.why {
                        write_reason(reason, out)?;
                    }
                }
            }
        }
        writeln!(out)?;
    }
    let lists = [("New workloads", &report.diff.added), ("Removed workloads", &report.diff.removed)];
    for (heading, workloads) in lists.into_iter().filter(|(_, workloads)| !workloads.is_empty()) {
        writeln!(out, "{HEADING}{heading}{HEADING:#}")?;
        for line in wrap(&report.labels(workloads), WIDTH - 2) {
            writeln!(out, "  {line}")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", report.summary())
}

fn style(kind: Kind) -> Style {
    match kind {
        Kind::Opened => AnsiColor::Green.on_default().bold(),
        Kind::Cut => AnsiColor::Red.on_default().bold(),
        Kind::Changed => AnsiColor::Yellow.on_default().bold(),
    }
}

/// One reason; the place goes to a line of its own if it does not fit.
fn write_reason(reason: &str, out: &mut dyn Write) -> io::Result<()> {
    const INDENT: usize = 8;
    match reason.rsplit_once(" (") {
        Some((what, place)) if reason.width() + INDENT > WIDTH => {
            writeln!(out, "{:INDENT$}{FAINT}{what}{FAINT:#}", "")?;
            writeln!(out, "{:INDENT$}  {FAINT}({place}{FAINT:#}", "")
        }
        _ => writeln!(out, "{:INDENT$}{FAINT}{reason}{FAINT:#}", ""),
    }
}
