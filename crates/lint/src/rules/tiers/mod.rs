//! RF6xx, the Admin and Baseline tiers.

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[];
