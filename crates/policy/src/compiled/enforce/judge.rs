//! What a data plane makes of one connection. In: a flow. Out: a verdict as the other judge's, with two differences: equal
//! priorities that disagree are decided by the most restrictive rule (Deny, then Pass, then Accept), and a host-network
//! pod is what its packets show, its node's address.

use ringfence_model::{
    address::Family,
    flow::{Endpoint, Flow},
    origin::Origin,
    port::Protocol,
    verdict::{Reason, Side, Verdict},
};

use super::View;
use crate::compiled::{
    Compiled,
    decide::{Probe, decide},
    matching::{Context, End, own_node, portless, ports},
    rule::{Rule, RuleSet},
    truth::Match,
};

/// How rules match one packet.
struct EnforcedProbe<'a> {
    context: Context<'a>,
    exempt: &'a Match,
    other: &'a End<'a>,
    to: &'a End<'a>,
    asked: Option<(Protocol, u16)>,
}

impl Probe for EnforcedProbe<'_> {
    const REASONS: bool = true;
    const STRICTEST: bool = true;

    fn matches(&self, rule: &Rule) -> Match {
        let port = match self.asked {
            Some((protocol, port)) => ports(rule, protocol, port, self.to, None),
            None => portless(rule),
        };
        port.and(|| self.context.peers(rule, self.other))
    }

    fn peer(&self, rule: &Rule) -> Origin {
        self.context.peer_origin(rule, self.other)
    }

    fn own_node(&self) -> &Match {
        self.exempt
    }

    fn near_miss(&self, _: &RuleSet) -> Option<Reason> {
        None
    }
}

impl Compiled {
    /// What a data plane makes of the flow, whatever it requests: packets are judged before anything is asked.
    #[must_use]
    pub fn enforced(&self, flow: &Flow, view: View) -> Verdict {
        self.as_packets(flow, Some((flow.protocol, flow.port)), view)
    }

    /// As [`Self::enforced`], for a protocol that has no ports and is not ICMP (GRE, say) instead of the flow's.
    #[must_use]
    pub fn enforced_portless(&self, flow: &Flow, view: View) -> Verdict {
        self.as_packets(flow, None, view)
    }

    fn as_packets(&self, flow: &Flow, asked: Option<(Protocol, u16)>, view: View) -> Verdict {
        let from = self.on_the_wire(&flow.from, flow.family);
        let to = self.on_the_wire(&flow.to, flow.family);
        let seen = Flow { from, to, request: None, ..flow.clone() };
        self.both_sides(&seen, |direction, subject, other, to| {
            let Some((pod, shape)) = subject.plain_pod() else { return Side::allow(Reason::NotASubject) };
            let Some(set) = self.rules_of(shape, direction) else { return Side::allow(Reason::NotIsolated) };
            let own_node = own_node(pod, other);
            let context = Context {
                cluster: &self.cluster,
                facts: &self.facts,
                matchers: &self.matchers,
                shapes: &self.shapes,
                family: flow.family,
                own_node: &own_node,
            };
            let exempt = if view.strict_own_node { &Match::No } else { &own_node };
            decide(set, &EnforcedProbe { context, exempt, other, to, asked })
        })
    }

    /// The end as its packets show it.
    fn on_the_wire(&self, end: &Endpoint, family: Family) -> Endpoint {
        let host = |id| match self.pod_end(id) {
            Some(End::Pod(_, pod, _)) if pod.host_network => Some(pod),
            _ => None,
        };
        let Endpoint::Pod(id) = end else { return end.clone() };
        let Some(pod) = host(*id) else { return end.clone() };
        let node = pod.node.as_ref().and_then(|name| self.facts.node_of_name(&self.cluster, name));
        let known = if pod.addresses.is_empty() {
            node.map_or(&[][..], |node| &node.addresses)
        } else {
            &pod.addresses
        };
        let address = known.iter().find(|address| Family::of(**address) == family);
        address.map_or_else(|| end.clone(), |address| Endpoint::Address(*address))
    }
}
