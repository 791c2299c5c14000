//! The commands, one file each. In: their arguments. Out: reports on standard output and how it ended.

mod check;
mod completions;
mod connections;
mod dataplane;
mod diff;
pub(crate) mod docs;
mod explain;
mod lab;
mod man;
pub(crate) mod ports;
pub(crate) mod rule;
mod rules;
mod test;

use crate::{
    args::Command,
    context::{Context, Failure},
    exit::Exit,
};

/// Runs a command.
///
/// # Errors
/// If it cannot go on: usage that makes no sense, no input at all, an output that cannot be written.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Check(args) => check::run(args, context),
        Command::Rule(args) => rule::run(args),
        Command::Rules(args) => rules::run(args, context),
        Command::Connections(args) => connections::run(args, context),
        Command::Diff(args) => diff::run(args, context),
        Command::Explain(args) => explain::run(args, context),
        Command::Test(args) => test::run(args, context),
        Command::Lab(args) => lab::run(args, context),
        Command::Dataplane(args) => dataplane::run(args, context),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
        Command::Docs(args) => docs::run(args),
    }
}
