//! What came of the trials. In: trials with what the kernel did. Out: values that reports print.

use std::time::Duration;

use ringfence_model::{Text, network_policy::PolicyMeta, origin::Origin, verdict::Direction};

use super::{Disagreement, Kernel, Trial};

/// A trial and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What was tried.
    pub trial: Trial,
    /// What the kernel did.
    pub kernel: Kernel,
    /// How that differs from what the engine says, if it does.
    pub disagreement: Option<Disagreement>,
    /// What the nodes' logs say of its packets, in the order of packets; one record per deciding rule.
    pub denials: Vec<Denial>,
}

/// A packet that a rule refused, as a node's log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The node whose program refused it.
    pub node: Text,
    /// Which side of the connection the rule guards.
    pub direction: Direction,
    /// The rule in words: `NetworkPolicy shop/web: ingress[0]`, or the policies that isolate the pod.
    pub rule: String,
    /// The policies that it comes from.
    pub policies: Vec<std::sync::Arc<PolicyMeta>>,
    /// Where the rule is written, if one rule decided.
    pub origin: Origin,
    /// Whether it only reports: an audit policy would have refused the packet.
    pub audit: bool,
}

/// What came of all trials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Every trial, in the order of the plan.
    pub tried: Vec<Tried>,
    /// Pods that ran.
    pub pods: usize,
    /// From the start until every program was loaded.
    pub ready: Duration,
    /// How long the probes took.
    pub probing: Duration,
    /// Records of the nodes' logs that were lost, of which there should be none.
    pub lost_records: u64,
    /// What the lab cannot try or closes, in words: layer 7 rules without a proxy, names without an address.
    pub notes: Vec<String>,
}

impl Outcomes {
    /// The trials in which kernel and engine differ.
    pub fn disagreements(&self) -> impl Iterator<Item = &Tried> {
        self.tried.iter().filter(|tried| tried.disagreement.is_some())
    }
}
