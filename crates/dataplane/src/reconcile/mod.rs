//! From what is in the kernel to what ought to be. In: two programs. Out: the least that changes one into the other.

mod diff;
mod transaction;

pub use diff::diff;
pub use transaction::{Change, Member, SetShape, Transaction};
