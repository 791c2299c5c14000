//! RF8xx, hygiene: owners, reasons, names, versions.

use crate::rule::Rule;

/// The rules of this subject.
pub(super) static RULES: &[&Rule] = &[];
