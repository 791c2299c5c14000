//! RF4xx, too much: what is open to more than anybody asked for.

mod allows_everything;
mod any_namespace;
mod default_deny_undone;
mod dns_to_anywhere;
mod egress_to_anywhere;
mod entries;
mod everything;
mod ingress_from_anywhere;
mod metrics;
mod namespace_label_anyone_can_set;
mod rule_makes_others_pointless;
mod sensitive_exposed;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[
    &allows_everything::RULE,
    &default_deny_undone::RULE,
    &rule_makes_others_pointless::RULE,
    &egress_to_anywhere::RULE,
    &any_namespace::RULE,
    &namespace_label_anyone_can_set::RULE,
    &sensitive_exposed::RULE,
    &dns_to_anywhere::RULE,
    &ingress_from_anywhere::RULE,
];
