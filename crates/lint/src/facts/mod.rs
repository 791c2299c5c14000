//! What is known about a cluster beside its policies: where its resolver is, who lets connections in from outside, what
//! holds data. In: the cluster and what is stated. Out: facts, each inferred from what the manifests show, or stated; what
//! is not known is empty, and the rules that need it keep silent.

mod sensitive;

pub use sensitive::Sensitive;

use crate::context::Context;

/// Facts about a cluster.
#[derive(Debug, Default)]
pub struct Facts {
    /// What holds data or secrets, in the order of the workloads.
    pub sensitive: Vec<Sensitive>,
}

impl Facts {
    /// Everything that the manifests show.
    #[must_use]
    pub fn new(context: &Context<'_>) -> Self {
        Self { sensitive: sensitive::find(context.cluster, context.settings) }
    }
}
