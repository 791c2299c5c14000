//! A cluster on one machine. In: a cluster and a test matrix. Out: network namespaces with real packets between them,
//! and what the kernel did with each.

mod build;
pub mod control;
pub mod dns;
pub mod exec;
pub mod judge;
pub mod lab;
pub mod link;
pub mod listen;
pub mod namespace;
pub mod plan;
pub mod probe;
pub mod run;
pub mod service;
pub mod sysctl;
pub mod trial;
