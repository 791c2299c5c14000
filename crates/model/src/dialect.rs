//! What real CNIs do otherwise than the specification, beside what verdicts are about. In: a profile's name. Out: facts, each
//! with where it was read; what is not known is absent, and who needs it keeps silent.

use crate::network_policy::PolicyKind;

/// How far something is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Support {
    /// It works.
    Yes,
    /// It works where this is done first: what, as a clause (`` with `sctp.enabled` ``).
    If(&'static str),
    /// It does not work: what becomes of it, as a clause (`the policy is not applied`).
    No(&'static str),
}

/// A fact and where it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fact<T> {
    /// The fact.
    pub value: T,
    /// A document or a file of the project's source.
    pub source: &'static str,
}

/// What a CNI does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// The name of the profile that it belongs to.
    pub profile: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Whether rules see the address and port of a Service, before it is translated; otherwise they see the endpoint's.
    pub sees_service_address: Option<Fact<bool>>,
    /// Whether a selector of a peer means the host-network pods that it chooses (by their nodes' addresses).
    pub selects_host_network_peers: Option<Fact<bool>>,
    /// Rules about SCTP.
    pub sctp: Option<Fact<Support>>,
    /// Rules about IPv6 addresses.
    pub ipv6: Option<Fact<Support>>,
    /// Whether a port's name beside an `ipBlock` is looked up for connections to the policy's own pods (ingress). For
    /// egress there is nothing to look it up in.
    pub named_port_with_block: Option<Fact<bool>>,
    /// The most distinct ports of one peer.
    pub most_ports: Option<Fact<usize>>,
    /// Whether pods that nothing owns are subjects.
    pub bare_pods: Option<Fact<bool>>,
    /// HTTP rules of Cilium policies.
    pub layer7: Option<Fact<Support>>,
    /// DNS names as peers.
    pub dns_names: Option<Fact<Support>>,
    /// Kinds of policies other than NetworkPolicy.
    pub kinds: &'static [(PolicyKind, Fact<Support>)],
}

/// A fact.
const fn fact<T: Copy>(value: T, source: &'static str) -> Option<Fact<T>> {
    Some(Fact { value, source })
}

const fn kind(kind: PolicyKind, value: Support, source: &'static str) -> (PolicyKind, Fact<Support>) {
    (kind, Fact { value, source })
}

const IGNORED: Support = Support::No("nothing reads the policy");
const IMPLEMENTATIONS: &str = "network-policy-api.sigs.k8s.io, \"Implementations\" (2026-04)";
const CILIUM_KINDS: &str = "docs.cilium.io, \"Network Policy\": the kinds are Cilium's own";
const CILIUM_L3: &str = "docs.cilium.io, \"Layer 3 Policies\"";
const AKS: &str = "learn.microsoft.com, \"Azure CNI Powered by Cilium\"";
const EKS: &str = "docs.aws.amazon.com/eks, \"Limit Pod traffic with Kubernetes network policies\"";

const UNKNOWN: Dialect = Dialect {
    profile: "upstream",
    title: "the cluster's CNI",
    sees_service_address: None,
    selects_host_network_peers: None,
    sctp: None,
    ipv6: None,
    named_port_with_block: None,
    most_ports: None,
    bare_pods: None,
    layer7: None,
    dns_names: None,
    kinds: &[],
};

const CALICO: Dialect = Dialect {
    profile: "calico",
    title: "Calico",
    sees_service_address: fact(false, "projectcalico/calico issue 8049"),
    selects_host_network_peers: fact(false, "projectcalico/calico issue 4493"),
    kinds: &[
        kind(PolicyKind::CiliumNetworkPolicy, IGNORED, CILIUM_KINDS),
        kind(PolicyKind::CiliumClusterwideNetworkPolicy, IGNORED, CILIUM_KINDS),
        kind(PolicyKind::ClusterNetworkPolicy, Support::If("since Calico 3.32"), "Calico 3.32 release notes"),
        kind(
            PolicyKind::AdminNetworkPolicy,
            Support::If("from Calico 3.29 to 3.31; 3.32 no longer reads it"),
            "Calico 3.32 release notes",
        ),
        kind(
            PolicyKind::BaselineAdminNetworkPolicy,
            Support::If("in Calico 3.30 and 3.31; 3.32 no longer reads it"),
            "Calico 3.32 release notes",
        ),
    ],
    ..UNKNOWN
};

const CILIUM: Dialect = Dialect {
    profile: "cilium",
    title: "Cilium",
    sees_service_address: fact(false, CILIUM_L3),
    selects_host_network_peers: fact(false, CILIUM_L3),
    sctp: fact(
        Support::If("with `sctp.enabled`, which is off by default"),
        "docs.cilium.io, \"SCTP support (beta)\"",
    ),
    most_ports: fact(40, "cilium/cilium, pkg/policy/api/rule_validation.go"),
    layer7: fact(Support::Yes, "docs.cilium.io, \"Layer 7 Policies\""),
    dns_names: fact(Support::Yes, CILIUM_L3),
    kinds: &[
        kind(PolicyKind::AdminNetworkPolicy, IGNORED, IMPLEMENTATIONS),
        kind(PolicyKind::BaselineAdminNetworkPolicy, IGNORED, IMPLEMENTATIONS),
        kind(PolicyKind::ClusterNetworkPolicy, IGNORED, IMPLEMENTATIONS),
    ],
    ..UNKNOWN
};

const AZURE_CILIUM: Dialect = Dialect {
    profile: "azure-cilium",
    title: "Azure CNI powered by Cilium",
    layer7: fact(Support::If("with Advanced Container Networking Services; else it blocks"), AKS),
    dns_names: fact(Support::If("with Advanced Container Networking Services; else it blocks"), AKS),
    sctp: None,
    ..CILIUM
};

const KUBE_ROUTER: Dialect = Dialect {
    profile: "kube-router",
    title: "kube-router",
    sees_service_address: fact(
        false,
        "cloudnativelabs/kube-router, pkg/controllers/netpol: rules are in FORWARD",
    ),
    selects_host_network_peers: fact(false, "cloudnativelabs/kube-router, isNetPolActionable"),
    kinds: &[
        kind(PolicyKind::CiliumNetworkPolicy, IGNORED, CILIUM_KINDS),
        kind(PolicyKind::CiliumClusterwideNetworkPolicy, IGNORED, CILIUM_KINDS),
        kind(PolicyKind::AdminNetworkPolicy, IGNORED, IMPLEMENTATIONS),
        kind(PolicyKind::BaselineAdminNetworkPolicy, IGNORED, IMPLEMENTATIONS),
        kind(PolicyKind::ClusterNetworkPolicy, IGNORED, IMPLEMENTATIONS),
    ],
    ..UNKNOWN
};

const KUBE_ROUTER_1: Dialect = Dialect {
    profile: "kube-router-1",
    title: "kube-router before 2.0",
    ipv6: fact(Support::No("the block is ignored"), "cloudnativelabs/kube-router, commit e51ee3ae"),
    ..KUBE_ROUTER
};

const AWS: Dialect = Dialect {
    profile: "aws",
    title: "the Amazon VPC CNI",
    sees_service_address: fact(true, EKS),
    selects_host_network_peers: fact(true, "aws/amazon-network-policy-controller-k8s"),
    sctp: fact(Support::Yes, "aws/aws-network-policy-agent, pkg/ebpf"),
    named_port_with_block: fact(
        false,
        "aws/amazon-network-policy-controller-k8s, convertToPolicyInfoPortForCIDRs",
    ),
    most_ports: fact(24, "aws/aws-network-policy-agent, MAX_PORT_PROTOCOL"),
    bare_pods: fact(false, EKS),
    kinds: &[
        kind(PolicyKind::CiliumNetworkPolicy, IGNORED, CILIUM_KINDS),
        kind(PolicyKind::CiliumClusterwideNetworkPolicy, IGNORED, CILIUM_KINDS),
        kind(PolicyKind::AdminNetworkPolicy, IGNORED, IMPLEMENTATIONS),
        kind(PolicyKind::BaselineAdminNetworkPolicy, IGNORED, IMPLEMENTATIONS),
        kind(
            PolicyKind::ClusterNetworkPolicy,
            Support::No("it reads the kind of this name of the API group `networking.k8s.aws`, not this one"),
            "aws/amazon-network-policy-controller-k8s",
        ),
    ],
    ..UNKNOWN
};

const AZURE: Dialect = Dialect {
    profile: "azure",
    title: "Azure Network Policy Manager",
    ipv6: fact(
        Support::No("the whole policy is not applied"),
        "Azure/azure-container-networking, translatePolicy.go: ErrUnsupportedIPAddress",
    ),
    kinds: KUBE_ROUTER.kinds,
    ..UNKNOWN
};

const FLANNEL: Dialect =
    Dialect { profile: "flannel", title: "Flannel without a policy controller", ..UNKNOWN };

/// All dialects.
pub const ALL: [Dialect; 9] =
    [UNKNOWN, CALICO, CILIUM, KUBE_ROUTER, KUBE_ROUTER_1, AWS, AZURE, AZURE_CILIUM, FLANNEL];

impl Dialect {
    /// What is known about a profile's CNI; nothing for a profile without an entry.
    #[must_use]
    pub fn of(profile: &crate::profile::Profile) -> Self {
        ALL.into_iter().find(|dialect| dialect.profile == profile.name).unwrap_or(UNKNOWN)
    }

    /// What it does with a kind of policies, if known.
    #[must_use]
    pub fn kind(&self, kind: PolicyKind) -> Option<Fact<Support>> {
        self.kinds.iter().find(|(known, _)| *known == kind).map(|(_, fact)| *fact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    #[test]
    fn every_profile_has_a_dialect_of_its_own() {
        for profile in Profile::ALL {
            assert_eq!(Dialect::of(&profile).profile, profile.name);
        }
        assert_eq!(ALL.len(), Profile::ALL.len());
    }
}
