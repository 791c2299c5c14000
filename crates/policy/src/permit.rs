//! What one end may open to another, over all ports at once. In: outcomes per port. Out: sets of ports that are
//! allowed, allowed under conditions, or not known.

use ringfence_model::{
    port::{PortSet, Protocol},
    verdict::Condition,
};

/// Ports of one protocol that are allowed under conditions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conditional {
    /// The protocol.
    pub protocol: Protocol,
    /// The ports.
    pub ports: PortSet,
    /// One of these must hold at the source, unless empty.
    pub egress: Vec<Condition>,
    /// One of these must hold at the destination, unless empty.
    pub ingress: Vec<Condition>,
}

/// What one end may open to another. Ports in none of the three are denied; no port is in two of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permit {
    /// Allowed, in the order of [`Protocol::WITH_PORTS`]; protocols without ports are left out.
    pub allowed: Vec<(Protocol, PortSet)>,
    /// Allowed under conditions, sorted.
    pub conditional: Vec<Conditional>,
    /// Not known, as `allowed`.
    pub maybe: Vec<(Protocol, PortSet)>,
}

impl Permit {
    /// Whether every port is denied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allowed.is_empty() && self.conditional.is_empty() && self.maybe.is_empty()
    }

    /// Everything allowed.
    #[must_use]
    pub fn all() -> Self {
        let allowed = Protocol::WITH_PORTS.into_iter().map(|protocol| (protocol, PortSet::all())).collect();
        Self { allowed, ..Self::default() }
    }
}
