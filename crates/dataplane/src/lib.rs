//! One node's enforcement program. In: a compiled cluster. Out: a pure program (`nft`), its text for people, its netlink
//! messages for the kernel, the difference between two programs as one transaction, and flows from the kernel's log.

pub mod compile;
pub mod epoch;
pub mod features;
pub mod interpret;
pub mod judge;
pub mod netlink;
pub mod nflog;
pub mod nft;
pub mod node;
pub mod prefix;
pub mod reconcile;
pub mod text;
