//! A cluster on one machine. In: a cluster and a test matrix. Out: network namespaces with real packets between them,
//! and what the kernel did with each.

pub mod namespace;
