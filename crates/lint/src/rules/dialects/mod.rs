//! RF7xx, dialects.

mod bare_pod_not_enforced;
mod cilium_deny_isolates;
mod cni_enforces_nothing;
mod default_deny_off;
mod dns_pattern_matches_no_service;
mod empty_list_isolates_nothing;
mod end_port_not_honoured;
mod family_not_enforced;
mod fqdn_without_dns_rule;
mod ip_block_on_pods;
mod kind_not_supported;
mod l7_without_proxy;
mod mixed_policies_on_pod;
mod named_port_not_honoured;
mod sctp_not_supported;
mod service_port_must_equal_target_port;
mod too_many_ports;
mod visibility_annotation;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[
    &cni_enforces_nothing::RULE,
    &end_port_not_honoured::RULE,
    &ip_block_on_pods::RULE,
    &l7_without_proxy::RULE,
    &fqdn_without_dns_rule::RULE,
    &mixed_policies_on_pod::RULE,
    &kind_not_supported::RULE,
    &sctp_not_supported::RULE,
    &named_port_not_honoured::RULE,
    &service_port_must_equal_target_port::RULE,
    &bare_pod_not_enforced::RULE,
    &too_many_ports::RULE,
    &family_not_enforced::RULE,
    &cilium_deny_isolates::RULE,
    &default_deny_off::RULE,
    &visibility_annotation::RULE,
    &dns_pattern_matches_no_service::RULE,
    &empty_list_isolates_nothing::RULE,
];
