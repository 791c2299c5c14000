//! RF0xx, the check itself: what could not be read, and suppressions.

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[];
