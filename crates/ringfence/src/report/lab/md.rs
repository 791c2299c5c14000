//! `lab` as Markdown. In: a report. Out: the same as the text, as tables.

use std::io::{self, Write};

use super::{
    LabReport, open,
    table::{self, Table, shown},
};
use crate::report::{
    md::{cell, escape},
    test,
    words::count,
};

/// Writes the report.
pub(super) fn write(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let sign = if report.outcomes.disagreements().next().is_none() { "✅" } else { "❌" };
    writeln!(out, "**{sign} {}** ({})", escape(&report.summary()), report.times())?;
    for note in report.notes() {
        writeln!(out, "\n> {}", escape(&note))?;
    }
    if let Some(tested) = report.tested {
        writeln!(out)?;
        test::md::write(tested, out)?;
    }
    write_table(report, out)?;
    write_open(report, out)?;
    write_disagreements(report, out)?;
    write_undecided(report, out)?;
    write_drops(report, out)
}

fn write_table(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let table = Table::of(report);
    if table.rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Who reaches whom\n")?;
    let heads: Vec<String> = table.columns.iter().map(|at| (at + 1).to_string()).collect();
    writeln!(out, "| | From | {} |", heads.join(" | "))?;
    writeln!(out, "|---:|---|{}", ":-:|".repeat(heads.len()))?;
    let name = |at: usize| table.labels.get(at).map(|label| escape(label)).unwrap_or_default();
    for (at, cells) in &table.rows {
        let cells: Vec<&str> = cells.iter().map(|cell| cell.text.trim()).collect();
        writeln!(out, "| {} | {} | {} |", at + 1, name(*at), cells.join(" | "))?;
    }
    for at in table.columns.iter().filter(|at| table.rows.iter().all(|(row, _)| row != *at)) {
        writeln!(out, "| {} | {} |{}", at + 1, name(*at), " |".repeat(heads.len()))?;
    }
    let legend: Vec<String> =
        shown(&table).map(|(state, words)| format!("`{}` {words}", state.sign())).collect();
    if table.summed {
        writeln!(out, "\nBy namespace: pairs of workloads with an open port / pairs tried.")
    } else {
        writeln!(out, "\n{}.", legend.join(", "))
    }
}

fn write_open(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    if table::is_summed(report) {
        return writeln!(out, "\nOpen ports one by one: `--format json`.");
    }
    let found = open::open(report);
    if found.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## What is open\n\n| To | Ports | From |\n|---|---|---|")?;
    for open in &found {
        let mut to = cell(&open.to);
        for line in &open.lines {
            writeln!(out, "| {to} | {} | {} |", cell(&line.ports), escape(&line.sources.join(", ")))?;
            to.clear();
        }
    }
    if found.iter().flat_map(|open| &open.lines).any(|line| line.partly) {
        writeln!(out, "\n\\* not from or to every replica, node or address family.")?;
    }
    Ok(())
}

fn write_disagreements(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    if report.outcomes.disagreements().next().is_none() {
        return Ok(());
    }
    writeln!(out, "\n## Disagreements\n\n| Connection | Engine | Kernel | Rule |\n|---|---|---|---|")?;
    for tried in report.outcomes.disagreements() {
        let mut engine = vec![LabReport::engine(tried).to_owned()];
        engine.extend(report.reasons(tried));
        engine.extend(report.places(tried));
        let logged: Vec<String> = LabReport::logged(tried).into_iter().map(str::to_owned).collect();
        let (trial, kernel) = (escape(&report.trial(tried)), escape(&report.kernel(tried)));
        writeln!(out, "| {trial} | {} | {kernel} | {} |", cell(&engine), cell(&logged))?;
    }
    Ok(())
}

fn write_undecided(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let reasons = report.undecided();
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Undecided by packets\n\n| Probes | Why | Example |\n|---:|---|---|")?;
    for (why, tried) in reasons {
        let example = tried.first().map(|first| report.trial(first)).unwrap_or_default();
        writeln!(out, "| {} | {} | {} |", tried.len(), escape(why), escape(&example))?;
    }
    Ok(())
}

fn write_drops(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    for (audit, title) in [(false, "Refused, by rule"), (true, "Audit: would be refused, by rule")] {
        let rules = || report.drops.rules.iter().filter(|drop| drop.audit == audit);
        if rules().next().is_none() {
            continue;
        }
        let total = count(rules().map(|drop| drop.count).sum(), "record");
        writeln!(
            out,
            "\n## {title}\n\n{total}.\n\n| Count | Rule | Side | Where | Examples |\n|---:|---|---|---|---|"
        )?;
        for drop in rules() {
            let (rule, side) = (escape(&drop.rule), drop.direction.as_str());
            let (places, examples) = (cell(&drop.places), cell(&drop.examples));
            writeln!(out, "| {} | {rule} | {side} | {places} | {examples} |", drop.count)?;
        }
    }
    Ok(())
}
