//! RF1xx, what selectors, names and ports match: nothing, or something else than meant.

mod exclusion_excludes_nothing;
mod label_of_another_source;
mod listening;
mod named_port_on_no_pod;
mod namespace_label_nobody_sets;
mod nobody;
mod odd_label;
mod peer_matches_no_pod;
mod peers_and_ports_torn_apart;
mod peers_or_instead_of_and;
mod policy_in_wrong_namespace;
mod port_nobody_listens_on;
mod repair;
mod right_label_in_other_namespace;
mod selector_on_changing_label;
mod selector_that_cannot_match;
mod service_port_instead_of_pod_port;
mod subject_matches_no_pod;
mod words;
mod workload_label_typo;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[
    &subject_matches_no_pod::RULE,
    &peer_matches_no_pod::RULE,
    &namespace_label_nobody_sets::RULE,
    &peers_or_instead_of_and::RULE,
    &right_label_in_other_namespace::RULE,
    &named_port_on_no_pod::RULE,
    &service_port_instead_of_pod_port::RULE,
    &selector_on_changing_label::RULE,
    &port_nobody_listens_on::RULE,
    &selector_that_cannot_match::RULE,
    &workload_label_typo::RULE,
    &policy_in_wrong_namespace::RULE,
    &exclusion_excludes_nothing::RULE,
    &label_of_another_source::RULE,
    &peers_and_ports_torn_apart::RULE,
];
