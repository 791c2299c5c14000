//! RF1xx, what selectors, names and ports match: nothing, or something else than meant.

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[];
