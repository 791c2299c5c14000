//! What a rule of the linter is. In: nothing. Out: the type of which every rule file defines one value.

use std::fmt;

use crate::{
    context::Context,
    finding::{Finding, Findings},
};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing may be wrong.
    Info,
    /// Probably not what was meant, or more than what was meant.
    Warning,
    /// Does not do what it says: a connection that is meant to work does not, or a protection is not there.
    Error,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Error];

    /// `info`, `warning` or `error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The severity with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An example of what a rule finds, or of what it is content with.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The manifests: YAML, any number of documents.
    pub manifests: &'static str,
    /// The settings that they need, as `ringfence.toml` has them; mostly empty.
    pub settings: &'static str,
}

impl Example {
    /// An example that needs no settings.
    #[must_use]
    pub const fn new(manifests: &'static str) -> Self {
        Self { manifests, settings: "" }
    }
}

/// A rule of the linter. Its page (`docs/rules/CODE.md`, `ringfence rule CODE`) is made from it.
#[derive(Debug)]
pub struct Rule {
    /// `RF` and three digits; the first is the subject. Never used again for anything else.
    pub code: &'static str,
    /// Its name: kebab-case, says what is wrong.
    pub name: &'static str,
    /// How bad its findings are, unless a finding says that it is milder.
    pub severity: Severity,
    /// The version that brought it.
    pub since: &'static str,
    /// Whether it only speaks when it is selected by its own name or code, or with `ALL`.
    pub opt_in: bool,
    /// One line for lists: what it finds, without a full stop.
    pub summary: &'static str,
    /// What it does: Markdown, whole sentences. Says when it keeps silent too.
    pub what: &'static str,
    /// Why that is bad: Markdown, whole sentences.
    pub why: &'static str,
    /// It fires on this (tested).
    pub bad: Example,
    /// It keeps silent on this, which is the first one corrected (tested).
    pub good: Example,
    /// Finds it.
    pub check: fn(&Context<'_>, &mut Findings),
}

impl Rule {
    /// Whether a word of a selection names this rule: its code, the beginning of its code (`RF3`, `RF`), its name, or `ALL`.
    #[must_use]
    pub fn is_named_by(&self, word: &str) -> bool {
        word == "ALL" || word == self.name || (word.starts_with("RF") && self.code.starts_with(word))
    }

    /// Whether a word of a selection makes this rule run. The beginning of a code leaves out the rules that are opt-in.
    #[must_use]
    pub fn is_turned_on_by(&self, word: &str) -> bool {
        self.is_named_by(word) && (!self.opt_in || word == "ALL" || word == self.name || word == self.code)
    }

    /// Everything that it finds, as it finds it: settings and suppressions change nothing here.
    #[must_use]
    pub fn findings(&'static self, context: &Context<'_>) -> Vec<Finding> {
        let mut findings = Findings::new(self);
        (self.check)(context, &mut findings);
        findings.into_vec()
    }
}
