//! What `explain` takes. In: arguments. Out: plain values.

use clap::{Args, ValueEnum};

use super::InputArgs;
use crate::exit;

/// Arguments of `explain`.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct ExplainArgs {
    /// The cluster.
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Who connects: `namespace/workload`, `namespace/pod`, a bare name that is unique, an IP address, a CIDR or
    /// `internet`
    #[arg(long, value_name = "END")]
    pub(crate) from: String,
    /// To whom: as for --from, or a Service (`svc:namespace/name`) or a DNS name
    #[arg(long, value_name = "END")]
    pub(crate) to: String,
    /// To which port: `5432`, `5432/TCP`, `53/UDP`, `8000-8010`, or a port's name; every port if not given
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<String>,
    /// What is asked over the connection: `GET /path`, `POST http://host/path` or `DNS api.example.com`
    #[arg(long, value_name = "REQUEST")]
    pub(crate) request: Option<String>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t, help_heading = super::GLOBAL)]
    pub(crate) format: Format,
}

/// Output formats of `explain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// JSON, version 1
    Json,
    /// Markdown
    Md,
}
