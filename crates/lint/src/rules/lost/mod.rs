//! RF3xx, lost paths: what must work and does not.

mod dns_cut_off;
mod missing;
mod one_sided_egress;
mod one_sided_ingress;
mod one_sided_report;
mod openings;
mod passage;
mod resolving;
mod sides;

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[&dns_cut_off::RULE, &one_sided_egress::RULE, &one_sided_ingress::RULE];
