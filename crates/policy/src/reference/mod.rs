//! The slow evaluator, written straight from the specifications: no index, no cache, every rule of every policy is
//! looked at for every flow. In: a cluster and a flow. Out: a verdict with its reasons, the nearest miss left out.
//!
//! It is the yardstick for [`Compiled`](crate::Compiled), with which it shares the model and nothing else. One file
//! for each dialect; [`unknown`] says how missing facts are followed to their consequences.

mod cilium;
mod decision;
mod l7;
mod matching;
mod network;
mod ports;
#[cfg(test)]
mod tests;
mod tier;
mod unknown;

use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    tier::Tier,
    verdict::{Direction, Outcome, Reason, Side, Verdict},
    workload::Pod,
};

use crate::Judge;
use decision::Decision;
use matching::{Context, End};
use unknown::Tree;

/// Judges by looking at everything, every time.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
}

impl Judge for Reference<'_> {
    fn verdict(&self, flow: &Flow) -> Verdict {
        let (Some(from), Some(to)) = (self.end(&flow.from), self.end(&flow.to)) else {
            let side = deny(Reason::NoEndpoint);
            return Verdict::new(side.clone(), side);
        };
        for end in [from, to] {
            if let End::Address(address) = end
                && Family::of(address) != flow.family
            {
                let side = deny(Reason::NoAddress(flow.family));
                return Verdict::new(side.clone(), side);
            }
        }
        Verdict::new(
            self.side(flow, Direction::Egress, from, to),
            self.side(flow, Direction::Ingress, to, from),
        )
    }
}

impl<'a> Reference<'a> {
    /// The end with its pod; nothing for a pod that does not exist or is finished.
    fn end<'b>(&self, endpoint: &'b Endpoint) -> Option<End<'b>>
    where
        'a: 'b,
    {
        match endpoint {
            Endpoint::Pod(id) => {
                let pod = self.cluster.pod(*id).filter(|pod| !pod.finished)?;
                Some(End::Pod(*id, pod))
            }
            Endpoint::Address(address) => Some(End::Address(*address)),
            Endpoint::Name(name) => Some(End::Name(name)),
        }
    }

    /// One side: `own` is the end at this side, `other` the one beyond.
    fn side(&self, flow: &Flow, direction: Direction, own: End<'_>, other: End<'_>) -> Side {
        if let End::Pod(_, pod) = own
            && lacks_family(pod, flow.family)
        {
            return deny(Reason::NoAddress(flow.family));
        }
        if !self.cluster.profile.enforces {
            return Side::allow(Reason::NotEnforced);
        }
        let subject = match (own, other) {
            (End::Pod(left, _), End::Pod(right, _)) if left == right => {
                return Side::allow(Reason::SelfTraffic);
            }
            (End::Pod(_, pod), _) if !pod.host_network => pod,
            _ => return Side::allow(Reason::NotASubject),
        };
        let context = Context::new(self.cluster, flow, direction, subject, other);
        // The three tiers are looked at in their order, then joined from the last: each goes on with the next.
        let admin = tier::Levels::of(&context, Tier::Admin);
        let network = network::Network::of(&context);
        let baseline = tier::Levels::of(&context, Tier::Baseline);
        let end = Tree::Known(Decision::allow(vec![Reason::NotIsolated]));
        admin.decide(&network.decide(&baseline.decide(&end))).into_side()
    }
}

/// Whether the pod's addresses are known and none is of the family.
fn lacks_family(pod: &Pod, family: Family) -> bool {
    !pod.addresses.is_empty() && !pod.addresses.iter().any(|address| Family::of(*address) == family)
}

/// A side that denies for one reason.
fn deny(reason: Reason) -> Side {
    Side { outcome: Outcome::Deny, conditions: Vec::new(), missing: Vec::new(), reasons: vec![reason] }
}
