//! What is wrong with an input, in a form that any front end can show. In: the readers' findings. Out: plain values.

use crate::origin::Origin;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The API server would reject the object (or nobody can read the document). A policy with an error has no effect
    /// on any verdict; of other objects the good part is used.
    Error,
    /// The input was understood, but probably does not say what its author meant.
    Warning,
    /// Something the reader should know, such as an assumption made.
    Note,
}

impl Severity {
    /// `error`, `warning` or `note`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A second place that explains the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// The other place.
    pub origin: Origin,
    /// What it has to do with the finding.
    pub message: String,
}

/// One finding about an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable kebab-case name of the kind of finding, such as `unknown-field`.
    pub code: &'static str,
    /// What is wrong: lower case, user text in backticks, no full stop.
    pub message: String,
    /// Where, if a text holds it.
    pub origin: Origin,
    /// What is allowed there, shown under the snippet.
    pub label: Option<String>,
    /// What to do next.
    pub help: Option<String>,
    /// Other places that matter.
    pub related: Vec<Related>,
}

impl Diagnostic {
    fn new(severity: Severity, code: &'static str, origin: Origin, message: impl Into<String>) -> Self {
        Self { severity, code, message: message.into(), origin, label: None, help: None, related: Vec::new() }
    }

    /// An error at a place.
    pub fn error(code: &'static str, origin: Origin, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, origin, message)
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, origin: Origin, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, origin, message)
    }

    /// A note at a place.
    pub fn note(code: &'static str, origin: Origin, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, origin, message)
    }

    /// Adds what is allowed at the place.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn with_related(mut self, origin: Origin, message: impl Into<String>) -> Self {
        self.related.push(Related { origin, message: message.into() });
        self
    }
}
