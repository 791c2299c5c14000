//! What `connections` found, in every format. In: a listing. Out: text for people, programs, or drawings.

mod blocks;
mod csv;
mod graph;
mod json;
mod md;
mod text;

use std::io::{self, Write};

use ringfence_analysis::connections::{By, Listing, entries::Entry};

use crate::{args::connections::Format, report::graph as drawing};

/// What the formats print.
pub(crate) struct Report<'a> {
    /// The connections.
    pub(crate) listing: Listing<'a>,
    /// Whether ends are workloads or pods.
    pub(crate) by: By,
    /// Where connections enter the cluster; empty if the user's filters leave no room for them.
    pub(crate) entries: Vec<Entry>,
}

/// Writes the report.
///
/// # Errors
/// If writing fails.
pub(crate) fn write(report: &Report<'_>, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => text::write(report, out),
        Format::Json => json::write(report, out),
        Format::Csv => csv::write(report, out),
        Format::Md => md::write(report, out),
        Format::Dot => out.write_all(drawing::dot::render(&graph::of(report)).as_bytes()),
        Format::Mermaid => out.write_all(drawing::mermaid::render(&graph::of(report)).as_bytes()),
        Format::Svg => out.write_all(drawing::svg::render(&graph::of(report)).as_bytes()),
    }
}
