//! What `completions` and `man` take. In: arguments. Out: plain values.

use clap::Args;
use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// Arguments of `man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The command whose page to print; the overview if none is given
    pub(crate) command: Option<String>,
}
