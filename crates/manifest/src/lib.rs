//! Kubernetes manifests to the model. In: texts by name. Out: a cluster and diagnostics; one broken document hides
//! nothing else. No I/O: whoever calls has read the files.

pub mod document;
pub mod parse;
mod quick;
pub mod scalar;
pub mod template;
pub mod tree;
