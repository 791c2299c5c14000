//! How one process talks to a lab in another. In: a lab that is up, the records of its nodes' logs. Out: a Unix socket by which
//! `ringfence lab exec`, `flows` and `list` find its pods, enter them and see its flows.
//!
//! The protocol is one JSON object a line: a request ([`message::Request`]), then answers ([`message::Answer`]).

mod board;
mod client;
mod directory;
pub mod message;
mod server;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

use thiserror::Error;

pub use board::Board;
pub use client::{Client, Entered, labs, only};
pub use directory::Directory;
pub use server::Server;

/// Why a lab cannot be talked to.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The directory of the sockets is not safe to use.
    #[error("`{}` is not a directory that only this user can use: remove it, or set XDG_RUNTIME_DIR", .0.display())]
    Directory(PathBuf),
    /// A file or socket cannot be used.
    #[error("cannot {doing}: {cause}")]
    System {
        /// What was tried.
        doing: String,
        /// What the system answered.
        cause: io::Error,
    },
    /// No lab runs.
    #[error("no lab runs: start one with `ringfence lab PATH... --shell`")]
    None,
    /// Several labs run.
    #[error("several labs run: name one with --lab, {}", .0.iter().map(u32::to_string).collect::<Vec<_>>().join(" or "))]
    Several(Vec<u32>),
    /// No lab runs in that process.
    #[error("no lab runs in the process {pid}: {}", running(.others))]
    NoSuch {
        /// The process.
        pid: u32,
        /// The processes of the labs that run.
        others: Vec<u32>,
    },
    /// The lab refuses a request.
    #[error("{message}{}", help.as_ref().map(|help| format!(": {help}")).unwrap_or_default())]
    Refused {
        /// Why.
        message: String,
        /// What to do next.
        help: Option<String>,
    },
    /// The lab ended, or what it says makes no sense.
    #[error("the lab ended, or is of another version of this program")]
    Gone,
}

fn running(pids: &[u32]) -> String {
    match pids {
        [] => "none runs anywhere".to_owned(),
        pids => {
            format!("those that run are {}", pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))
        }
    }
}

fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> ControlError {
    let doing = doing.into();
    move |cause| ControlError::System { doing, cause }
}
