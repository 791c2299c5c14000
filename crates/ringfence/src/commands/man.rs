//! `man`. In: a command, or nothing for the overview. Out: a manual page in roff.

use clap::CommandFactory as _;
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};

use crate::{
    args::{Cli, ManArgs},
    context::Failure,
    exit::Exit,
    output,
};

/// Prints the page.
pub(crate) fn run(args: &ManArgs) -> Result<Exit, Failure> {
    let mut program = Cli::command().bin_name("ringfence");
    program.build();
    let command = match &args.command {
        None => program,
        Some(name) => match program.get_subcommands().find(|known| known.get_name() == name) {
            Some(found) => found.clone(),
            None => {
                let failure =
                    Diagnostic::error("usage", Origin::NONE, format!("there is no command `{name}`"))
                        .with_help("`ringfence --help` lists the commands");
                return Err(Box::new(failure));
            }
        },
    };
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = clap_mangen::Man::new(command).render(&mut page);
    output::plain(|out| out.write_all(&page))?;
    Ok(Exit::Fine)
}
