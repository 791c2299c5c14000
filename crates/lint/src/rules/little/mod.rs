//! RF5xx, too little: what is not isolated, what policies leave out, and policies that change nothing.

mod policy_types_omit_rules;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[&policy_types_omit_rules::RULE];
