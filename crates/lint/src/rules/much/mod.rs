//! RF4xx, too much: what is open to more than anybody asked for.

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[];
