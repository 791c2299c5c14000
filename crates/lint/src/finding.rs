//! What a rule finds. In: a rule's calls while it runs. Out: findings as plain values.

use ringfence_manifest::edit::Edit;
use ringfence_model::{diagnostic::Related, flow::Flow, origin::Origin};

use crate::rule::{Rule, Severity};

/// What a repair does to verdicts. It is only offered after the engine has confirmed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// No verdict changes.
    ChangesNothing,
    /// Connections are opened, none is cut; those listed are among the opened.
    Opens(Vec<Flow>),
    /// Connections are cut, none is opened; those listed are among the cut.
    Cuts(Vec<Flow>),
    /// Connections are opened and others cut: those listed first pass afterwards, those listed second do not.
    Moves(Vec<Flow>, Vec<Flow>),
}

/// A repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as a command: ``join the two peers``.
    pub title: String,
    /// The edits, in any order.
    pub edits: Vec<Edit>,
    /// What it claims to do.
    pub claim: Claim,
}

/// Something a rule found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How bad it is.
    pub severity: Severity,
    /// Where. Every finding is about some text; only one about the input as a whole has none.
    pub origin: Origin,
    /// What is wrong: lower case, user text in backticks, no full stop.
    pub message: String,
    /// What to say under the marked text.
    pub label: Option<String>,
    /// What to do: a sentence, or a manifest after an introducing line.
    pub help: Option<String>,
    /// Other places that matter.
    pub related: Vec<Related>,
    /// How to repair it.
    pub fix: Option<Fix>,
    /// A repair that is no more than likely. It becomes [`Finding::fix`] if other findings go away with it.
    pub likely_fix: Option<Fix>,
}

impl Finding {
    /// Sets what to say under the marked text.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = Some(label.into());
        self
    }

    /// Sets what to do.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place; nothing if no text holds it.
    pub fn related(&mut self, origin: Origin, message: impl Into<String>) -> &mut Self {
        if origin.is_some() {
            self.related.push(Related { origin, message: message.into() });
        }
        self
    }

    /// Makes it milder, or worse, than its rule's findings are by default.
    pub fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// Sets the repair; none if the edits could not be made cleanly.
    pub fn fix(&mut self, title: impl Into<String>, edits: Option<Vec<Edit>>, claim: Claim) -> &mut Self {
        self.fix = edits.map(|edits| Fix { title: title.into(), edits, claim });
        self
    }

    /// Sets a repair that is only offered if other findings go away with it.
    pub fn likely_fix(
        &mut self,
        title: impl Into<String>,
        edits: Option<Vec<Edit>>,
        claim: Claim,
    ) -> &mut Self {
        self.likely_fix = edits.map(|edits| Fix { title: title.into(), edits, claim });
        self
    }
}

/// Where a rule puts what it finds.
#[derive(Debug)]
pub struct Findings {
    rule: &'static Rule,
    found: Vec<Finding>,
}

impl Findings {
    /// For one rule.
    pub(crate) fn new(rule: &'static Rule) -> Self {
        Self { rule, found: Vec::new() }
    }

    /// Adds a finding; what is returned takes the rest.
    pub fn report(&mut self, origin: Origin, message: impl Into<String>) -> &mut Finding {
        let finding = Finding {
            rule: self.rule,
            severity: self.rule.severity,
            origin,
            message: message.into(),
            label: None,
            help: None,
            related: Vec::new(),
            fix: None,
            likely_fix: None,
        };
        self.found.push_mut(finding)
    }

    /// Everything found.
    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.found
    }
}
