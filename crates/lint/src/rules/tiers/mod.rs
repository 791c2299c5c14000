//! RF6xx, tiers: rules of the Admin and Baseline tiers that do something else than they say, or nothing.

mod admin_accept_opens;
mod baseline_not_enforced;
mod equal_priorities_overlap;
mod invalid_combination;
mod pass_with_nothing_behind;
mod rule_never_reached;
mod rules;
mod subject_includes_system_namespaces;
mod witness;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[
    &equal_priorities_overlap::RULE,
    &rule_never_reached::RULE,
    &pass_with_nothing_behind::RULE,
    &baseline_not_enforced::RULE,
    &admin_accept_opens::RULE,
    &invalid_combination::RULE,
    &subject_includes_system_namespaces::RULE,
];
