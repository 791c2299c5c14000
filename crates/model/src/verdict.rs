//! The answer to a question, with its reasons. In: what a judge found out. Out: a plain value that front ends print.

use std::sync::Arc;

use ipnet::IpNet;

use crate::{
    Text,
    address::Family,
    cilium::{FqdnMatch, L7Match},
    label::Operator,
    network_policy::PolicyMeta,
    origin::Origin,
    port::Protocol,
    tier::Action,
};

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It passes.
    Allow,
    /// It passes if the conditions hold (see [`Side::conditions`]).
    AllowIf,
    /// A fact is missing (see [`Side::missing`]).
    Unknown,
    /// It is dropped.
    Deny,
}

impl Outcome {
    /// Of both sides: a connection passes if both let it.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }

    /// `allow`, `allow-if`, `unknown` or `deny`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::AllowIf => "allow-if",
            Self::Unknown => "unknown",
            Self::Deny => "deny",
        }
    }
}

/// The side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// At the source.
    Egress,
    /// At the destination.
    Ingress,
}

impl Direction {
    /// `egress` or `ingress`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        }
    }
}

/// A rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef {
    /// The policy.
    pub policy: Arc<PolicyMeta>,
    /// Its direction.
    pub direction: Direction,
    /// Its position in its list, from 0. The rules of several Cilium specs are counted on.
    pub index: u32,
    /// What it does. Rules of NetworkPolicy and Cilium allow rules accept.
    pub action: Action,
    /// Where it is written.
    pub origin: Origin,
    /// Where the peer that matched is written; nothing if the rule is for every peer.
    pub peer: Origin,
}

/// A condition under which a connection passes. The conditions of a side are alternatives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// The request matches.
    L7(L7Match),
    /// The address is one that the name (or pattern) resolved to.
    ResolvedFrom(FqdnMatch),
}

/// A fact that the input does not hold and the verdict depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missing {
    /// The address of a pod (`namespace/name`), which decides about an ipBlock.
    PodAddress(Text),
    /// The address of a node or host-network pod.
    NodeAddress(Text),
    /// The node that a pod (`namespace/name`) runs on.
    PodNode(Text),
    /// The labels of a node.
    NodeLabels(Text),
    /// The address that a DNS name has.
    NameAddress(Text),
    /// Whether the address is one of the API server's.
    ApiServerAddress,
    /// Which of several policies of one priority is evaluated first (undefined upstream): their names.
    PriorityOrder(Vec<Text>),
    /// What a peer that refers outside the input selects (`toGroups`, `cidrGroupRef`).
    ExternalReference(&'static str),
    /// Whether a request meets a condition that the engine does not judge, or that the question leaves open
    /// (a header, a host).
    RequestDetail(Text),
    /// Packets were asked to decide, and none can: the reason.
    NoPacket(Text),
}

/// Why a rule that almost matched did not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mismatch {
    /// A pod label of the other end.
    PodLabel(LabelMismatch),
    /// A label of the other end's namespace.
    NamespaceLabel(LabelMismatch),
    /// The peer selects pods of the policy's own namespace, this one, and the other end is in another one.
    OtherNamespace(Text),
    /// The rule is for other ports of the protocol: as written.
    Port(Text),
    /// The rule is for other protocols.
    Protocol(Vec<Protocol>),
    /// No container port of the destination has the name.
    NamedPort(Text),
    /// The other end is not in the network.
    Address(IpNet),
    /// The other end is in an exception of the network.
    Except(IpNet),
    /// The rule is for other kinds of peers than the other end is (pods, addresses, nodes, names): what it is for.
    PeerKind(&'static str),
    /// The request does not meet the rule's conditions.
    Request,
    /// The rule has a list of peers that lists nobody.
    NoPeer,
}

/// A requirement that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelMismatch {
    /// The key.
    pub key: Text,
    /// How it compares.
    pub operator: Operator,
    /// The values asked for.
    pub values: Vec<Text>,
    /// The value found.
    pub actual: Option<Text>,
    /// Where the requirement is written.
    pub origin: Origin,
}

/// The rule nearest to letting a connection through, and every reason why it did not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NearMiss {
    /// The rule; its `peer` is the peer that came nearest.
    pub rule: RuleRef,
    /// Why it does not match: never empty.
    pub mismatches: Vec<Mismatch>,
}

/// Why a side decided as it did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No policy can apply here: this end is outside the cluster, a node, or a host-network pod.
    NotASubject,
    /// No policy isolates the pod in this direction.
    NotIsolated,
    /// A pod always reaches itself.
    SelfTraffic,
    /// NetworkPolicy never blocks traffic between a pod and its own node.
    OwnNode,
    /// The CNI profile enforces no policies.
    NotEnforced,
    /// This rule decided. Several may: all that would have let it through.
    Rule(RuleRef),
    /// This rule handed the decision to the next tier.
    Passed(RuleRef),
    /// This policy isolates the pod, and no rule lets the connection through.
    Isolated(Arc<PolicyMeta>),
    /// The rule that came nearest.
    NearMiss(NearMiss),
    /// This end has no address of the connection's family.
    NoAddress(Family),
    /// There is no such pod, or it is finished.
    NoEndpoint,
}

/// What one side says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// What this side alone would do.
    pub outcome: Outcome,
    /// For [`Outcome::AllowIf`]: one of these must hold. Sorted, without repeats.
    pub conditions: Vec<Condition>,
    /// For [`Outcome::Unknown`]: what is not known. Sorted, without repeats.
    pub missing: Vec<Missing>,
    /// Why, the tiers in order.
    pub reasons: Vec<Reason>,
}

impl Side {
    /// A side that allows for one reason.
    #[must_use]
    pub fn allow(reason: Reason) -> Self {
        Self { outcome: Outcome::Allow, conditions: Vec::new(), missing: Vec::new(), reasons: vec![reason] }
    }

    /// The rules that decided, not those that passed or almost matched.
    pub fn rules(&self) -> impl Iterator<Item = &RuleRef> {
        self.reasons.iter().filter_map(|reason| match reason {
            Reason::Rule(rule) => Some(rule),
            _ => None,
        })
    }
}

/// The answer to one [`crate::flow::Flow`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of the connection: both sides together.
    pub outcome: Outcome,
    /// The source's side.
    pub egress: Side,
    /// The destination's side.
    pub ingress: Side,
}

impl Verdict {
    /// Joins two sides.
    #[must_use]
    pub fn new(egress: Side, ingress: Side) -> Self {
        Self { outcome: egress.outcome.and(ingress.outcome), egress, ingress }
    }
}
