//! RF7xx, what CNIs do differently or not at all.

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[];
