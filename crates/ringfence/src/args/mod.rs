//! The command line. In: arguments. Out: one value per command with everything the user asked for. One file per
//! command; what several commands take is here.

pub(crate) mod check;
pub(crate) mod connections;
pub(crate) mod dataplane;
pub(crate) mod diff;
pub(crate) mod docs;
pub(crate) mod explain;
pub(crate) mod lab;
pub(crate) mod rules;
mod shells;
pub(crate) mod test;

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use clap::{
    Args, CommandFactory as _, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, Styles, TypedValueParser as _},
};
use ringfence_model::{IpNet, profile::Profile};

pub(crate) use shells::{CompletionsArgs, ManArgs};

use crate::exit;

/// Kubernetes network policy in one binary: who can talk to whom, why, and what a change opens or cuts.
#[derive(Debug, Parser)]
#[command(name = "ringfence", version, styles = STYLES, after_help = exit::HELP, max_term_width = 100)]
#[command(propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find what is wrong with policies: what matches nothing, is cut off, open to too many, or has no effect
    Check(check::CheckArgs),
    /// Print the page of a rule of `check`: what it finds, why that is bad, an example and its correction
    Rule(rules::RuleArgs),
    /// List the rules of `check`
    Rules(rules::RulesArgs),
    /// List who can connect to whom, and on which ports
    Connections(connections::ConnectionsArgs),
    /// Compare two states of a cluster: what a change opens and cuts
    Diff(diff::DiffArgs),
    /// Say whether one end can connect to another, and which lines decide
    Explain(explain::ExplainArgs),
    /// Check a matrix of intended connections against the policies
    Test(test::TestArgs),
    /// Try the policies on packets: the cluster in network namespaces, without root, and whether the kernel does as the
    /// engine says
    Lab(lab::LabArgs),
    /// Show the program that enforces the policies on a node
    Dataplane(dataplane::DataplaneArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print a manual page (roff)
    Man(ManArgs),
    /// Print the reference of all commands as Markdown (docs/cli.md), or write all generated documents
    #[command(hide = true)]
    Docs(docs::DocsArgs),
}

/// Options that every command takes.
#[derive(Args, Debug)]
pub(crate) struct GlobalArgs {
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorArg::Auto, help_heading = GLOBAL)]
    pub(crate) color: ColorArg,
    /// Print errors only: no warnings, no notes
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub(crate) quiet: bool,
}

/// How the manifests are to be understood.
#[derive(Args, Debug)]
pub(crate) struct LoadArgs {
    /// Namespace of objects that name none [default: default]
    #[arg(short, long, value_name = "NAME", help_heading = CLUSTER)]
    pub(crate) namespace: Option<String>,
    /// A network that pods get their addresses from, beside those of Node objects (repeatable)
    #[arg(long, value_name = "CIDR", help_heading = CLUSTER)]
    pub(crate) pod_cidr: Vec<IpNet>,
    /// A network that Services get their addresses from (repeatable)
    #[arg(long, value_name = "CIDR", help_heading = CLUSTER)]
    pub(crate) service_cidr: Vec<IpNet>,
    /// The network plugin's dialect; `upstream` is the specification [default: upstream]
    #[arg(long, value_name = "NAME", value_parser = profiles(), help_heading = CLUSTER)]
    pub(crate) profile: Option<Profile>,
}

/// Where the manifests are.
#[derive(Args, Debug)]
pub(crate) struct InputArgs {
    /// Files, directories (.yaml, .yml and .json below them; hidden and git-ignored files are skipped), or `-` for
    /// standard input; together they are one cluster
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How to understand them.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorArg {
    Auto,
    Always,
    Never,
}

impl From<ColorArg> for anstream::ColorChoice {
    fn from(color: ColorArg) -> Self {
        match color {
            ColorArg::Auto => Self::Auto,
            ColorArg::Always => Self::Always,
            ColorArg::Never => Self::Never,
        }
    }
}

const GLOBAL: &str = "Output";
const CLUSTER: &str = "Cluster";

const STYLES: Styles = Styles::styled()
    .header(anstyle::Style::new().bold())
    .usage(anstyle::Style::new().bold())
    .literal(anstyle::AnsiColor::Cyan.on_default())
    .placeholder(anstyle::Style::new());

fn profiles() -> impl clap::builder::TypedValueParser<Value = Profile> {
    let names = Profile::ALL.map(|profile| profile.name);
    PossibleValuesParser::new(names).map(|name| Profile::named(&name).unwrap_or_default())
}

/// The whole command line, under the name that the program was called by: kubectl runs a plugin as
/// `kubectl-ringfence`, and its usage then says `kubectl ringfence`.
pub(crate) fn command_named_by(program: Option<&OsString>) -> clap::Command {
    let stem = program.and_then(|program| std::path::Path::new(program).file_stem());
    if stem == Some(OsStr::new("kubectl-ringfence")) {
        Cli::command()
            .name("kubectl-ringfence")
            .bin_name("kubectl ringfence")
            .display_name("kubectl ringfence")
    } else {
        Cli::command().bin_name("ringfence")
    }
}
