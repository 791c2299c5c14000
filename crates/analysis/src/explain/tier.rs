//! Policies of the Admin and Baseline tiers by their meta. In: a policy's meta. Out: the policy.

use ringfence_model::{cluster::Cluster, network_policy::PolicyMeta, tier::TierPolicy};

/// The tier policy with this kind and name.
pub(super) fn find<'a>(cluster: &'a Cluster, meta: &PolicyMeta) -> Option<&'a TierPolicy> {
    cluster.tier_policies.iter().find(|policy| policy.meta.kind == meta.kind && policy.meta.name == meta.name)
}
