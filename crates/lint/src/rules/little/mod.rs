//! RF5xx, too little: what is not isolated, what policies leave out, and policies that change nothing.

mod allows_what_is_denied;
mod cut;
mod default_isolates_ingress;
mod duplicate_policy;
mod isolates_by_accident;
mod isolation;
mod namespace_without_default_deny;
mod not_isolated_egress;
mod not_isolated_ingress;
mod policy_types_omit_rules;
mod redundant_policy;
mod redundant_rule;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[
    &not_isolated_ingress::RULE,
    &not_isolated_egress::RULE,
    &policy_types_omit_rules::RULE,
    &isolates_by_accident::RULE,
    &default_isolates_ingress::RULE,
    &namespace_without_default_deny::RULE,
    &redundant_policy::RULE,
    &duplicate_policy::RULE,
    &redundant_rule::RULE,
    &allows_what_is_denied::RULE,
];
