//! The command line of ringfence. In: arguments, files, standard input. Out: reports on standard output, diagnostics
//! on standard error, an exit code. Only this crate knows terminals, files and output formats.

mod args;
mod commands;
mod context;
mod diagnostics;
mod exit;
mod git;
mod input;
mod load;
mod matrix_file;
mod output;
mod path;
mod report;
mod secrets;

use std::{ffi::OsString, process::ExitCode};

use clap::FromArgMatches as _;

use crate::{context::Context, exit::Exit};

pub use crate::commands::docs::{Document, documents};

/// Runs one command line, the program's name included, and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut command = args::command_named_by(arguments.first());
    let parsed = command.try_get_matches_from_mut(arguments).and_then(|matches| {
        args::Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // A closed terminal must not turn `--help | head` into a failure.
            let _ = error.print();
            return if error.exit_code() == 0 { Exit::Fine } else { Exit::Unusable }.into();
        }
    };
    let context = Context::new(&cli.global);
    match commands::run(&cli.command, &context) {
        Ok(exit) => exit,
        Err(failure) => {
            context.show_failure(&failure);
            Exit::Unusable
        }
    }
    .into()
}
