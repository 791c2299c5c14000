//! Reports: one directory per command, one file per format. In: answers of the analysis. Out: text.

mod blocks;
pub(crate) mod check;
pub(crate) mod connections;
mod csv;
pub(crate) mod diff;
pub(crate) mod explain;
mod github;
mod graph;
mod json;
pub(crate) mod lab;
pub(crate) mod layout;
mod md;
pub(crate) mod rules;
pub(crate) mod test;
pub(crate) mod words;
