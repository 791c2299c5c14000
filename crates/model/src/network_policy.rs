//! `networking.k8s.io/v1` NetworkPolicy. In: a decoded, valid object. Out: plain values with defaults applied.

use std::sync::Arc;

use ipnet::IpNet;

use crate::{Text, label::Labels, label::Selector, origin::Origin, port::PortMatch};

/// The kinds of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// `policy.networking.k8s.io/v1alpha1` AdminNetworkPolicy.
    AdminNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy.
    ClusterNetworkPolicy,
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
    /// `cilium.io/v2` CiliumNetworkPolicy.
    CiliumNetworkPolicy,
    /// `cilium.io/v2` CiliumClusterwideNetworkPolicy.
    CiliumClusterwideNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha1` BaselineAdminNetworkPolicy.
    BaselineAdminNetworkPolicy,
}

impl PolicyKind {
    /// The kind's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::CiliumNetworkPolicy => "CiliumNetworkPolicy",
            Self::CiliumClusterwideNetworkPolicy => "CiliumClusterwideNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
        }
    }
}

/// The annotation that turns a policy of any dialect into one that only reports what it would deny: `"true"` or `"false"`.
pub const AUDIT_ANNOTATION: &str = "ringfence.dev/audit";

/// What every policy has, shared with the reasons of the verdicts that it decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyMeta {
    /// Its kind.
    pub kind: PolicyKind,
    /// Its namespace; nothing for a cluster-scoped policy.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// Whether it is an audit policy ([`AUDIT_ANNOTATION`]): it neither isolates nor allows nor denies.
    pub audit: bool,
    /// Where it is written (its name).
    pub origin: Origin,
}

impl PolicyMeta {
    /// `namespace/name`, or the name alone for a cluster-scoped policy.
    #[must_use]
    pub fn full_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.to_string(),
        }
    }
}

/// One peer of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkPeer {
    /// Pods: of the policy's own namespace if `namespace` is absent; all pods of the selected namespaces if `pod` is.
    /// Both present in one peer must both hold.
    Pods {
        /// `namespaceSelector`.
        namespace: Option<Selector>,
        /// `podSelector`.
        pod: Option<Selector>,
        /// Where the peer is written.
        origin: Origin,
    },
    /// Addresses.
    IpBlock {
        /// The network.
        cidr: IpNet,
        /// Parts of it that do not count.
        except: Vec<IpNet>,
        /// Where the peer is written.
        origin: Origin,
    },
}

/// One ingress or egress rule: allows what matches one of the peers and one of the ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRule {
    /// `from` or `to`. Empty (absent or `[]`) means everyone.
    pub peers: Vec<NetworkPeer>,
    /// `ports`. Empty (absent or `[]`) means every port of every protocol.
    pub ports: Vec<PortMatch>,
    /// Where the rule is written.
    pub origin: Origin,
}

/// A NetworkPolicy with its defaults applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Kind, name, labels.
    pub meta: Arc<PolicyMeta>,
    /// `podSelector`: the subject, within the policy's namespace.
    pub subject: Selector,
    /// Whether it isolates its subject for ingress (`policyTypes`, defaulted: always Ingress).
    pub isolates_ingress: bool,
    /// Whether it isolates its subject for egress (`policyTypes`, defaulted: if `egress` is present).
    pub isolates_egress: bool,
    /// The ingress rules. They have no effect unless the policy isolates for ingress.
    pub ingress: Vec<NetworkRule>,
    /// The egress rules. They have no effect unless the policy isolates for egress.
    pub egress: Vec<NetworkRule>,
}
