//! Questions asked of the policy engine. In: a cluster, a judge, and what people want to know. Out: answers as plain
//! values: who may talk to whom and why, what is missing, what a change opens or cuts, whether an intended matrix
//! holds. No I/O, no output formats.

pub mod connections;
pub mod diff;
pub mod explain;
pub mod matrix;
pub mod nearest;
pub mod question;
