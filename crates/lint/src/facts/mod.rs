//! What is known about a cluster beside its policies: where its resolver is, who lets connections in from outside, what
//! holds data. In: the cluster and what is stated. Out: facts, each inferred from what the manifests show, or stated; what
//! is not known is empty, and the rules that need it keep silent.

pub mod cni;

use crate::context::Context;
use cni::Cni;

/// Facts about a cluster.
#[derive(Debug, Default)]
pub struct Facts {
    /// The CNI.
    pub cni: Option<Cni>,
}

impl Facts {
    /// Everything that the manifests show.
    #[must_use]
    pub fn new(context: &Context<'_>) -> Self {
        Self { cni: Cni::find(context) }
    }
}
