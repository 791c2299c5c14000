//! From what is in the kernel to what ought to be. In: two programs. Out: the least that changes one into the other, and
//! the kernel changed so.

mod diff;
mod keeper;
mod stages;
mod transaction;

pub use diff::diff;
pub use keeper::{Keeper, Ownership};
pub use transaction::{Change, Member, SetShape, Transaction};
