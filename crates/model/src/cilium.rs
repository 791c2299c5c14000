//! `cilium.io/v2` CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy. In: decoded, valid objects.
//! Out: plain values near to the API; what a label key's source prefix means is left to the evaluators.

use std::sync::Arc;

use ipnet::IpNet;

use crate::{
    Text,
    label::{Labels, Selector},
    network_policy::PolicyMeta,
    origin::Origin,
    port::{PortMatch, Protocol},
};

/// A named group of peers (docs.cilium.io, "Entities based").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// Everything.
    All,
    /// Everything outside the cluster.
    World,
    /// `world`, IPv4 only.
    WorldIpv4,
    /// `world`, IPv6 only.
    WorldIpv6,
    /// All pods, and all nodes, of the cluster.
    Cluster,
    /// The node that the subject runs on, with its host-network pods.
    Host,
    /// Every other node, with its host-network pods.
    RemoteNode,
    /// The Kubernetes API server.
    KubeApiserver,
    /// The ingress proxy of Cilium.
    Ingress,
    /// Endpoints that are starting.
    Init,
    /// Cilium's health endpoints.
    Health,
    /// Endpoints that Cilium does not manage.
    Unmanaged,
    /// Nothing.
    None,
}

impl Entity {
    /// All entities with their names in the API.
    pub const NAMES: [(&'static str, Self); 13] = [
        ("all", Self::All),
        ("world", Self::World),
        ("world-ipv4", Self::WorldIpv4),
        ("world-ipv6", Self::WorldIpv6),
        ("cluster", Self::Cluster),
        ("host", Self::Host),
        ("remote-node", Self::RemoteNode),
        ("kube-apiserver", Self::KubeApiserver),
        ("ingress", Self::Ingress),
        ("init", Self::Init),
        ("health", Self::Health),
        ("unmanaged", Self::Unmanaged),
        ("none", Self::None),
    ];

    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, entity)| *entity == self).map_or("none", |(name, _)| name)
    }
}

/// A Service named by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceRef {
    /// `k8sService`: by name.
    Named {
        /// Its namespace (the policy's own if absent).
        namespace: Text,
        /// Its name.
        name: Text,
    },
    /// `k8sServiceSelector`: by labels of the Service, in one namespace or in all.
    Selected {
        /// Its namespace, if one is named.
        namespace: Option<Text>,
        /// The selector on Service labels.
        selector: Selector,
    },
}

/// One entry of `toFQDNs`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FqdnMatch {
    /// `matchName`: this name.
    Name(Text),
    /// `matchPattern`: `*` stands for any run of characters of a label (`**.` for several labels).
    Pattern(Text),
}

/// One peer of a rule: what one entry of one of its peer lists selects. The entries of a rule are alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CiliumPeer {
    /// An entry of `fromEndpoints` / `toEndpoints`. Keys may carry a label source (`k8s:`, `any:`, `reserved:`).
    Endpoints(Selector, Origin),
    /// An entry of `fromEntities` / `toEntities`.
    Entity(Entity, Origin),
    /// An entry of `fromCIDR` / `toCIDR`, or of `fromCIDRSet` / `toCIDRSet`. Never matches pods or nodes.
    Cidr {
        /// The network.
        cidr: IpNet,
        /// Parts of it that do not count.
        except: Vec<IpNet>,
        /// Where the peer is written.
        origin: Origin,
    },
    /// An entry of `toServices`.
    Service(ServiceRef, Origin),
    /// An entry of `toFQDNs`.
    Fqdn(FqdnMatch, Origin),
    /// An entry of `fromNodes` / `toNodes`.
    Nodes(Selector, Origin),
    /// A peer that needs a fact from outside (`toGroups`, `cidrGroupRef`): what it selects is not known.
    Unresolved(&'static str, Origin),
}

/// An HTTP condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpMatch {
    /// A regular expression that the whole method must match.
    pub method: Option<Text>,
    /// A regular expression that the whole path must match.
    pub path: Option<Text>,
    /// A regular expression that the whole host must match.
    pub host: Option<Text>,
    /// Headers that must be present: a name, and a value if it matters.
    pub headers: Vec<(Text, Option<Text>)>,
}

/// One condition of layer 7; the entries of a port rule are alternatives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum L7Match {
    /// `rules.http`.
    Http(HttpMatch),
    /// `rules.dns`.
    Dns(FqdnMatch),
    /// Another protocol (`kafka`, `l7proto`) that the engine does not judge: its name.
    Other(Text),
}

/// One entry of `toPorts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiliumPortRule {
    /// The ports; empty means every port of every protocol.
    pub ports: Vec<PortMatch>,
    /// Layer 7 conditions; nothing means none, and an empty list (`http: []` alone) means none either.
    pub l7: Vec<L7Match>,
    /// Where it is written.
    pub origin: Origin,
}

/// One entry of `icmps[].fields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpMatch {
    /// [`Protocol::Icmp`] or [`Protocol::Icmpv6`].
    pub protocol: Protocol,
    /// The ICMP type.
    pub kind: u8,
    /// Where it is written.
    pub origin: Origin,
}

/// One rule of `ingress`, `ingressDeny`, `egress` or `egressDeny`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiliumRule {
    /// Its peers. Nothing if the rule has no peer field (any peer); empty if it has one that lists nobody
    /// (`fromEndpoints: []`: no peer).
    pub peers: Option<Vec<CiliumPeer>>,
    /// `fromRequires` / `toRequires`: what the endpoints that any rule for the same subject and direction selects must
    /// meet too.
    pub requires: Vec<Selector>,
    /// `toPorts`; empty means every port of every protocol (unless `icmps` is given).
    pub ports: Vec<CiliumPortRule>,
    /// `icmps`; a rule with it and without `toPorts` is only about ICMP.
    pub icmps: Vec<IcmpMatch>,
    /// Where the rule is written.
    pub origin: Origin,
}

/// The subject of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CiliumSubject {
    /// `endpointSelector`: pods (of the policy's namespace, for a CiliumNetworkPolicy).
    Endpoints(Selector),
    /// `nodeSelector` (CiliumClusterwideNetworkPolicy only): the host firewall of nodes.
    Nodes(Selector),
}

/// One rule set: `spec`, or one of `specs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiliumSpec {
    /// What it applies to.
    pub subject: CiliumSubject,
    /// Whether it isolates for ingress: `enableDefaultDeny.ingress`, else whether `ingress` or `ingressDeny`
    /// has a rule.
    pub isolates_ingress: bool,
    /// Whether it isolates for egress, likewise.
    pub isolates_egress: bool,
    /// Allow rules for connections to the subject.
    pub ingress: Vec<CiliumRule>,
    /// Deny rules for connections to the subject; they win over every allow rule.
    pub ingress_deny: Vec<CiliumRule>,
    /// Allow rules for connections from the subject.
    pub egress: Vec<CiliumRule>,
    /// Deny rules for connections from the subject.
    pub egress_deny: Vec<CiliumRule>,
    /// Where it is written.
    pub origin: Origin,
}

/// A CiliumNetworkPolicy (its meta has a namespace) or a CiliumClusterwideNetworkPolicy (it has none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiliumPolicy {
    /// Kind, name, labels.
    pub meta: Arc<PolicyMeta>,
    /// `spec` and `specs`, in this order.
    pub specs: Vec<CiliumSpec>,
}

/// The labels that Cilium derives for a pod beside its own, with their keys as written in policies.
pub mod derived {
    /// The pod's namespace.
    pub const NAMESPACE: &str = "io.kubernetes.pod.namespace";
    /// Prefix of the labels of the pod's namespace.
    pub const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";
    /// The pod's service account.
    pub const SERVICE_ACCOUNT: &str = "io.cilium.k8s.policy.serviceaccount";
    /// The cluster's name; a cluster that is not named is `default`.
    pub const CLUSTER: &str = "io.cilium.k8s.policy.cluster";
}

/// All labels of a pod as Cilium sees them (source `k8s`), derived ones included.
#[must_use]
pub fn endpoint_labels(pod: &crate::workload::Pod, namespace: Option<&crate::workload::Namespace>) -> Labels {
    let mut labels = pod.labels.clone();
    labels.insert(derived::NAMESPACE, pod.namespace.clone());
    labels.insert(derived::SERVICE_ACCOUNT, pod.service_account.clone());
    labels.insert(derived::CLUSTER, "default");
    for (key, value) in namespace.iter().flat_map(|namespace| namespace.labels.iter()) {
        labels.insert(format!("{}{key}", derived::NAMESPACE_LABELS), value.clone());
    }
    labels
}
