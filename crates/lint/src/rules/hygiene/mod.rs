//! RF8xx, hygiene: annotations, names, API versions, and objects that are given twice or to nobody.

mod annotated;
mod deprecated_api_version;
mod last_reviewed_missing;
mod missing_namespace;
mod name_contradicts_policy;
mod name_does_not_match_pattern;
mod object_given_twice;
mod owner_missing;
mod reason_missing;
mod review_too_old;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[
    &owner_missing::RULE,
    &reason_missing::RULE,
    &last_reviewed_missing::RULE,
    &review_too_old::RULE,
    &name_does_not_match_pattern::RULE,
    &name_contradicts_policy::RULE,
    &deprecated_api_version::RULE,
    &object_given_twice::RULE,
    &missing_namespace::RULE,
];
