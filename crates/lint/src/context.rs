//! What a rule sees. In: an input and settings. Out: the cluster, the engine and the facts that several rules need, each
//! made once, when the first rule asks.

use std::sync::OnceLock;

use ringfence_manifest::locate::Locator;
use ringfence_model::{cluster::Cluster, diagnostic::Diagnostic, object::ObjectRef};
use ringfence_policy::{
    Compiled,
    compiled::{Effects, Group, Reach, Scope},
};

use crate::{
    facts::Facts,
    input::Input,
    selection::Selections,
    settings::Settings,
    suppress::{ANNOTATION, Suppressions, Used},
};

/// What a rule sees.
pub struct Context<'a> {
    /// The engine.
    pub compiled: &'a Compiled,
    /// What is checked.
    pub cluster: &'a Cluster,
    /// What is stated.
    pub settings: &'a Settings,
    /// Every object of the input, in the order of the texts.
    pub documents: &'a [ObjectRef],
    /// What the reader found wrong; the rules about the input turn it into findings.
    pub diagnostics: &'a [Diagnostic],
    /// Which pods selectors mean.
    pub scope: Scope<'a>,
    /// Where values are written.
    pub places: Locator<'a>,
    reach: OnceLock<Reach<'a>>,
    groups: OnceLock<Vec<Group>>,
    effects: OnceLock<Effects>,
    facts: OnceLock<Facts>,
    suppressions: OnceLock<Suppressions>,
    used: OnceLock<Used>,
    selections: OnceLock<Selections<'a>>,
}

impl<'a> Context<'a> {
    /// For one run.
    #[must_use]
    pub fn new(input: &'a Input, settings: &'a Settings) -> Self {
        let cluster = input.compiled.cluster();
        Self {
            compiled: &input.compiled,
            cluster,
            settings,
            documents: &input.documents,
            diagnostics: &input.diagnostics,
            scope: input.compiled.scope(),
            places: Locator::new(&cluster.sources),
            reach: OnceLock::new(),
            groups: OnceLock::new(),
            effects: OnceLock::new(),
            facts: OnceLock::new(),
            suppressions: OnceLock::new(),
            used: OnceLock::new(),
            selections: OnceLock::new(),
        }
    }

    /// What every pod may open to every other.
    pub fn reach(&self) -> &Reach<'a> {
        self.reach.get_or_init(|| self.compiled.reach())
    }

    /// Pods with the same policies.
    pub fn groups(&self) -> &[Group] {
        self.groups.get_or_init(|| self.compiled.groups())
    }

    /// What would be different without a policy or a rule.
    pub fn effects(&self) -> &Effects {
        self.effects.get_or_init(|| self.compiled.effects())
    }

    /// What is known about the cluster beside its policies: inferred from the manifests, or stated.
    pub fn facts(&self) -> &Facts {
        self.facts.get_or_init(|| Facts::new(self))
    }

    /// What the authors of the manifests want to keep as it is.
    pub(crate) fn suppressions(&self) -> &Suppressions {
        self.suppressions.get_or_init(|| {
            Suppressions::new(&self.cluster.sources, self.documents, |object| {
                let path = ["metadata".into(), "annotations".into(), ANNOTATION.into()];
                self.places.root_value(object.origin, &path).unwrap_or(object.origin)
            })
        })
    }

    /// Notes which suppressions did something, once all other rules have run.
    pub(crate) fn note_used(&self, used: Used) {
        // There is one run for each context.
        let _ = self.used.set(used);
    }

    /// Which suppressions did something; nothing before the rules have run.
    pub(crate) fn used(&self) -> Option<&Used> {
        self.used.get()
    }

    /// Every place that selects pods, with what it means.
    pub(crate) fn selections(&self) -> &Selections<'a> {
        self.selections.get_or_init(|| Selections::new(self))
    }
}
