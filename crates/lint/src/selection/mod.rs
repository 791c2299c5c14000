//! Every place in a policy that selects pods, whatever its dialect, with the pods that it means. In: a cluster and the
//! engine's scope. Out: subjects and rules in one shape, and for those that select nothing the most telling reason.

mod cause;
mod contradiction;
mod keys;
mod label_sets;
mod neighbours;
mod places;
mod slip;
mod torn;

use ringfence_model::{
    Text,
    label::{Requirement, Selector},
    network_policy::PolicyMeta,
    origin::Origin,
    port::PortMatch,
    tier::Action,
    verdict::Direction,
};
use ringfence_policy::compiled::{Choice, PodSet};

pub(crate) use cause::{Cause, Misplaced, NamespaceReason, unselected};
pub(crate) use contradiction::contradiction;
pub(crate) use keys::{is_never_on_pods, is_system};
pub(crate) use label_sets::{LabelSet, LabelSets};
pub(crate) use neighbours::{Near, NearKind};
pub(crate) use slip::{is_slip, others_keys};
pub(crate) use torn::{Torn, torn, torn_ports, torn_rules};

use crate::context::Context;

/// A place in a policy that selects pods by labels.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// The policy.
    pub(crate) meta: &'a PolicyMeta,
    /// What to ask the engine.
    pub(crate) choice: Choice<'a>,
    /// The namespace that it is bound to, because it says nothing about namespaces.
    pub(crate) home: Option<&'a Text>,
    /// What it asks of namespaces, with keys as namespaces have them.
    pub(crate) namespace: Option<Selector>,
    /// What it asks of pods, with keys as pods have them.
    pub(crate) pod: Option<Selector>,
    /// What it asks of labels that neither have (label sources of Cilium, service accounts).
    pub(crate) derived: Vec<&'a Requirement>,
    /// Where it is written.
    pub(crate) origin: Origin,
    /// The pods that it means.
    pub(crate) pods: PodSet,
    /// If there are none: why.
    pub(crate) cause: Option<Cause<'a>>,
}

impl Place<'_> {
    /// Whether it asks something of pods.
    pub(crate) fn asks_pods(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| !pod.is_empty())
    }

    /// Whether it asks something of namespaces.
    pub(crate) fn asks_namespaces(&self) -> bool {
        self.namespace.as_ref().is_some_and(|namespace| !namespace.is_empty())
    }

    /// Whether it is all pods of what it is bound to.
    pub(crate) fn is_everything(&self) -> bool {
        !self.asks_pods() && !self.asks_namespaces() && self.derived.is_empty()
    }
}

/// One peer of a rule.
#[derive(Debug)]
pub(crate) enum Peer<'a> {
    /// Pods by labels.
    Pods(Box<Place<'a>>),
    /// Anything else: addresses, names, nodes, entities, Services.
    Other,
}

impl<'a> Peer<'a> {
    /// The place, if it selects pods by labels.
    pub(crate) fn place(&self) -> Option<&Place<'a>> {
        match self {
            Self::Pods(place) => Some(place),
            Self::Other => None,
        }
    }
}

/// A rule of a policy.
#[derive(Debug)]
pub(crate) struct RuleView<'a> {
    /// Its direction.
    pub(crate) direction: Direction,
    /// What it does.
    pub(crate) action: Action,
    /// Its peers; nothing for everyone.
    pub(crate) peers: Option<Vec<Peer<'a>>>,
    /// Its ports; empty for all.
    pub(crate) ports: Vec<&'a PortMatch>,
    /// Where it is written.
    pub(crate) origin: Origin,
}

impl<'a> RuleView<'a> {
    /// Its peers that select pods by labels.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place<'a>> {
        self.peers.iter().flatten().filter_map(Peer::place)
    }

    /// Whether all of its peers select pods by labels, and there are some.
    pub(crate) fn only_pods(&self) -> bool {
        self.peers
            .as_ref()
            .is_some_and(|peers| !peers.is_empty() && peers.iter().all(|peer| matches!(peer, Peer::Pods(_))))
    }
}

/// A subject with its rules: a policy, or one spec of a Cilium policy.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// The subject.
    pub(crate) subject: Place<'a>,
    /// The rules, as written.
    pub(crate) rules: Vec<RuleView<'a>>,
}

impl<'a> Part<'a> {
    /// The subject and the peers that select pods by labels.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place<'a>> {
        std::iter::once(&self.subject).chain(self.peers())
    }

    /// The peers that select pods by labels.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &Place<'a>> {
        self.rules.iter().flat_map(RuleView::places)
    }

    /// The pods that connections under a rule lead to, where they can be told from labels: the subject for ingress, the
    /// peers for egress if all of them are pods. Nothing if they are more than a few: such a rule is not about one program.
    pub(crate) fn destinations(&self, rule: &RuleView<'a>) -> Option<PodSet> {
        const FEW: usize = 500;
        match rule.direction {
            Direction::Ingress => (self.subject.pods.len() <= FEW).then(|| self.subject.pods.clone()),
            Direction::Egress if rule.only_pods() => {
                let total: usize = rule.places().map(|place| place.pods.len()).sum();
                let sets = rule.places().map(|place| place.pods.clone());
                if total <= FEW { sets.reduce(|a, b| a.union(&b)) } else { None }
            }
            Direction::Egress => None,
        }
    }
}

/// All places of all policies that select pods, and the labels that pods have.
#[derive(Debug)]
pub(crate) struct Selections<'a> {
    /// In the order of the cluster: NetworkPolicies, tier policies, Cilium policies.
    pub(crate) parts: Vec<Part<'a>>,
    /// The labels of pods.
    pub(crate) labels: LabelSets<'a>,
}

impl<'a> Selections<'a> {
    /// Of a whole cluster.
    pub(crate) fn new(context: &Context<'a>) -> Self {
        let mut selections = Self { parts: places::parts(context), labels: LabelSets::new(context.cluster) };
        cause::explain(context, &mut selections);
        selections
    }
}
