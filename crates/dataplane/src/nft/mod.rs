//! A program for nftables as a plain value. In: what a compiler builds. Out: tables, sets, maps, chains and rules that
//! renderers write as text or netlink, that an interpreter runs, and that two of which can be compared.
//!
//! Only what Debian 12's `nft` (1.0.6) can print is expressible: no lookup into a register that a second lookup reads, no
//! anonymous sets, no `ct reply proto-src`.

pub mod chain;
mod check;
mod graph;
pub mod set;
pub mod table;

pub use chain::{Chain, Field, Hook, HookPoint, LogTo, Random, Reject, Rule, Statement, Verdict};
pub use check::{TooLarge, check};
pub use set::{Element, KeyType, Map, Set, Value};
pub(crate) use table::kept_size;
pub use table::{Limits, Name, Table};
