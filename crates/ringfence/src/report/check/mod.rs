//! Reports of `check`, one file a format. In: what the linter found, and what of it is not to be shown. Out: text.

pub(crate) mod github;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod md;
pub(crate) mod sarif;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use std::{
    borrow::Cow,
    collections::HashMap,
    path::{Component, Path},
};

use anstyle::{AnsiColor, Style};
use ringfence_lint::{
    Checked, Finding, Input, Reason, Severity,
    baseline::{Fingerprint, Fingerprints},
};
use ringfence_model::{
    diagnostic::Diagnostic,
    origin::{Origin, Position, Sources},
};

use super::words::count;
use crate::{exit::Exit, input, path::absolute};

/// What a run of `check` has to say.
pub(crate) struct Report<'a> {
    /// The texts.
    pub(crate) sources: &'a Sources,
    /// What was found, in the order of the texts.
    pub(crate) findings: Vec<Reported<'a>>,
    /// What was found too and is not shown, in the same order.
    pub(crate) hidden: Vec<(Reported<'a>, Hidden<'a>)>,
    /// Files that could not be read.
    pub(crate) problems: &'a [Diagnostic],
    /// Entries of the baseline that were looked for and not found.
    pub(crate) gone: usize,
    /// What was repaired, if that was asked for.
    pub(crate) repaired: Option<Repaired>,
    /// How many policies were checked.
    policies: usize,
    /// How many objects were read.
    objects: usize,
    /// Findings from this severity on are a failure.
    fails: Severity,
}

/// A finding with what identifies it.
pub(crate) struct Reported<'a> {
    /// The finding.
    pub(crate) finding: &'a Finding,
    /// What it is, wherever it stands.
    pub(crate) fingerprint: Fingerprint,
    /// Which of the findings with this fingerprint in its file it is, from 1.
    pub(crate) occurrence: usize,
}

/// Why a finding is not shown.
pub(crate) enum Hidden<'a> {
    /// Somebody has given a reason.
    Suppressed(&'a Reason),
    /// It is in the baseline.
    Baseline,
}

/// What `--fix` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repaired {
    /// How many repairs were made.
    pub(crate) repairs: usize,
    /// In how many files.
    pub(crate) files: usize,
}

/// A place that reports name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// The file's name; empty if no text holds what this is about.
    pub(crate) file: &'a str,
    /// The first character.
    pub(crate) start: Position,
    /// One past the last character.
    pub(crate) end: Position,
}

impl<'a> Report<'a> {
    /// Of a run.
    pub(crate) fn new(
        input: &'a Input,
        checked: &'a Checked,
        problems: &'a [Diagnostic],
        fails: Severity,
    ) -> Self {
        let cluster = input.compiled.cluster();
        let fingerprints = Fingerprints::new(input);
        let shown = checked.findings.iter().map(|finding| (finding, None));
        let suppressed = checked.suppressed.iter().map(|(finding, reason)| (finding, Some(reason)));
        let mut all: Vec<(&Finding, Option<&Reason>)> = shown.chain(suppressed).collect();
        all.sort_by(|(a, _), (b, _)| (a.origin, a.rule.code).cmp(&(b.origin, b.rule.code)));
        let mut occurrences: HashMap<(u32, String), usize> = HashMap::new();
        let (mut findings, mut hidden) = (Vec::new(), Vec::new());
        for (finding, reason) in all {
            let fingerprint = fingerprints.of(finding);
            let occurrence =
                occurrences.entry((finding.origin.source.0, fingerprint.hash.clone())).or_default();
            *occurrence += 1;
            let reported = Reported { finding, fingerprint, occurrence: *occurrence };
            match reason {
                None => findings.push(reported),
                Some(reason) => hidden.push((reported, Hidden::Suppressed(reason))),
            }
        }
        let policies =
            cluster.network_policies.len() + cluster.tier_policies.len() + cluster.cilium_policies.len();
        Self {
            sources: &cluster.sources,
            findings,
            hidden,
            problems,
            gone: 0,
            repaired: None,
            policies,
            objects: input.objects,
            fails,
        }
    }

    /// Hides those findings for which there is a reason to.
    pub(crate) fn hide(&mut self, mut reason: impl FnMut(&Reported<'a>) -> Option<Hidden<'a>>) {
        for reported in std::mem::take(&mut self.findings) {
            match reason(&reported) {
                Some(reason) => self.hidden.push((reported, reason)),
                None => self.findings.push(reported),
            }
        }
        self.hidden.sort_by_key(|(reported, _)| (reported.finding.origin, reported.finding.rule.code));
    }

    /// Whether a finding is bad enough to fail.
    pub(crate) fn fails(&self, finding: &Finding) -> bool {
        finding.severity >= self.fails
    }

    /// How the run ends, input that could not be read aside.
    pub(crate) fn exit(&self) -> Exit {
        if self.findings.iter().any(|reported| self.fails(reported.finding)) {
            Exit::Finding
        } else {
            Exit::Fine
        }
    }

    /// `3 errors, 1 warning in 12 policies, 40 objects; 2 can be fixed with --fix; 1 suppressed, 4 in the baseline`.
    pub(crate) fn summary(&self) -> String {
        let of = |severity: Severity| {
            self.findings.iter().filter(|reported| reported.finding.severity == severity).count()
        };
        let levels: Vec<String> = Severity::ALL
            .into_iter()
            .rev()
            .filter(|severity| of(*severity) > 0)
            .map(|severity| match severity {
                // There is no plural of it.
                Severity::Info => format!("{} info", of(severity)),
                _ => count(of(severity), severity.as_str()),
            })
            .collect();
        let found = if levels.is_empty() { "no findings".to_owned() } else { levels.join(", ") };
        let mut parts =
            vec![format!("{found} in {}, {}", count(self.policies, "policy"), count(self.objects, "object"))];
        if let Some(Repaired { repairs, files }) = self.repaired {
            parts.push(format!("{} made in {}", count(repairs, "repair"), count(files, "file")));
        } else {
            let fixable = self.findings.iter().filter(|reported| reported.finding.fix.is_some()).count();
            if fixable > 0 {
                parts.push(format!("{fixable} can be fixed with --fix"));
            }
        }
        let known = self.hidden.iter().filter(|(_, reason)| matches!(reason, Hidden::Baseline)).count();
        let suppressed = self.hidden.len() - known;
        let hidden: Vec<String> = [(suppressed, "suppressed"), (known, "in the baseline")]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}"))
            .collect();
        if !hidden.is_empty() {
            parts.push(hidden.join(", "));
        }
        match self.gone {
            0 => {}
            1 => parts.push("1 baseline entry is gone: rewrite it".to_owned()),
            gone => parts.push(format!("{gone} baseline entries are gone: rewrite it")),
        }
        parts.join("; ")
    }

    /// Where something is.
    pub(crate) fn place(&self, origin: Origin) -> Place<'a> {
        const BEGINNING: Position = Position { line: 1, column: 1 };
        match self.sources.get(origin.source) {
            None => Place { file: "", start: BEGINNING, end: BEGINNING },
            Some(source) => Place {
                file: &source.name,
                start: source.position(origin.start),
                end: source.position(origin.end),
            },
        }
    }
}

impl Reported<'_> {
    /// The fingerprint as one word: the same in every run that finds the same.
    pub(crate) fn id(&self) -> String {
        format!("{}:{}", self.fingerprint.hash, self.occurrence)
    }

    /// `RF503 policy-types-omit-rules`
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.finding.rule.code, self.finding.rule.name)
    }

    /// Everything that the finding says, as plain text: the message, the mark's label, what to do.
    pub(crate) fn told(&self) -> String {
        let Finding { message, label, help, .. } = self.finding;
        let mut told = message.clone();
        if let Some(label) = label {
            told.push_str(": ");
            told.push_str(label);
        }
        if let Some(help) = help {
            told.push_str("\nhelp: ");
            told.push_str(help.trim_end());
        }
        told
    }
}

/// A file's name as services find it: relative to the working directory, without `..`, if it is in there.
pub(crate) fn within(file: &str) -> Cow<'_, str> {
    let path = Path::new(file);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain || file == input::STDIN {
        return Cow::Borrowed(file);
    }
    let (path, working) = (absolute(path), absolute(Path::new(".")));
    path.strip_prefix(working).map_or(Cow::Borrowed(file), |inside| Cow::Owned(input::name_of(inside)))
}

/// The style of a severity's name.
pub(crate) fn style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Green,
    };
    color.on_default().bold()
}
