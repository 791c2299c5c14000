//! Reports: one directory per command, one file per format. In: answers of the analysis. Out: text.

pub(crate) mod connections;
pub(crate) mod explain;
mod graph;
mod json;
mod layout;
pub(crate) mod test;
mod words;
