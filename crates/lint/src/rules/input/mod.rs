//! RF0xx, the check itself: what could not be read, and suppressions.

mod malformed_suppression;
mod questionable_input;
pub(crate) mod reading;
mod rejected_object;
mod suppression_without_reason;
mod unknown_rule_in_suppression;
mod unreadable_document;
pub(super) mod unused_suppression;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[
    &unreadable_document::RULE,
    &rejected_object::RULE,
    &questionable_input::RULE,
    &unused_suppression::RULE,
    &suppression_without_reason::RULE,
    &unknown_rule_in_suppression::RULE,
    &malformed_suppression::RULE,
];
