//! `explain` as Markdown, for a ticket or a pull request. In: an explanation. Out: headings, lists, code blocks.

use std::io::{self, Write};

use ringfence_analysis::{
    explain::{Repair, Step, StepKind},
    question::Ruling,
};
use ringfence_model::{cluster::Cluster, origin::Sources};

use super::{Explained, part_line, question_line, snippet};

/// Writes an explanation.
pub(crate) fn write(explained: &Explained<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Explained { question, answer, cluster, .. } = explained;
    writeln!(out, "## {}: `{}`", answer.summary.as_str(), question_line(question, answer))?;
    for note in &answer.notes {
        writeln!(out, "\n> {note}")?;
    }
    for (part, story) in explained.parts() {
        let line = part_line(part, question, cluster);
        writeln!(out, "\n### {}: `{line}`", part.ruling.outcome().as_str())?;
        if let Ruling::Refused(refusal) = &part.ruling {
            writeln!(out, "\n{}", refusal.describe())?;
        }
        for side in &story.sides {
            let (way, subject, outcome) = (side.direction.as_str(), &side.subject, side.outcome.as_str());
            writeln!(out, "\n**{way} at `{subject}`: {outcome}**\n")?;
            for step in &side.steps {
                write_step(step, cluster, out)?;
            }
        }
    }
    match explained.repair {
        Some(repair) => write_repair(repair, out),
        None => Ok(()),
    }
}

fn write_step(step: &Step, cluster: &Cluster, out: &mut dyn Write) -> io::Result<()> {
    let sources: &Sources = &cluster.sources;
    let place = snippet::place(step, sources).map(|place| format!(" ({place})")).unwrap_or_default();
    writeln!(out, "- {}{place}", step.text)?;
    for detail in &step.details {
        let place = sources.place(detail.origin).map(|place| format!(" ({place})")).unwrap_or_default();
        writeln!(out, "  - {}{place}", detail.text)?;
    }
    if !matches!(step.kind, StepKind::Rule | StepKind::Passed | StepKind::Nearest) {
        return Ok(());
    }
    let lines = snippet::lines(step, sources);
    if !lines.is_empty() {
        writeln!(out, "  ```yaml")?;
        for line in lines {
            writeln!(out, "  {}", line.text)?;
        }
        writeln!(out, "  ```")?;
    }
    Ok(())
}

fn write_repair(repair: &Repair, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n### What is missing\n")?;
    for note in &repair.notes {
        writeln!(out, "> {note}\n")?;
    }
    if repair.proposals.is_empty() {
        return Ok(());
    }
    writeln!(out, "With this added the connection is allowed (checked by adding it to the input):\n")?;
    writeln!(out, "```yaml")?;
    for (at, proposal) in repair.proposals.iter().enumerate() {
        if at > 0 {
            writeln!(out, "---")?;
        }
        writeln!(out, "# {}\n{}", proposal.purpose, proposal.yaml.trim_end())?;
    }
    writeln!(out, "```")
}
