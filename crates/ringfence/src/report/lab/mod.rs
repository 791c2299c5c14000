//! Reports of `lab`. In: what came of the trials. Out: text, Markdown, JSON, JUnit.

pub(crate) mod changes;
mod drops;
mod ends;
mod grid;
mod json;
mod junit;
mod md;
mod open;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, Write};

use ringfence_lab::trial::{Expected, Kernel, Outcomes, Tried};
use ringfence_model::{
    cluster::Cluster,
    origin::Origin,
    verdict::{Reason, Verdict},
};

use self::{drops::Drops, ends::Ends, grid::Grid};
use super::{explain::brief, test::Tested, words::count};
use crate::args::lab::Format;

/// What a lab found out.
pub(crate) struct LabReport<'a> {
    outcomes: &'a Outcomes,
    cluster: &'a Cluster,
    /// What packets say of a matrix, if there is one.
    tested: Option<&'a Tested<'a>>,
    ends: Ends<'a>,
    grid: Grid,
    drops: Drops,
}

impl<'a> LabReport<'a> {
    /// Of what came of the trials, which are about the completed cluster.
    pub(crate) fn new(outcomes: &'a Outcomes, cluster: &'a Cluster, tested: Option<&'a Tested<'a>>) -> Self {
        let ends = Ends::of(&outcomes.tried, cluster);
        let grid = Grid::of(&outcomes.tried, &ends);
        let drops = Drops::of(&outcomes.tried, &ends, cluster);
        Self { outcomes, cluster, tested, ends, grid, drops }
    }

    /// Whether kernel and engine agree on everything, and the matrix, if there is one, holds.
    pub(crate) fn is_fine(&self) -> bool {
        self.outcomes.disagreements().next().is_none()
            && self.tested.is_none_or(|tested| tested.report.failed() == 0)
    }

    /// Writes the report.
    ///
    /// # Errors
    /// If writing fails.
    pub(crate) fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Text => text::write(self, out),
            Format::Md => md::write(self, out),
            Format::Json => json::write(self, out),
            Format::Junit => junit::write(self, out),
        }
    }

    /// `30 pods, 8214 probes: kernel and engine agree on every one`.
    fn summary(&self) -> String {
        let tried = &self.outcomes.tried;
        let differ = self.outcomes.disagreements().count();
        let undecided = tried.iter().filter(|one| matches!(one.kernel, Kernel::Undecided(_))).count();
        let of = format!("{}, {}", count(self.outcomes.pods, "pod"), count(tried.len(), "probe"));
        let result = match differ {
            0 if tried.is_empty() => "nothing was tried".to_owned(),
            0 if undecided == tried.len() => "no packet decides any of them".to_owned(),
            0 if undecided > 0 => "kernel and engine agree on every one that a packet decides".to_owned(),
            0 => "kernel and engine agree on every one".to_owned(),
            _ => format!("kernel and engine disagree on {differ}"),
        };
        let undecided = if undecided > 0 { format!(" ({undecided} undecided)") } else { String::new() };
        format!("{of}: {result}{undecided}")
    }

    /// `ready in 1.83 s, probed in 3.20 s`.
    fn times(&self) -> String {
        let (ready, probing) = (self.outcomes.ready.as_secs_f64(), self.outcomes.probing.as_secs_f64());
        format!("ready in {ready:.2} s, probed in {probing:.2} s")
    }

    /// What the reader should know about how much the report says.
    fn notes(&self) -> Vec<String> {
        let mut notes = self.outcomes.notes.clone();
        if self.outcomes.lost_records > 0 {
            notes.push(format!(
                "the drop log is not complete: records of the nodes' logs that were lost: {}",
                self.outcomes.lost_records
            ));
        }
        if self.drops.silent > 0 {
            notes.push(format!(
                "no record in a node's log explains {}",
                count(self.drops.silent, "denied probe")
            ));
        }
        notes
    }

    /// The undecided trials by reason.
    fn undecided(&self) -> Vec<(&'a str, Vec<&'a Tried>)> {
        let mut reasons: Vec<(&str, Vec<&Tried>)> = Vec::new();
        for one in &self.outcomes.tried {
            let Kernel::Undecided(why) = &one.kernel else { continue };
            match reasons.iter_mut().find(|(known, _)| known == why) {
                Some((_, tried)) => tried.push(one),
                None => reasons.push((why, vec![one])),
            }
        }
        reasons
    }

    /// `shop/web-0 -> data/postgres-0 5432/TCP`, with the family if there are two.
    fn trial(&self, tried: &Tried) -> String {
        let trial = &tried.trial;
        let (from, to) = (self.ends.endpoint(&trial.from), self.ends.destination(&trial.to));
        let mut text = format!("{from} -> {to} {}", grid::port_text(trial.protocol, trial.port));
        if self.cluster.families().len() > 1 {
            text.push_str(&format!(" over {}", trial.family.as_str()));
        }
        text
    }

    /// What the engine says: `allow`, `deny`, or `mixed` of a Service whose backends differ.
    fn engine(tried: &Tried) -> &'static str {
        tried.trial.expected.outcome().map_or("mixed", ringfence_model::verdict::Outcome::as_str)
    }

    /// Why the engine says so: of each backend that may answer, if it is a Service.
    fn reasons(&self, tried: &Tried) -> Vec<String> {
        match &tried.trial.expected {
            Expected::One(verdict) => vec![brief::of_verdict(verdict)],
            Expected::Backends(backends) if backends.is_empty() => {
                vec!["nothing answers for the Service".to_owned()]
            }
            Expected::Backends(backends) => {
                let one = |backend: &ringfence_lab::trial::Backend| {
                    let (name, verdict) = (self.ends.endpoint(&backend.end), &backend.verdict);
                    format!("{name}: {}, {}", verdict.outcome.as_str(), brief::of_verdict(verdict))
                };
                backends.iter().map(one).collect()
            }
        }
    }

    /// The lines that the engine's verdict comes from, `file:line` each.
    fn places(&self, tried: &Tried) -> Vec<String> {
        let verdicts: Vec<&Verdict> = match &tried.trial.expected {
            Expected::One(verdict) => vec![verdict],
            Expected::Backends(backends) => backends.iter().map(|backend| &*backend.verdict).collect(),
        };
        let mut places = Vec::new();
        for (_, side) in verdicts.into_iter().flat_map(brief::decisive) {
            let rules: Vec<Origin> = side.rules().map(|rule| rule.origin).collect();
            let isolating = side.reasons.iter().filter_map(|reason| match reason {
                Reason::Isolated(policy) => Some(policy.origin),
                _ => None,
            });
            let origins = if rules.is_empty() { isolating.collect() } else { rules };
            for place in origins.into_iter().filter_map(|origin| self.cluster.sources.place(origin)) {
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        places
    }

    /// What the kernel did, in words.
    fn kernel(&self, tried: &Tried) -> String {
        match &tried.kernel {
            Kernel::Allowed(Some(pod)) => format!("allow (answered by {})", self.ends.pod(*pod)),
            Kernel::Allowed(None) => "allow".to_owned(),
            Kernel::Denied(how) => format!("deny ({how})"),
            Kernel::Undecided(why) => format!("undecided ({why})"),
        }
    }

    /// The rules that the nodes' logs name for the packets, those of audit policies aside.
    fn logged(tried: &Tried) -> Vec<&str> {
        tried.denials.iter().filter(|denial| !denial.audit).map(|denial| denial.rule.as_str()).collect()
    }
}
