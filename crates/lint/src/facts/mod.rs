//! What is known about a cluster beside its policies: where its resolver is, who lets connections in from outside, what
//! holds data. In: the cluster and what is stated. Out: facts, each inferred from what the manifests show, or stated; what
//! is not known is empty, and the rules that need it keep silent.

use crate::context::Context;

/// Facts about a cluster.
#[derive(Debug, Default)]
pub struct Facts {}

impl Facts {
    /// Everything that the manifests show.
    #[must_use]
    pub fn new(_context: &Context<'_>) -> Self {
        Self::default()
    }
}
