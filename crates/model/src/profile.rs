//! Where verdicts of real CNIs differ from the specification. In: a profile's name. Out: which of the differences hold. What
//! CNIs do otherwise that no verdict shows is in [`crate::dialect`].

/// A CNI dialect. The default is the upstream specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Profile {
    /// The name that selects it.
    pub name: &'static str,
    /// Whether policies have any effect.
    pub enforces: bool,
    /// Whether an ipBlock of a NetworkPolicy matches the addresses of pods and nodes of this cluster.
    pub ip_block_matches_cluster: bool,
    /// Whether `endPort` is honoured; otherwise only the first port of the range is.
    pub end_port: bool,
}

impl Profile {
    /// The specification as upstream documents it.
    pub const UPSTREAM: Self =
        Self { name: "upstream", enforces: true, ip_block_matches_cluster: true, end_port: true };

    /// Cilium: CIDR rules never match pods or nodes (docs.cilium.io, "IP/CIDR based").
    pub const CILIUM: Self = Self { name: "cilium", ip_block_matches_cluster: false, ..Self::UPSTREAM };

    /// Flannel without a policy controller: no policy has any effect.
    pub const FLANNEL: Self = Self { name: "flannel", enforces: false, ..Self::UPSTREAM };

    /// Calico: as the specification says.
    pub const CALICO: Self = Self { name: "calico", ..Self::UPSTREAM };

    /// kube-router before 2.0 and k3s' embedded controller of that age: `endPort` is ignored.
    pub const KUBE_ROUTER_1: Self = Self { name: "kube-router-1", end_port: false, ..Self::UPSTREAM };

    /// kube-router since 2.0, which k3s embeds: `endPort` is honoured.
    pub const KUBE_ROUTER: Self = Self { name: "kube-router", ..Self::UPSTREAM };

    /// The Amazon VPC CNI with its network policy agent.
    pub const AWS: Self = Self { name: "aws", ..Self::UPSTREAM };

    /// Azure Network Policy Manager on Linux.
    pub const AZURE: Self = Self { name: "azure", ..Self::UPSTREAM };

    /// Azure CNI powered by Cilium: CIDR rules never match pods or nodes.
    pub const AZURE_CILIUM: Self = Self { name: "azure-cilium", ..Self::CILIUM };

    /// All profiles, the default first.
    pub const ALL: [Self; 9] = [
        Self::UPSTREAM,
        Self::CALICO,
        Self::CILIUM,
        Self::KUBE_ROUTER,
        Self::KUBE_ROUTER_1,
        Self::AWS,
        Self::AZURE,
        Self::AZURE_CILIUM,
        Self::FLANNEL,
    ];

    /// The profile with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name == name)
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::UPSTREAM
    }
}
