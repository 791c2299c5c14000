//! The annotations of policies. In: policies. Out: what an annotation says, and where, or where it would be.

use std::sync::Arc;

use ringfence_model::{cluster::Cluster, network_policy::PolicyMeta, origin::Origin};

use crate::{context::Context, settings::is_date};

/// Every policy of a cluster.
pub(super) fn policies(cluster: &Cluster) -> impl Iterator<Item = &Arc<PolicyMeta>> {
    let tiers = cluster.tier_policies.iter().map(|policy| &policy.meta);
    let network = cluster.network_policies.iter().map(|policy| &policy.meta);
    let cilium = cluster.cilium_policies.iter().map(|policy| &policy.meta);
    tiers.chain(network).chain(cilium)
}

/// What an annotation says; nothing if it is blank.
pub(super) fn value<'m>(meta: &'m PolicyMeta, key: &str) -> Option<&'m str> {
    meta.annotations.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// Where an annotation's value is written, else where the annotations are, else the policy's name.
pub(super) fn place(context: &Context<'_>, meta: &PolicyMeta, key: &str) -> Origin {
    let annotations = ["metadata".into(), "annotations".into()];
    let [metadata, of] = annotations;
    let value = context.places.root_value(meta.origin, &[metadata, of, key.into()]);
    value.or_else(|| context.places.root_key(meta.origin, &annotations)).unwrap_or(meta.origin)
}

/// The date that an annotation gives, `YYYY-MM-DD`.
pub(super) fn date<'m>(meta: &'m PolicyMeta, key: &str) -> Option<&'m str> {
    value(meta, key).filter(|value| is_date(value))
}
