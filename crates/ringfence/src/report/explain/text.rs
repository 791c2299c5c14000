//! `explain` for people. In: an explanation. Out: text with terminal styles, 80 columns wide.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use ringfence_analysis::{
    explain::{Repair, SideStory, Step, StepKind, Story},
    question::{Part, Ruling},
};
use ringfence_model::cluster::Cluster;

use super::{Explained, part_line, question_line, snippet};

/// Lines are wrapped to so many columns.
const WIDTH: usize = 80;

/// So many parts are told; the rest are counted.
const MOST_PARTS: usize = 20;

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// The style of an outcome's word.
pub(crate) fn outcome_style(word: &str) -> Style {
    let color = match word {
        "allow" => AnsiColor::Green,
        "deny" => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    color.on_default().bold()
}

/// An outcome's word in its colour.
pub(crate) fn outcome(word: &str) -> String {
    let style = outcome_style(word);
    format!("{style}{word}{style:#}")
}

/// Writes an explanation.
pub(crate) fn write(explained: &Explained<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Explained { question, answer, .. } = explained;
    let line = question_line(question, answer);
    writeln!(out, "{}  {BOLD}{line}{BOLD:#}", outcome(answer.summary.as_str()))?;
    for note in &answer.notes {
        paragraph(out, 2, "note: ", note)?;
    }
    write_parts(explained, 0, out)?;
    if let Some(repair) = explained.repair {
        writeln!(out)?;
        write_repair(repair, out)?;
    }
    Ok(())
}

/// Writes the parts and their stories, indented.
pub(crate) fn write_parts(explained: &Explained<'_>, indent: usize, out: &mut dyn Write) -> io::Result<()> {
    let several = explained.answer.parts.len() > 1;
    for (part, story) in explained.parts().take(MOST_PARTS) {
        writeln!(out)?;
        let mut depth = indent;
        if several || (part.asked != part.ports && matches!(part.ruling, Ruling::Judged { .. })) {
            let word = part.ruling.outcome().as_str();
            let line = part_line(part, explained.question, explained.cluster);
            writeln!(out, "{:depth$}{}  {line}", "", outcome(word))?;
            depth += 2;
        }
        write_story(part, story, explained.cluster, depth, out)?;
    }
    let rest = explained.answer.parts.len().saturating_sub(MOST_PARTS);
    if rest > 0 {
        writeln!(out, "\n{:indent$}and {rest} more parts (all of them: --format json)", "")?;
    }
    Ok(())
}

fn write_story(
    part: &Part,
    story: &Story,
    cluster: &Cluster,
    indent: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    if let Ruling::Refused(refusal) = &part.ruling {
        return paragraph(out, indent, "", &refusal.describe());
    }
    for side in &story.sides {
        write_side(side, cluster, indent, out)?;
    }
    Ok(())
}

fn write_side(side: &SideStory, cluster: &Cluster, indent: usize, out: &mut dyn Write) -> io::Result<()> {
    let (way, subject) = (side.direction.as_str(), &side.subject);
    writeln!(out, "{:indent$}{way} at {subject}: {}", "", outcome(side.outcome.as_str()))?;
    for step in &side.steps {
        write_step(step, cluster, indent + 2, out)?;
    }
    Ok(())
}

fn write_step(step: &Step, cluster: &Cluster, indent: usize, out: &mut dyn Write) -> io::Result<()> {
    let place = snippet::place(step, &cluster.sources);
    let inner = indent + 2;
    if let (StepKind::Isolated, Some(place)) = (step.kind, &place)
        && inner + step.text.chars().count() + 1 + place.chars().count() <= WIDTH
    {
        return writeln!(out, "{:indent$}- {} {DIM}{place}{DIM:#}", "", step.text);
    }
    paragraph(out, indent, "- ", &step.text)?;
    for detail in &step.details {
        paragraph(out, inner, "* ", &detail.text)?;
        if let Some(place) = cluster.sources.place(detail.origin) {
            writeln!(out, "{:width$}{DIM}{place}{DIM:#}", "", width = inner + 2)?;
        }
    }
    if let Some(place) = place {
        writeln!(out, "{:inner$}{DIM}{place}{DIM:#}", "")?;
    }
    if !matches!(step.kind, StepKind::Rule | StepKind::Passed | StepKind::Nearest) {
        return Ok(());
    }
    for line in snippet::lines(step, &cluster.sources) {
        let (number, text) = (line.number, &line.text);
        let mark = if line.marked { '>' } else { ' ' };
        writeln!(out, "{:inner$}{DIM}{mark}{number:>4} |{DIM:#} {text}", "")?;
    }
    Ok(())
}

/// Writes what is missing.
fn write_repair(repair: &Repair, out: &mut dyn Write) -> io::Result<()> {
    for note in &repair.notes {
        paragraph(out, 0, "note: ", note)?;
    }
    let found = match repair.proposals.len() {
        0 => return Ok(()),
        1 => {
            "What is missing: this policy. The connection is allowed with it, which has been checked by adding it to the input."
        }
        _ => {
            "What is missing: these policies. The connection is allowed with them, which has been checked by adding them to the input."
        }
    };
    paragraph(out, 0, "", found)?;
    for proposal in &repair.proposals {
        writeln!(out, "---\n# {}\n{}", proposal.purpose, proposal.yaml.trim_end())?;
    }
    Ok(())
}

/// Writes a text with a lead, wrapped, the further lines below the first word.
pub(crate) fn paragraph(out: &mut dyn Write, indent: usize, lead: &str, text: &str) -> io::Result<()> {
    let inner = indent + lead.len();
    write!(out, "{:indent$}{lead}", "")?;
    let mut column = inner;
    for (at, word) in text.split(' ').enumerate() {
        let width = word.chars().count();
        if at > 0 && column + 1 + width > WIDTH {
            write!(out, "\n{:inner$}", "")?;
            column = inner;
        } else if at > 0 {
            write!(out, " ")?;
            column += 1;
        }
        write!(out, "{word}")?;
        column += width;
    }
    writeln!(out)
}
