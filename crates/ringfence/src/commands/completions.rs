//! `completions`. In: a shell. Out: a script that completes this program's commands and options in it.

use clap::CommandFactory as _;

use crate::{
    args::{Cli, CompletionsArgs},
    context::Failure,
    exit::Exit,
    output,
};

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ringfence", &mut script);
    output::plain(|out| out.write_all(&script))?;
    Ok(Exit::Fine)
}
