//! What the hidden command `docs` takes. In: arguments. Out: plain values.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `docs`.
#[derive(Args, Debug)]
pub(crate) struct DocsArgs {
    /// Write all generated documents below this directory instead of printing the reference of the command line
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) into: Option<PathBuf>,
}
