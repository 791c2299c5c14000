//! Random clusters and flows, biased to where things go wrong. In: a seed. Out: clusters as the decoders could have
//! made them, flows near to what their policies mention, manifests of them, and smaller ones that still fail.
//!
//! Everything is drawn from few names, labels, ports and networks, so that policies overlap. A seed means the same
//! cluster on every machine.

mod agree;
mod churn;
mod cilium;
mod dice;
mod flow;
mod manifests;
mod network_policy;
mod order;
mod parts;
mod shrink;
mod tier;
mod visit;
mod workloads;
mod yaml;

pub use agree::{Make, compare, describe, flows, less_sure, same};
pub use churn::Churn;
pub use dice::{Rng, rng};
pub use flow::flow;
pub use manifests::{case, manifests};
pub use order::sort;
pub use shrink::shrink;
pub use visit::{Names, rename};

use ringfence_model::{cluster::Cluster, profile::Profile};

use dice::Dice;

/// The most of everything that a random cluster has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Namespaces, at most four.
    pub namespaces: usize,
    /// Nodes.
    pub nodes: usize,
    /// Workloads; each has one to three pods.
    pub workloads: usize,
    /// Services.
    pub services: usize,
    /// NetworkPolicies.
    pub network_policies: usize,
    /// Policies of the Admin and Baseline tiers.
    pub tier_policies: usize,
    /// Cilium policies.
    pub cilium_policies: usize,
}

impl Size {
    /// So small that a person can follow a failing case, and large enough that policies meet.
    pub const SMALL: Self = Self {
        namespaces: 3,
        nodes: 3,
        workloads: 6,
        services: 3,
        network_policies: 6,
        tier_policies: 6,
        cilium_policies: 4,
    };
}

/// The cluster that a seed stands for.
#[must_use]
pub fn cluster(seed: u64, size: &Size) -> Cluster {
    let mut dice = Dice::new(seed);
    let mut cluster = Cluster::default();
    workloads::fill(&mut dice, size, &mut cluster);
    // Each dialect is left out of some clusters, so that every mixture comes up.
    if dice.chance(75) {
        network_policy::fill(&mut dice, size.network_policies, &mut cluster);
    }
    if dice.chance(55) {
        tier::fill(&mut dice, size.tier_policies, &mut cluster);
    }
    if dice.chance(50) {
        cilium::fill(&mut dice, size.cilium_policies, &mut cluster);
    }
    if dice.chance(25) {
        cluster.profile = dice.pick(&Profile::ALL);
    }
    order::sort(&mut cluster);
    cluster
}
