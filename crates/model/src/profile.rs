//! Where real CNIs differ from the specification. In: a profile's name. Out: which of the differences hold.

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

    /// All profiles, the default first.
    pub const ALL: [Self; 5] =
        [Self::UPSTREAM, Self::CALICO, Self::CILIUM, Self::KUBE_ROUTER_1, Self::FLANNEL];

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
