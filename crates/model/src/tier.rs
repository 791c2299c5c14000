//! The Admin and Baseline tiers: AdminNetworkPolicy and BaselineAdminNetworkPolicy (v1alpha1) and
//! ClusterNetworkPolicy (v1alpha2). In: decoded, valid objects. Out: plain values, one shape for the three kinds.

use std::sync::Arc;

use ipnet::IpNet;

use crate::{Text, label::Selector, network_policy::PolicyMeta, origin::Origin, port::PortMatch};

/// The tier of a cluster-scoped policy. NetworkPolicy lies between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Evaluated before NetworkPolicy.
    Admin,
    /// Evaluated for pods that no NetworkPolicy isolates in the direction.
    Baseline,
}

impl Tier {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::Baseline => "Baseline",
        }
    }
}

/// What a matching rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Let it through and stop (v1alpha1 calls it Allow).
    Accept,
    /// Drop it and stop.
    Deny,
    /// Skip the rest of the tier.
    Pass,
}

impl Action {
    /// The name in v1alpha2.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::Deny => "Deny",
            Self::Pass => "Pass",
        }
    }
}

/// The pods that a policy applies to. Host-network pods are never among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierSubject {
    /// All pods of the namespaces.
    Namespaces(Selector),
    /// Pods by both selectors.
    Pods {
        /// Which namespaces.
        namespace: Selector,
        /// Which pods of them.
        pod: Selector,
    },
}

/// One peer of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierPeer {
    /// All pods of the namespaces.
    Namespaces(Selector, Origin),
    /// Pods by both selectors.
    Pods {
        /// Which namespaces.
        namespace: Selector,
        /// Which pods of them.
        pod: Selector,
        /// Where the peer is written.
        origin: Origin,
    },
    /// Nodes, and host-network pods with them (egress only).
    Nodes(Selector, Origin),
    /// Addresses, those of pods and nodes included (egress only).
    Networks(Vec<IpNet>, Origin),
    /// DNS names, `*.example.com` for all below (egress, Accept only).
    DomainNames(Vec<Text>, Origin),
    /// A peer of a kind that this version does not know: its rule fails closed (v1alpha2 API). One that accepts matches
    /// nothing, whatever its other peers; one that denies or passes becomes a denial of everything.
    Unknown(Origin),
}

/// One rule of a tier policy. The first matching rule of a tier decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierRule {
    /// Its name, if it has one.
    pub name: Option<Text>,
    /// What it does.
    pub action: Action,
    /// `from` or `to`: at least one.
    pub peers: Vec<TierPeer>,
    /// Ports; empty means every port of every protocol.
    pub ports: Vec<PortMatch>,
    /// Where the rule is written.
    pub origin: Origin,
}

/// A policy of the Admin or Baseline tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierPolicy {
    /// Kind, name, labels.
    pub meta: Arc<PolicyMeta>,
    /// Its tier.
    pub tier: Tier,
    /// Its priority: smaller is evaluated earlier. A BaselineAdminNetworkPolicy, of which there is one, has 0.
    pub priority: i32,
    /// The pods that it applies to.
    pub subject: TierSubject,
    /// Rules for connections to the subject, in order.
    pub ingress: Vec<TierRule>,
    /// Rules for connections from the subject, in order.
    pub egress: Vec<TierRule>,
}
