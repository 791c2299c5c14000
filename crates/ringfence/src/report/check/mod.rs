//! Reports of `check`, one file a format. In: what the linter found. Out: text.

pub(crate) mod json;
pub(crate) mod text;
