//! Questions asked of the policy engine. In: a compiled cluster. Out: answers as plain values; the front ends print
//! them.

pub mod connections;
pub mod diff;
