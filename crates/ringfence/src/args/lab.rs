//! What `lab` takes. In: arguments. Out: plain values.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::LoadArgs;

/// Arguments of `lab`.
#[derive(Args, Debug)]
#[command(after_help = EXIT, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct LabArgs {
    /// What to do with labs that run.
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    /// Files, directories (.yaml, .yml and .json below them; hidden and git-ignored files are skipped), or `-` for
    /// standard input; together they are one cluster
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// A matrix whose rows are tried too, as `ringfence test` takes it
    #[arg(long, value_name = "MATRIX")]
    pub(crate) test: Option<PathBuf>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t, help_heading = super::GLOBAL)]
    pub(crate) format: Format,
    /// How the lab is built.
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    /// Stay up after the report, for `ringfence lab exec` and `ringfence lab flows`, until Ctrl-C
    #[arg(long, help_heading = LAB)]
    pub(crate) shell: bool,
    /// Stay up, apply changes of the manifests as they are saved, and say what they open and cut
    #[arg(long, help_heading = LAB)]
    pub(crate) watch: bool,
    /// How to understand the manifests.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

/// How a lab is built.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct BuildArgs {
    /// How many nodes there are at least [default: those of the manifests, or 2]
    #[arg(long, value_name = "N", help_heading = LAB, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) nodes: Option<u16>,
    /// IPv4 and IPv6 everywhere, whatever the manifests show
    #[arg(long, help_heading = LAB)]
    pub(crate) dual_stack: bool,
    /// Drop what is denied without an answer instead of rejecting it (slower: every denied probe waits)
    #[arg(long, help_heading = LAB)]
    pub(crate) drop: bool,
    /// Log new connections that are allowed too, each with the rule that allows it, for `ringfence lab flows`
    #[arg(long, help_heading = LAB)]
    pub(crate) log_allowed: bool,
}

/// What to do with labs that run.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Run a command in a pod of a running lab
    Exec(ExecArgs),
    /// Show what the nodes of a running lab log: who was refused, by which rule
    Flows(FlowsArgs),
    /// List the labs that run, with their pods
    List(ListArgs),
}

/// Arguments of `lab exec`.
#[derive(Args, Debug)]
#[command(after_help = EXEC)]
pub(crate) struct ExecArgs {
    /// The lab's process, if several run
    #[arg(long, value_name = "PID")]
    pub(crate) lab: Option<u32>,
    /// The pod: `namespace/pod`, `namespace/workload` (its first pod), or a name that is unique
    #[arg(value_name = "POD")]
    pub(crate) pod: String,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// Arguments of `lab flows`.
#[derive(Args, Debug)]
pub(crate) struct FlowsArgs {
    /// Wait for more instead of ending with what has been logged
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// The lab's process, if several run
    #[arg(long, value_name = "PID")]
    pub(crate) lab: Option<u32>,
    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, help_heading = super::GLOBAL)]
    pub(crate) format: StreamFormat,
}

/// Arguments of `lab list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, help_heading = super::GLOBAL)]
    pub(crate) format: StreamFormat,
}

/// Output formats of `lab`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// The same as tables
    Md,
    /// JUnit XML
    Junit,
    /// JSON, version 1
    Json,
}

/// Output formats of `lab flows` and `lab list`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum StreamFormat {
    /// For people
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

/// The heading of the options that say how a lab is built.
pub(crate) const LAB: &str = "Lab";

const EXIT: &str = "\
Exit codes:
  0  kernel and engine agree, and every row of the matrix is as expected
  1  they disagree, or some rows are not
  2  wrong usage, input that could not be read, or a machine on which no lab can run";

const EXEC: &str = "\
Built-in commands, for pods without a shell or tools (a program of the same name on the machine comes first, except that
the first four are always the built-in ones):
  connect HOST PORT [--udp|--sctp]   say whether a connection works, and how it is refused
  listen PORT [--udp|--sctp]         answer connections until Ctrl-C
  resolve NAME                       ask the lab's DNS
  get URL                            fetch a page over HTTP
  curl URL                           the same, where no curl is installed

Exit codes: those of the command; 2 if it cannot be run, 137 if the lab ends before it.";
