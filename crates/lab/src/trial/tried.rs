//! What came of the trials. In: trials with what the kernel did. Out: values that reports print.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use ringfence_model::{
    Text,
    network_policy::PolicyMeta,
    origin::Origin,
    verdict::{Direction, Outcome, Reason, RuleRef, Side},
};

use super::{Disagreement, Expected, Kernel, Trial};

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
    /// What the program's rule stands for: the deciding rules, without the places of their peers, or the policies that isolate.
    pub reasons: Arc<[Reason]>,
    /// The policies that it comes from.
    pub policies: Vec<Arc<PolicyMeta>>,
    /// Where the rule is written, if one rule decided.
    pub origin: Origin,
    /// Whether it only reports: an audit policy would have refused the packet.
    pub audit: bool,
}

impl Tried {
    /// A record of a log that gives other reasons for a deny than the engine does, if there is one. What is closed for want of a
    /// proxy or a fact has no reasons that could be compared.
    #[must_use]
    pub fn misnamed(&self) -> Option<&Denial> {
        let Expected::One(verdict) = &self.trial.expected else { return None };
        self.denials.iter().filter(|denial| !denial.audit).find(|denial| {
            let side = match denial.direction {
                Direction::Egress => &verdict.egress,
                Direction::Ingress => &verdict.ingress,
            };
            match side.outcome {
                Outcome::Allow => true,
                Outcome::AllowIf | Outcome::Unknown => false,
                Outcome::Deny => !denial.names(side),
            }
        })
    }
}

impl Denial {
    /// Whether its reasons are those of a side of a verdict.
    #[must_use]
    pub fn names(&self, side: &Side) -> bool {
        named(&self.reasons) == named(&side.reasons)
    }
}

/// What a log can name of a side's reasons.
fn named(reasons: &[Reason]) -> BTreeSet<Reason> {
    let strip = |reason: &Reason| match reason {
        Reason::Rule(rule) => Some(Reason::Rule(RuleRef { peer: Origin::NONE, ..rule.clone() })),
        Reason::Isolated(_) => Some(reason.clone()),
        _ => None,
    };
    reasons.iter().filter_map(strip).collect()
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
