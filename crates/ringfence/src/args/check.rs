//! What `check` takes. In: arguments. Out: plain values.

use clap::{Args, ValueEnum};

use super::InputArgs;
use crate::exit;

/// Arguments of `check`.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct CheckArgs {
    /// The cluster.
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Rules to run, by code, beginning of a code (`RF3`) or name, separated by commas
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(crate) select: Vec<String>,
    /// Rules not to run
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t, help_heading = super::GLOBAL)]
    pub(crate) format: Format,
}

/// Output formats of `check`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// JSON, version 1
    Json,
}
