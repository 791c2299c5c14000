//! From a program to the kernel and back. In: transactions. Out: the kernel changed whole or not at all, in the network
//! namespace in which the socket was opened; what is in it; errors that name the object.
//!
//! Own encoder: no C library and no `nft` at run time.

mod decode;
pub(crate) mod encode;
mod error;
mod kernel;
mod read;
mod socket;
pub(crate) mod uapi;
mod watch;
mod wire;

pub use error::{Error, Refusal};
pub use kernel::Nftables;
pub use read::ReadBack;
pub use socket::{Socket, Wire};
pub use watch::Watch;

/// How many expressions of the kernel a rule becomes.
pub(crate) fn expressions(rule: &crate::nft::Rule) -> usize {
    encode::rule::count(rule)
}
