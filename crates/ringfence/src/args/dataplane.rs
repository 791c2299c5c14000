//! What `dataplane` takes. In: arguments. Out: plain values.

use clap::{Args, Subcommand, ValueEnum};

use super::{InputArgs, lab::BuildArgs};
use crate::exit;

/// Arguments of `dataplane`.
#[derive(Args, Debug)]
pub(crate) struct DataplaneArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What to do with programs.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Print the nftables program that a node enforces, as `nft -f` takes it
    Show(ShowArgs),
    /// Say what this machine's kernel can do for a program, and what happens without what it cannot
    Features,
}

/// Arguments of `dataplane show`.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct ShowArgs {
    /// The cluster.
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// The node whose program to print
    #[arg(long, value_name = "NAME")]
    pub(crate) node: String,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t, help_heading = super::GLOBAL)]
    pub(crate) format: Format,
    /// How a lab would be built, for nodes and addresses that the manifests do not show.
    #[command(flatten)]
    pub(crate) build: BuildArgs,
}

/// Output formats of `dataplane show`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// What `nft -f` takes, the notes as comments at its end
    #[default]
    Text,
    /// JSON, version 1
    Json,
}
