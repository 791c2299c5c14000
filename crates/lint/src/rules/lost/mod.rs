//! RF3xx, lost paths: what must work and does not.

mod aggregated_api_unreachable;
mod api_server_cut;
mod bound_accounts;
mod called_by_api_server;
mod dependency_cut;
mod dns_cut_off;
mod dns_over_tcp_missing;
mod ingress_controller_cut;
mod load_balancer_cut;
mod metrics_unreachable;
mod missing;
mod node_local_dns_missed;
mod one_sided_egress;
mod one_sided_ingress;
mod one_sided_report;
mod openings;
mod outside;
mod outside_host_cut;
mod passage;
mod probes_blocked;
mod references;
mod resolving;
pub(crate) mod sides;
mod statefulset_peers_cut;
mod targets;
mod webhook_unreachable;
mod written;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[
    &dns_cut_off::RULE,
    &dns_over_tcp_missing::RULE,
    &node_local_dns_missed::RULE,
    &one_sided_egress::RULE,
    &one_sided_ingress::RULE,
    &probes_blocked::RULE,
    &webhook_unreachable::RULE,
    &aggregated_api_unreachable::RULE,
    &metrics_unreachable::RULE,
    &ingress_controller_cut::RULE,
    &load_balancer_cut::RULE,
    &statefulset_peers_cut::RULE,
    &dependency_cut::RULE,
    &outside_host_cut::RULE,
    &api_server_cut::RULE,
];
