//! What becomes of everything that one end can send to (or get from) a subject. In: the rules that apply to the subject,
//! and the end. Out: the decision on every port, every type of ICMP message, and every other protocol.

use std::sync::Arc;

use ringfence_model::{
    address::Family,
    origin::Origin,
    port::Protocol,
    verdict::{Condition, Direction, Missing, Outcome, Reason, RuleRef, Side},
};
use rustc_hash::FxHashMap;

use crate::compiled::{
    decide::{Probe, decide},
    matching::{Context, End, portless, ports},
    rule::{Level, Rule, RuleSet},
    runs::runs_of,
    truth::Match,
};

/// What is done with a packet, and because of what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decision {
    /// What the engine says. A data plane without proxies passes [`Outcome::Allow`] only.
    pub outcome: Outcome,
    /// For [`Outcome::AllowIf`]: one of these must hold.
    pub conditions: Vec<Condition>,
    /// For [`Outcome::Unknown`]: what is not known.
    pub missing: Vec<Missing>,
    /// The rules that decided, without the places of their peers, or the policies that isolate the subject. Sorted. Empty
    /// for [`Outcome::Allow`] unless [`View::allow_reasons`](super::View::allow_reasons) asks for them.
    pub reasons: Vec<Reason>,
}

impl Decision {
    fn new(side: Side, allow_reasons: bool) -> Self {
        let Side { outcome, conditions, missing, reasons } = side;
        let kept = |reason: Reason| match reason {
            Reason::Rule(rule) => Some(Reason::Rule(RuleRef { peer: Origin::NONE, ..rule })),
            Reason::Isolated(_) => Some(reason),
            _ => None,
        };
        let wanted = allow_reasons || outcome != Outcome::Allow;
        let mut reasons: Vec<Reason> = reasons.into_iter().filter(|_| wanted).filter_map(kept).collect();
        reasons.sort();
        reasons.dedup();
        Self { outcome, conditions, missing, reasons }
    }
}

/// Ports (or types of messages) with one decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
    /// What is done with them.
    pub decision: Arc<Decision>,
}

/// The decisions on everything between a subject and one end, in one direction and family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Behaviour {
    /// For each of [`Protocol::WITH_PORTS`], all ports from 0 to 65535, neighbours with different decisions.
    pub ports: [Vec<Run>; 3],
    /// All types of messages of the family's ICMP, from 0 to 255.
    pub icmp: Vec<Run>,
    /// Every other protocol.
    pub other: Arc<Decision>,
}

impl Behaviour {
    /// The only decision, if there is only one.
    #[must_use]
    pub fn uniform(&self) -> Option<&Arc<Decision>> {
        let mut runs = self.ports.iter().chain([&self.icmp]).flatten();
        runs.all(|run| run.decision == self.other).then_some(&self.other)
    }

    /// All decisions, with repeats.
    pub fn decisions(&self) -> impl Iterator<Item = &Arc<Decision>> {
        let runs = self.ports.iter().chain([&self.icmp]).flatten();
        runs.map(|run| &run.decision).chain([&self.other])
    }
}

/// One end as a subject's rules see it.
pub(super) struct Seen<'a> {
    /// How rules match it; with whether it is the subject's own node.
    pub(super) context: Context<'a>,
    /// Whether NetworkPolicy exempts it for being the subject's own node.
    pub(super) exempt: &'a Match,
    pub(super) subject: &'a End<'a>,
    pub(super) other: &'a End<'a>,
    pub(super) direction: Direction,
}

impl Seen<'_> {
    /// Decides everything.
    pub(super) fn behaviour(&self, set: &RuleSet, allow_reasons: bool) -> Behaviour {
        let mut perhaps = FxHashMap::default();
        let relevant = self.relevant(set, &mut perhaps);
        let to = if self.direction == Direction::Egress { self.other } else { self.subject };
        let decide = |asked| {
            let probe = PacketProbe { perhaps: &perhaps, exempt: self.exempt, to, asked };
            Arc::new(Decision::new(decide(&relevant, &probe), allow_reasons))
        };
        let runs = |protocol, last_of_all: u16| {
            let mut runs: Vec<Run> = Vec::new();
            for (first, last) in runs_of(relevant.rules().map(|rule| &**rule), protocol, to, 0) {
                if first > last_of_all {
                    break;
                }
                let (last, decision) = (last.min(last_of_all), decide(Some((protocol, first))));
                match runs.last_mut() {
                    Some(open) if open.decision == decision => open.last = last,
                    _ => runs.push(Run { first, last, decision }),
                }
            }
            runs
        };
        let icmp = match self.context.family {
            Family::V4 => Protocol::Icmp,
            Family::V6 => Protocol::Icmpv6,
        };
        Behaviour {
            ports: Protocol::WITH_PORTS.map(|protocol| runs(protocol, u16::MAX)),
            icmp: runs(icmp, u16::from(u8::MAX)),
            other: decide(None),
        }
    }

    /// The rules that can match this end on some port, and how those match that do so only perhaps, by their addresses.
    fn relevant(&self, set: &RuleSet, perhaps: &mut FxHashMap<usize, Match>) -> RuleSet {
        let mut keep = |rule: &Arc<Rule>| match self.context.peers(rule, self.other) {
            Match::No => None,
            Match::Yes => Some(rule.clone()),
            unsure => {
                perhaps.insert(address(rule), unsure);
                Some(rule.clone())
            }
        };
        let mut list =
            |rules: &[Arc<Rule>]| -> Vec<Arc<Rule>> { rules.iter().filter_map(&mut keep).collect() };
        let mut tier = |levels: &[Level]| -> Vec<Level> {
            let level = |level: &Level| level.iter().map(|rules| list(rules)).collect();
            levels.iter().map(level).collect()
        };
        let (admin, baseline) = (tier(&set.admin), tier(&set.baseline));
        let (deny, allow) = (list(&set.deny), list(&set.allow));
        RuleSet { admin, deny, allow, isolating: set.isolating.clone(), baseline }
    }
}

/// What tells rules apart while they are there.
fn address(rule: &Rule) -> usize {
    std::ptr::from_ref(rule).addr()
}

/// How rules whose peers match (all those that are asked for) match a packet.
struct PacketProbe<'a> {
    perhaps: &'a FxHashMap<usize, Match>,
    exempt: &'a Match,
    to: &'a End<'a>,
    /// Nothing for a protocol without ports that is not ICMP.
    asked: Option<(Protocol, u16)>,
}

impl Probe for PacketProbe<'_> {
    const REASONS: bool = true;
    const STRICTEST: bool = true;

    fn matches(&self, rule: &Rule) -> Match {
        let port = match self.asked {
            Some((protocol, port)) => ports(rule, protocol, port, self.to, None),
            None => portless(rule),
        };
        port.and(|| self.perhaps.get(&address(rule)).cloned().unwrap_or(Match::Yes))
    }

    fn peer(&self, _: &Rule) -> Origin {
        Origin::NONE
    }

    fn own_node(&self) -> &Match {
        self.exempt
    }

    fn near_miss(&self, _: &RuleSet) -> Option<Reason> {
        None
    }
}
