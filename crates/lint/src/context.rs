//! What a rule sees. In: an input and settings. Out: the cluster, the engine and the facts that several rules need, each
//! made once, when the first rule asks.

use std::sync::OnceLock;

use ringfence_manifest::locate::Locator;
use ringfence_model::{
    address::{Family, IpSet},
    cluster::Cluster,
    diagnostic::Diagnostic,
    object::ObjectRef,
    verdict::Direction,
};
use ringfence_policy::{
    Compiled,
    compiled::{Effects, Group, Reach, Scope},
};

use crate::{
    exposure::{self, Exposed},
    facts::Facts,
    input::Input,
    rules::lost::sides::{OneSided, one_sided},
    selection::Selections,
    settings::Settings,
    superfluous::{self, Superfluous},
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
    families: OnceLock<Vec<Family>>,
    internet: [OnceLock<IpSet>; 2],
    one_sided: [OnceLock<Vec<OneSided>>; 2],
    exposed: OnceLock<Vec<Exposed>>,
    superfluous: OnceLock<Superfluous<'a>>,
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
            families: OnceLock::new(),
            internet: Default::default(),
            one_sided: Default::default(),
            exposed: OnceLock::new(),
            superfluous: OnceLock::new(),
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

    /// [`Cluster::families`], which looks at every address.
    pub(crate) fn families(&self) -> &[Family] {
        self.families.get_or_init(|| self.cluster.families())
    }

    /// [`Cluster::internet`], which looks at every address.
    pub(crate) fn internet(&self, family: Family) -> &IpSet {
        let [v4, v6] = &self.internet;
        let known = if family == Family::V4 { v4 } else { v6 };
        known.get_or_init(|| self.cluster.internet(family))
    }

    /// What rules of a direction allow and the other end denies.
    pub(crate) fn one_sided(&self, direction: Direction) -> &[OneSided] {
        let [ingress, egress] = &self.one_sided;
        let known = if direction == Direction::Ingress { ingress } else { egress };
        known.get_or_init(|| one_sided(self, direction))
    }

    /// What holds data or secrets and is open to more than any rule names.
    pub(crate) fn exposed(&self) -> &[Exposed] {
        self.exposed.get_or_init(|| exposure::exposed(self))
    }

    /// Policies and rules that change nothing.
    pub(crate) fn superfluous(&self) -> &Superfluous<'a> {
        self.superfluous.get_or_init(|| superfluous::superfluous(self))
    }
}
