//! RF2xx, addresses.

mod except_excludes_nothing;
mod host_network_peer;
mod host_network_subject;
mod internet_by_pod_selector;
mod internet_includes_cluster;
mod known;
mod metadata_address_reachable;
mod node_address_in_ip_block;
mod one_family_only;
mod outside;
mod pod_address_in_ip_block;
mod service_address_in_ip_block;
mod source_address_hidden;
mod unusable_address;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[
    &service_address_in_ip_block::RULE,
    &pod_address_in_ip_block::RULE,
    &node_address_in_ip_block::RULE,
    &except_excludes_nothing::RULE,
    &internet_by_pod_selector::RULE,
    &metadata_address_reachable::RULE,
    &internet_includes_cluster::RULE,
    &one_family_only::RULE,
    &host_network_subject::RULE,
    &host_network_peer::RULE,
    &source_address_hidden::RULE,
    &unusable_address::RULE,
];
