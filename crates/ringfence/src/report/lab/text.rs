//! `lab` for people. In: a report. Out: a summary, the grid of who reaches whom, what is open on which ports, where kernel
//! and engine differ, and the drop log; 110 columns wide where names allow.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use ringfence_lab::trial::Tried;
use unicode_width::UnicodeWidthStr as _;

use super::{
    LabReport,
    drops::Drop,
    grid::State,
    open,
    table::{self, Table, shown},
};
use crate::report::{
    explain::text::{outcome, paragraph},
    layout::{beside, pad, wrap},
    test,
    words::count,
};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const PASS: Style = AnsiColor::Green.on_default().bold();
const FAIL: Style = AnsiColor::Red.on_default().bold();
const DOUBT: Style = AnsiColor::Yellow.on_default();

/// The width that the report is made for.
const WIDTH: usize = 110;

/// The columns of destinations and of their ports are no wider than these.
const WIDEST_NAME: usize = 34;
const WIDEST_PORTS: usize = 26;

/// So many disagreements are told; the rest are counted.
const MOST_DISAGREEMENTS: usize = 20;

/// So many rules of the drop log are told; the rest are counted.
const MOST_RULES: usize = 40;

/// Writes the report.
pub(super) fn write(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let differ = report.outcomes.disagreements().next().is_some();
    let (style, word) = if differ { (FAIL, "DISAGREE") } else { (PASS, "agree") };
    writeln!(out, "{style}{word}{style:#}  {BOLD}{}{BOLD:#}", report.summary())?;
    writeln!(out, "{DIM}{:width$}{}{DIM:#}", "", report.times(), width = word.len() + 2)?;
    for note in report.notes() {
        paragraph(out, 0, "note: ", &note)?;
    }
    if let Some(tested) = report.tested {
        writeln!(out)?;
        test::text::write(tested, out)?;
    }
    write_table(report, out)?;
    write_open(report, out)?;
    write_disagreements(report, out)?;
    write_undecided(report, out)?;
    write_drops(report, out)
}

fn style(state: State) -> Style {
    match state {
        State::All | State::Some => AnsiColor::Green.on_default(),
        State::None | State::Untried => DIM,
        State::Differs => FAIL,
        State::Undecided => DOUBT,
    }
}

fn write_table(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let table = Table::of(report);
    if table.rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}Who reaches whom{BOLD:#}{DIM}, rows to columns, as the packets found it{DIM:#}")?;
    let digits = table.labels.len().to_string().len();
    let cells = || table.rows.iter().flat_map(|(_, cells)| cells);
    let widest = cells().map(|cell| cell.text.chars().count()).max().unwrap_or(1);
    let column = if widest > 1 { widest.max(digits) + 1 } else { 2 };
    let room = WIDTH.saturating_sub(digits + 3 + column * table.columns.len()).max(18);
    let names = table.rows.iter().filter_map(|(at, _)| table.labels.get(*at));
    let left = names.map(|name| name.width()).max().unwrap_or(0).min(room);
    // Numbers stand upright where a column is as narrow as a sign.
    let heads: Vec<String> = table.columns.iter().map(|at| format!("{:>digits$}", at + 1)).collect();
    if widest > 1 {
        let heads: String = heads.iter().map(|head| format!("{head:>column$}")).collect();
        writeln!(out, "{:1$}{DIM}{heads}{DIM:#}", "", digits + 2 + left)?;
    } else {
        for digit in 0..digits {
            let line: String =
                heads.iter().map(|head| format!(" {}", head.chars().nth(digit).unwrap_or(' '))).collect();
            writeln!(out, "{:1$}{DIM}{2}{DIM:#}", "", digits + 2 + left, line.trim_end())?;
        }
    }
    for (at, cells) in &table.rows {
        let name = table.labels.get(*at).map_or("", String::as_str);
        write!(out, "{DIM}{:>digits$}{DIM:#}  {}", at + 1, pad(&shortened(name, left), left))?;
        for cell in cells {
            let style = style(cell.state);
            write!(
                out,
                "{:width$}{style}{}{style:#}",
                "",
                cell.text,
                width = column - cell.text.chars().count()
            )?;
        }
        writeln!(out)?;
    }
    // What is only a column has its number explained too.
    for at in table.columns.iter().filter(|at| table.rows.iter().all(|(row, _)| row != *at)) {
        let name = table.labels.get(*at).map_or("", String::as_str);
        writeln!(out, "{DIM}{:>digits$}{DIM:#}  {name}", at + 1)?;
    }
    write!(out, "{DIM}{:digits$}  ", "")?;
    for (at, (state, words)) in shown(&table).enumerate() {
        let gap = if at == 0 { "" } else { "   " };
        write!(out, "{gap}{} {words}", state.sign())?;
    }
    if table.summed {
        write!(out, "by namespace: pairs of workloads with an open port / pairs tried")?;
    }
    writeln!(out, "{DIM:#}")
}

/// A name that is too long loses its middle, because both its ends tell names apart.
fn shortened(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width || width < 5 {
        return name.to_owned();
    }
    let (head, tail) = ((width - 1) / 2, width - 1 - (width - 1) / 2);
    let chars = || name.chars();
    chars().take(head).chain(['…']).chain(chars().skip(length - tail)).collect()
}

fn write_open(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    if table::is_summed(report) {
        return writeln!(out, "{DIM}Open ports one by one: --format json{DIM:#}");
    }
    let found = open::open(report);
    if found.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}What is open{BOLD:#}{DIM}, to whom, on which ports, from where{DIM:#}")?;
    let lines = || found.iter().flat_map(|open| &open.lines);
    let name = found.iter().flat_map(|open| &open.to).map(|to| to.width() + 1).max();
    let name = name.unwrap_or(0).min(WIDEST_NAME);
    let ports = lines().map(|line| line.ports.join(", ").width()).max().unwrap_or(0).min(WIDEST_PORTS);
    let rest = WIDTH - name - ports - 6;
    for open in &found {
        let ways = open.lines.iter().flat_map(|line| {
            beside(wrap(&line.ports, ports), wrap(&line.sources, rest))
                .map(|(which, from)| format!("{}  {from}", pad(&which, ports)))
        });
        for (to, way) in beside(wrap(&open.to, name), ways.collect()) {
            if to.width() > name {
                writeln!(out, "  {to}\n  {:name$}  {way}", "")?;
            } else {
                writeln!(out, "{}", format!("  {}  {way}", pad(&to, name)).trim_end())?;
            }
        }
    }
    if lines().any(|line| line.partly) {
        writeln!(out, "{DIM}  * not from or to every replica, node or address family{DIM:#}")?;
    }
    Ok(())
}

fn write_disagreements(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let differ: Vec<&Tried> = report.outcomes.disagreements().collect();
    if differ.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}Disagreements{BOLD:#}")?;
    for tried in differ.iter().take(MOST_DISAGREEMENTS) {
        writeln!(out, "  {FAIL}!{FAIL:#} {BOLD}{}{BOLD:#}", report.trial(tried))?;
        writeln!(out, "      engine  {}", outcome(LabReport::engine(tried)))?;
        for reason in report.reasons(tried) {
            paragraph(out, 14, "", &reason)?;
        }
        for place in report.places(tried) {
            writeln!(out, "{:14}{DIM}{place}{DIM:#}", "")?;
        }
        writeln!(out, "      kernel  {}", report.kernel(tried))?;
        for rule in LabReport::logged(tried) {
            writeln!(out, "      rule    {rule}")?;
        }
    }
    let rest = differ.len().saturating_sub(MOST_DISAGREEMENTS);
    if rest > 0 {
        writeln!(out, "  and {rest} more (all of them: --format json)")?;
    }
    Ok(())
}

fn write_undecided(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let reasons = report.undecided();
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}Undecided by packets{BOLD:#}")?;
    for (why, tried) in reasons {
        paragraph(out, 2, "? ", &format!("{}: {why}", count(tried.len(), "probe")))?;
        if let Some(first) = tried.first() {
            writeln!(out, "    {DIM}{}{DIM:#}", report.trial(first))?;
        }
    }
    Ok(())
}

fn write_drops(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    for (audit, title) in [(false, "Refused, by rule"), (true, "Audit: would be refused, by rule")] {
        let rules: Vec<&Drop> = report.drops.rules.iter().filter(|drop| drop.audit == audit).collect();
        if rules.is_empty() {
            continue;
        }
        writeln!(out, "\n{BOLD}{title}{BOLD:#}")?;
        let digits = rules.iter().map(|drop| drop.count.to_string().len()).max().unwrap_or(1);
        for drop in rules.iter().take(MOST_RULES) {
            let inner = digits + 4;
            writeln!(
                out,
                "  {:>digits$}  {} {DIM}({}){DIM:#}",
                drop.count,
                drop.rule,
                drop.direction.as_str()
            )?;
            for line in wrap(&drop.places, WIDTH - inner) {
                writeln!(out, "{:inner$}{DIM}{line}{DIM:#}", "")?;
            }
            for line in wrap(&drop.examples, WIDTH - inner) {
                writeln!(out, "{:inner$}{line}", "")?;
            }
        }
        let rest = rules.len().saturating_sub(MOST_RULES);
        if rest > 0 {
            writeln!(out, "  and {rest} more rules (all of them: --format json)")?;
        }
    }
    Ok(())
}
