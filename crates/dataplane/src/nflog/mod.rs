//! The kernel's log. In: messages of an NFLOG group in the current network namespace. Out: flow records, and how many are
//! missing.
//!
//! [`decode`](Decoder) is pure and takes any bytes; [`Reader`] is the socket.

mod decode;
mod known;
mod message;
mod packet;
mod parties;
mod reader;

pub use decode::{Decoder, Rules};
pub use known::Known;
pub use parties::Parties;
pub use reader::{OpenError, Reader, Settings};
