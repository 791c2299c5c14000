//! RF2xx, addresses.

mod known;
mod node_address_in_ip_block;
mod pod_address_in_ip_block;
mod service_address_in_ip_block;
mod unusable_address;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[
    &service_address_in_ip_block::RULE,
    &pod_address_in_ip_block::RULE,
    &node_address_in_ip_block::RULE,
    &unusable_address::RULE,
];
