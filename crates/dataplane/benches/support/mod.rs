//! What the benches of this crate share. In: nothing. Out: a cluster, a ruleset to compare with, namespaces, packets.

pub(crate) mod frames;
pub(crate) mod kube_router;
pub(crate) mod namespaces;
pub(crate) mod plan;
pub(crate) mod rounds;
