//! Kubernetes manifests to the model. In: texts by name. Out: a cluster and diagnostics; one broken document hides
//! nothing else. No I/O: whoever calls has read the files.

mod assemble;
mod decode;
pub mod document;
pub mod edit;
pub mod locate;
mod outline;
pub mod parse;
mod quick;
mod read;
pub mod scalar;
pub mod template;
pub mod tree;

pub use read::{Input, Loaded, Options, read};
