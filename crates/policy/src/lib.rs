//! The policy engine. In: a [`Cluster`](ringfence_model::cluster::Cluster). Out: verdicts with their reasons.
//!
//! Two judges answer the same questions: [`Compiled`], which is fast, and [`mod@reference`], which is slow and written
//! straight from the specifications. They share the model and nothing else; property tests compare them.

pub mod compiled;
#[cfg(feature = "generate")]
pub mod generate;
pub mod permit;
pub mod reference;

pub use compiled::Compiled;
pub use reference::Reference;

use ringfence_model::{flow::Flow, verdict::Verdict};

/// Something that can say what becomes of a connection. Implemented by [`Compiled`] and by
/// [`reference::Reference`].
pub trait Judge {
    /// What becomes of the connection, and why. Ends that the cluster does not have (a pod number out of range, a
    /// finished pod) are denied with [`Reason::NoEndpoint`](ringfence_model::verdict::Reason::NoEndpoint).
    fn verdict(&self, flow: &Flow) -> Verdict;
}
