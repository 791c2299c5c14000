//! What a cluster, a policy, a flow, a verdict and a finding are.
//!
//! In: nothing. Out: plain values that every other crate shares. No I/O, no async, no Kubernetes client,
//! and nothing whose iteration order depends on a hash.

pub mod address;
pub mod caller;
pub mod cilium;
pub mod cluster;
pub mod details;
pub mod diagnostic;
pub mod dialect;
pub mod flow;
pub mod label;
pub mod monitor;
pub mod network_policy;
pub mod object;
pub mod observed;
pub mod origin;
pub mod port;
pub mod profile;
pub mod service;
pub mod tier;
pub mod verdict;
pub mod workload;

/// Shared immutable text: names, label keys and values. Cloning it copies a pointer.
pub type Text = std::sync::Arc<str>;

pub use ipnet::IpNet;
