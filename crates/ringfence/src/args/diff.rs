//! What `diff` takes. In: arguments. Out: plain values.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::LoadArgs;
use crate::exit;

/// Arguments of `diff`.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct DiffArgs {
    /// OLD and NEW: a file or a directory each (or `-`); with --git, the paths to compare
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Compare the paths as they were in this git revision with what they are now
    #[arg(long, value_name = "REV")]
    pub(crate) git: Option<String>,
    /// Exit with 1 only if something opened
    #[arg(long)]
    pub(crate) deny_opened: bool,
    /// Also compare connections between replicas of one workload
    #[arg(long = "self")]
    pub(crate) own: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t, help_heading = super::GLOBAL)]
    pub(crate) format: Format,
    /// How to understand the manifests.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

/// Output formats of `diff`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// Markdown, for a comment on a pull request
    Md,
    /// JSON, version 1
    Json,
    /// Comma-separated values
    Csv,
    /// A Graphviz graph
    Dot,
    /// A drawing
    Svg,
}
