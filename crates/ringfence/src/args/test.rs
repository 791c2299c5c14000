//! What `test` takes. In: arguments. Out: plain values.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::InputArgs;

/// Arguments of `test`.
#[derive(Args, Debug)]
#[command(after_help = EXIT)]
pub(crate) struct TestArgs {
    /// The matrix: tables in Markdown (.md), a list in YAML (.yaml, .yml, .json; netassert v2 files too) or CSV (.csv)
    #[arg(value_name = "MATRIX")]
    pub(crate) matrix: PathBuf,
    /// The cluster.
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// What judges the rows: the engine, or packets in a lab (see `ringfence lab`)
    #[arg(long, value_name = "JUDGE", value_enum, default_value_t)]
    pub(crate) on: On,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t, help_heading = super::GLOBAL)]
    pub(crate) format: Format,
}

/// What judges a matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum On {
    /// The engine, from the manifests alone
    #[default]
    Engine,
    /// Packets in network namespaces
    Lab,
}

/// Output formats of `test`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// The same tables with verdicts and reasons
    Md,
    /// JSON, version 1
    Json,
    /// JUnit XML
    Junit,
    /// The Test Anything Protocol, version 14
    Tap,
    /// Annotations for GitHub Actions
    Github,
}

const EXIT: &str = "\
Exit codes:
  0  every row is as expected (rows that no packet in a lab can decide aside)
  1  some rows are not
  2  wrong usage, a row that cannot be read or names nothing known, or input that could not be read; whatever could be
     read is still answered";
