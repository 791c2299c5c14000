//! What a rule finds. In: a rule's calls while it runs. Out: findings as plain values.

use ringfence_model::{diagnostic::Related, origin::Origin};

use crate::rule::{Rule, Severity};

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
        };
        self.found.push_mut(finding)
    }

    /// Everything found.
    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.found
    }
}
