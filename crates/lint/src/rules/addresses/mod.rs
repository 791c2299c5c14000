//! RF2xx, addresses.

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[];
