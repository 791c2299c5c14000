//! Reports: one directory per command, one file per format. In: answers of the analysis. Out: text.

pub(crate) mod explain;
pub(crate) mod test;
