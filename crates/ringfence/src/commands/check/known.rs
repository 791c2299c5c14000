//! The baseline of a run of `check`. In: a baseline file, or findings to write one from. Out: findings that are hidden
//! because they are known, and how many known ones are gone.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use ringfence_lint::{
    Checked, Input, Settings,
    baseline::{Baseline, Fingerprint, Fingerprints, Known},
    rules,
};
use ringfence_model::{
    diagnostic::Diagnostic,
    origin::{Origin, Sources},
};

use crate::{
    context::{Context, Failure},
    input,
    path::{absolute, relative},
    report::check::{Hidden, Report, Reported},
};

/// A baseline file.
pub(super) struct KnownFile {
    baseline: Baseline,
    /// The directory of the file: names of files in it are relative to that.
    directory: PathBuf,
}

impl KnownFile {
    /// Reads a file; none if it has mistakes, which have been printed.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(path: &Path, context: &Context) -> Result<Option<Self>, Failure> {
        let text = input::read_text(path)?;
        match Baseline::parse(&input::name_of(path), &text) {
            Ok(baseline) => Ok(Some(Self { baseline, directory: directory_of(path) })),
            Err(mistake) => {
                let (mistake, sources) = *mistake;
                context.show([&mistake], &sources);
                Ok(None)
            }
        }
    }

    /// Writes all findings that nothing suppresses.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn write(path: &Path, input: &Input, checked: &Checked) -> Result<Self, Failure> {
        let mut file = Self { baseline: Baseline::default(), directory: directory_of(path) };
        let fingerprints = Fingerprints::new(input);
        let sources = &input.compiled.cluster().sources;
        for finding in &checked.findings {
            let name = file_of(finding.origin, sources);
            let known = file.known(finding.rule.code, name, fingerprints.of(finding));
            file.baseline.add(known);
        }
        fs::write(path, file.baseline.to_json()).map_err(|error| {
            let message = format!("cannot write `{}`: {error}", input::name_of(path));
            Box::new(
                Diagnostic::error("write", Origin::NONE, message).with_help("check the path of the baseline"),
            )
        })?;
        Ok(file)
    }

    /// Hides what is known, and counts what is known and gone. An entry is gone only if this run could have found it:
    /// its rule has run, and its file was read or is there no more.
    pub(super) fn hide(&mut self, report: &mut Report<'_>, settings: &Settings) {
        let sources = report.sources;
        report.hide(|reported: &Reported<'_>| {
            let name = file_of(reported.finding.origin, sources);
            let known = self.known(reported.finding.rule.code, name, reported.fingerprint.clone());
            self.baseline.take(&known).then_some(Hidden::Baseline)
        });
        let read: BTreeSet<String> = sources.iter().map(|(_, source)| self.name(&source.name)).collect();
        let could_be_found = |known: &Known| {
            let rule_ran = rules::find(&known.rule).is_none_or(|rule| settings.selects(rule));
            rule_ran && (read.contains(&known.file) || !self.directory.join(&known.file).exists())
        };
        report.gone =
            self.baseline.iter().filter(|(known, _)| could_be_found(known)).map(|(_, count)| count).sum();
    }

    fn known(&self, rule: &str, file: &str, fingerprint: Fingerprint) -> Known {
        let Fingerprint { object, hash } = fingerprint;
        Known { file: self.name(file), rule: rule.to_owned(), object, hash }
    }

    /// A text's name as this file has it. Standard input is no file.
    fn name(&self, text: &str) -> String {
        if text.is_empty() || text == input::STDIN {
            return text.to_owned();
        }
        relative(&absolute(Path::new(text)), &self.directory)
    }
}

fn directory_of(file: &Path) -> PathBuf {
    let mut directory = absolute(file);
    directory.pop();
    directory
}

fn file_of(at: Origin, sources: &Sources) -> &str {
    sources.get(at.source).map_or("", |source| &source.name)
}
