//! What every command needs to talk to people. In: the global options. Out: where and how to print.

use anstream::ColorChoice;
use ringfence_model::{
    diagnostic::{Diagnostic, Severity},
    origin::Sources,
};

use crate::{args::GlobalArgs, diagnostics};

/// A command that cannot go on: the reason, as a diagnostic.
pub(crate) type Failure = Box<Diagnostic>;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    /// Whether to use colours.
    pub(crate) color: ColorChoice,
    /// Whether to leave out warnings and notes.
    pub(crate) quiet: bool,
}

impl Context {
    /// As the options say.
    pub(crate) fn new(global: &GlobalArgs) -> Self {
        Self { color: global.color.into(), quiet: global.quiet }
    }

    /// Prints diagnostics on standard error, in order; only errors if the user wants quiet.
    pub(crate) fn show<'a>(&self, diagnostics: impl IntoIterator<Item = &'a Diagnostic>, sources: &Sources) {
        let wanted = diagnostics.into_iter().filter(|found| !self.quiet || found.severity == Severity::Error);
        diagnostics::print(wanted, sources, self.color);
    }

    /// Prints why a command cannot go on.
    pub(crate) fn show_failure(&self, failure: &Diagnostic) {
        diagnostics::print([failure], &Sources::default(), self.color);
    }
}
