//! RF1xx, what selectors, names and ports match: nothing, or something else than meant.

mod namespace_label_nobody_sets;
mod nobody;
mod peer_matches_no_pod;
mod peers_or_instead_of_and;
mod right_label_in_other_namespace;
mod subject_matches_no_pod;
mod words;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[
    &subject_matches_no_pod::RULE,
    &peer_matches_no_pod::RULE,
    &namespace_label_nobody_sets::RULE,
    &peers_or_instead_of_and::RULE,
    &right_label_in_other_namespace::RULE,
];
