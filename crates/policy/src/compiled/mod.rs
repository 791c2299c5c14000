//! The fast judge. In: a cluster, then changes to it. Out: verdicts in about a microsecond, and all pairs at once.
//!
//! Pods with the same namespace, labels and service account are one *shape*; each distinct selector is evaluated once
//! per shape. Policies of all dialects become *parts* with one form of rules; the parts that select a shape are its
//! *policy set*, shared by all shapes with the same parts. A verdict looks up the subject's set and tries its rules.

mod build;
mod change;
mod decide;
mod effects;
mod enforce;
mod facts;
mod groups;
mod l7;
mod lower;
mod matcher;
mod matching;
mod near;
mod reach;
mod rule;
mod runs;
mod scope;
mod shape;
mod truth;

use std::sync::Arc;

use ringfence_model::{
    Text,
    cluster::Cluster,
    flow::{Endpoint, Flow, Request},
    origin::Origin,
    port::Protocol,
    verdict::{Direction, Outcome, Reason, Side, Verdict},
    workload::{Pod, PodId, WorkloadId, WorkloadKind},
};
use rustc_hash::FxHashMap;

pub use change::Change;
pub use effects::{Effect, Effects, PolicyEffect, RuleEffect, Witness};
pub use enforce::{
    Behaviour, Decision, Enforcement, Index, Listing, Moved, Peers, Run, SelectorId, Shared, Standing,
    Subjects, Survey, View,
};
pub use groups::{Group, Isolation};
pub use reach::{Cell, CellId, Reach};
pub use scope::{Choice, PodSet, Scope};

use crate::Judge;
use decide::{Probe, decide};
use facts::Facts;
use matcher::{MatcherId, Matchers};
use matching::{Context, End, own_node, ports};
use near::{Asked, near_miss};
use rule::{Part, Rule, RuleSet};
use shape::{ShapeId, Shapes};
use truth::Match;

/// Number of a part.
type PartId = u32;
/// Number of a policy set.
type SetId = u32;

/// The rules of one policy set in both directions.
#[derive(Debug, Default)]
struct PolicySet {
    ingress: RuleSet,
    egress: RuleSet,
}

impl PolicySet {
    fn of(&self, direction: Direction) -> &RuleSet {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// A cluster made ready to answer.
#[derive(Debug)]
pub struct Compiled {
    cluster: Cluster,
    /// Whether audit policies take effect too.
    audit: bool,
    facts: Facts,
    shapes: Shapes,
    matchers: Matchers,
    /// Numbers are never used twice, so that a policy set's parts identify it.
    parts: Vec<Option<Arc<Part>>>,
    /// Parts of each shape, ascending by number.
    parts_of_shape: Vec<Vec<PartId>>,
    parts_of_matcher: FxHashMap<MatcherId, Vec<PartId>>,
    sets: Vec<Arc<PolicySet>>,
    set_of_parts: FxHashMap<Vec<PartId>, SetId>,
    set_of_shape: Vec<SetId>,
    /// The shape of each pod; nothing for a finished (or removed) one.
    shape_of_pod: Vec<Option<ShapeId>>,
    /// How many pods were there when it was made: those are sorted by name.
    compiled_pods: usize,
    /// Pods that came later, by namespace and name.
    added_pods: FxHashMap<(Text, Text), PodId>,
    /// How many workloads were there in their order when it was made.
    compiled_workloads: usize,
    /// Workloads that came later, by namespace, kind and name.
    added_workloads: FxHashMap<(Text, WorkloadKind, Text), WorkloadId>,
}

impl Compiled {
    /// The cluster that it answers for.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn end<'a>(&'a self, endpoint: &'a Endpoint) -> Option<End<'a>> {
        match endpoint {
            Endpoint::Pod(id) => self.pod_end(*id),
            Endpoint::Address(address) => Some(End::Address {
                address: *address,
                node: self.facts.node_of_address(&self.cluster, *address),
                own: self.facts.is_own(*address),
            }),
            Endpoint::Name(name) => Some(End::Name(name)),
        }
    }

    fn pod_end(&self, id: PodId) -> Option<End<'_>> {
        let shape = self.shape_of_pod.get(id.0 as usize).copied().flatten()?;
        self.cluster.pod(id).map(|pod| End::Pod(id, pod, shape))
    }

    fn rules_of(&self, shape: ShapeId, direction: Direction) -> Option<&RuleSet> {
        let set = self.set_of_shape.get(shape as usize)?;
        self.sets.get(*set as usize).map(|set| set.of(direction))
    }

    /// One side of a flow whose two ends exist and have addresses of its family.
    fn side<const REASONS: bool>(
        &self,
        flow: &Flow,
        direction: Direction,
        subject: &End<'_>,
        other: &End<'_>,
        to: &End<'_>,
    ) -> Side {
        let Some((pod, shape)) = subject.plain_pod() else { return Side::allow(Reason::NotASubject) };
        let Some(set) = self.rules_of(shape, direction) else { return Side::allow(Reason::NotIsolated) };
        let own_node = own_node(pod, other);
        let context = Context {
            cluster: &self.cluster,
            facts: &self.facts,
            matchers: &self.matchers,
            shapes: &self.shapes,
            family: flow.family,
            own_node: &own_node,
        };
        let request = flow.request.as_ref();
        let Flow { protocol, port, .. } = *flow;
        decide(set, &FlowProbe::<REASONS> { context, other, to, protocol, port, request })
    }
}

/// How rules match one flow.
struct FlowProbe<'a, const REASONS: bool> {
    context: Context<'a>,
    other: &'a End<'a>,
    to: &'a End<'a>,
    protocol: Protocol,
    port: u16,
    request: Option<&'a Request>,
}

impl<const REASONS: bool> Probe for FlowProbe<'_, REASONS> {
    const REASONS: bool = REASONS;

    fn matches(&self, rule: &Rule) -> Match {
        // Ports first: they are the cheaper test.
        ports(rule, self.protocol, self.port, self.to, self.request)
            .and(|| self.context.peers(rule, self.other))
    }

    fn peer(&self, rule: &Rule) -> Origin {
        self.context.peer_origin(rule, self.other)
    }

    fn own_node(&self) -> &Match {
        self.context.own_node
    }

    fn near_miss(&self, set: &RuleSet) -> Option<Reason> {
        let Self { context, other, to, protocol, port, request } = self;
        near_miss(context, set, &Asked { other, to, protocol: *protocol, port: *port, request: *request })
    }
}

fn denied(reason: Reason) -> Side {
    Side { outcome: Outcome::Deny, conditions: Vec::new(), missing: Vec::new(), reasons: vec![reason] }
}

/// Whether an end can have an address of the flow's family.
fn has_family(end: &End<'_>, flow: &Flow) -> bool {
    use ringfence_model::address::Family;
    match end {
        End::Pod(_, pod, _) => lacks_no_family(pod, flow.family),
        End::Address { address, .. } => Family::of(*address) == flow.family,
        End::Name(_) => true,
    }
}

/// Whether the pod has, or may have, an address of the family.
fn lacks_no_family(pod: &Pod, family: ringfence_model::address::Family) -> bool {
    use ringfence_model::address::Family;
    pod.addresses.is_empty() || pod.addresses.iter().any(|address| Family::of(*address) == family)
}

impl Compiled {
    /// The outcome alone, for callers that judge more than people can read: several times as fast as a verdict with its
    /// reasons.
    #[must_use]
    pub fn outcome(&self, flow: &Flow) -> Outcome {
        self.judge::<false>(flow).outcome
    }

    fn judge<const REASONS: bool>(&self, flow: &Flow) -> Verdict {
        self.both_sides(flow, |direction, subject, other, to| {
            self.side::<REASONS>(flow, direction, subject, other, to)
        })
    }

    /// Both sides of a flow. `side` is asked about ends that exist and have addresses of its family, one of them at most a
    /// subject's own: the subject, the other end, and which of the two is the destination.
    fn both_sides(
        &self,
        flow: &Flow,
        side: impl Fn(Direction, &End<'_>, &End<'_>, &End<'_>) -> Side,
    ) -> Verdict {
        let (Some(from), Some(to)) = (self.end(&flow.from), self.end(&flow.to)) else {
            return Verdict::new(denied(Reason::NoEndpoint), denied(Reason::NoEndpoint));
        };
        let no_address = || denied(Reason::NoAddress(flow.family));
        let (from_ok, to_ok) = (has_family(&from, flow), has_family(&to, flow));
        let foreign =
            [(&from, from_ok), (&to, to_ok)].iter().any(|(end, ok)| !ok && !matches!(end, End::Pod(..)));
        if foreign {
            return Verdict::new(no_address(), no_address());
        }
        if from_ok && to_ok && !self.cluster.profile.enforces {
            return Verdict::new(Side::allow(Reason::NotEnforced), Side::allow(Reason::NotEnforced));
        }
        if let (End::Pod(a, ..), End::Pod(b, ..)) = (&from, &to)
            && a == b
            && from_ok
        {
            return Verdict::new(Side::allow(Reason::SelfTraffic), Side::allow(Reason::SelfTraffic));
        }
        let judged = |ok: bool, direction, subject: &End<'_>, other: &End<'_>| {
            if !ok {
                no_address()
            } else if !self.cluster.profile.enforces {
                Side::allow(Reason::NotEnforced)
            } else {
                side(direction, subject, other, &to)
            }
        };
        Verdict::new(
            judged(from_ok, Direction::Egress, &from, &to),
            judged(to_ok, Direction::Ingress, &to, &from),
        )
    }
}

impl Judge for Compiled {
    fn verdict(&self, flow: &Flow) -> Verdict {
        self.judge::<true>(flow)
    }
}
