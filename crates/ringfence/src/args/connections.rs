//! What `connections` takes. In: arguments. Out: plain values.

use clap::{Args, ValueEnum};

use super::InputArgs;
use crate::{commands::ports::PortFilter, exit};

/// Arguments of `connections`.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct ConnectionsArgs {
    /// The cluster.
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t, help_heading = super::GLOBAL)]
    pub(crate) format: Format,
    /// Only connections from here: `namespace/workload`, a workload's or pod's name, `*` for any run of characters
    /// (`shop/*`), an IP address or CIDR, or `external` for everything outside (repeatable)
    #[arg(long, value_name = "END", help_heading = FILTERS)]
    pub(crate) from: Vec<String>,
    /// Only connections to here, written as for --from (repeatable)
    #[arg(long, value_name = "END", help_heading = FILTERS)]
    pub(crate) to: Vec<String>,
    /// Only these ports: `5432`, `5432/TCP`, `8080-8090/UDP`, `UDP` (repeatable; without a protocol, TCP)
    #[arg(long, value_name = "PORT", help_heading = FILTERS)]
    pub(crate) port: Vec<PortFilter>,
    /// Only connections with one end outside the cluster
    #[arg(long, help_heading = FILTERS)]
    pub(crate) external: bool,
    /// List what is denied instead of what is allowed
    #[arg(long, help_heading = FILTERS)]
    pub(crate) denied: bool,
    /// Also list connections between replicas of one workload
    #[arg(long = "self", help_heading = FILTERS)]
    pub(crate) own: bool,
    /// By pod instead of by workload
    #[arg(long, help_heading = FILTERS)]
    pub(crate) pods: bool,
}

/// Output formats of `connections`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// JSON, version 1
    Json,
    /// Comma-separated values
    Csv,
    /// A Markdown table
    Md,
    /// A Graphviz graph
    Dot,
    /// A Mermaid flowchart
    Mermaid,
    /// A drawing
    Svg,
}

const FILTERS: &str = "Filters";
