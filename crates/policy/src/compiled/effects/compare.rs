//! Whether a verdict changes. In: something to take away. Out: a flow that shows the difference, or the proof that there is none,
//! or the facts that are missing for either.

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

use ringfence_model::{
    address::Family,
    flow::{Endpoint, Flow},
    network_policy::PolicyMeta,
    origin::Origin,
    port::Protocol,
    tier::Action,
    verdict::{Condition, Direction, Missing, Outcome, Reason, RuleRef, Side},
};

use super::{
    Witness,
    ends::Encounter,
    removal::{Change, Left, Removal},
    study::Study,
};
use crate::compiled::{
    decide::{Probe, decide},
    matching::{Context, End, own_node, ports},
    rule::{Level, Rule, RuleSet},
    runs::runs_of,
    truth::{Alternative, Match},
};

/// How many more encounters are looked at, after a side that changes was found, for one where the whole verdict does.
const PATIENCE: usize = 64;

/// What came of taking something away.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) changed: Option<Witness>,
    /// Facts that are not known and may matter.
    pub(super) missing: BTreeSet<Missing>,
    /// Whether one of the rules in question has another end, as far as was looked.
    pub(super) matched: bool,
}

/// What decides in place of something that was taken away.
#[derive(Default)]
pub(super) struct Cover {
    pub(super) rules: BTreeSet<RuleRef>,
    pub(super) isolating: BTreeSet<Arc<PolicyMeta>>,
}

/// How rules match an encounter, at one port.
struct EncounterProbe<'a, const REASONS: bool> {
    context: Context<'a>,
    other: &'a End<'a>,
    to: &'a End<'a>,
    protocol: Protocol,
    port: u16,
}

impl<const REASONS: bool> Probe for EncounterProbe<'_, REASONS> {
    const REASONS: bool = REASONS;

    fn matches(&self, rule: &Rule) -> Match {
        ports(rule, self.protocol, self.port, self.to, None).and(|| self.context.peers(rule, self.other))
    }

    fn peer(&self, _: &Rule) -> Origin {
        Origin::NONE
    }

    fn own_node(&self) -> &Match {
        self.context.own_node
    }

    fn near_miss(&self, _: &RuleSet) -> Option<Reason> {
        None
    }
}

/// One port of an encounter, in the view of one side.
#[derive(Clone, Copy)]
struct Asked<'e> {
    direction: Direction,
    family: Family,
    subject: &'e End<'e>,
    other: &'e End<'e>,
    own_node: &'e Match,
    protocol: Protocol,
    port: u16,
}

impl Asked<'_> {
    fn to(&self) -> &End<'_> {
        if self.direction == Direction::Egress { self.other } else { self.subject }
    }

    fn probe<'p, const REASONS: bool>(&'p self, study: &'p Study<'_>) -> EncounterProbe<'p, REASONS> {
        let compiled = study.compiled;
        let context = Context {
            cluster: &compiled.cluster,
            facts: &compiled.facts,
            matchers: &compiled.matchers,
            shapes: &compiled.shapes,
            family: self.family,
            own_node: self.own_node,
        };
        let Self { other, protocol, port, .. } = *self;
        EncounterProbe { context, other, to: self.to(), protocol, port }
    }

    fn decide(&self, study: &Study<'_>, set: &RuleSet) -> Side {
        decide(set, &self.probe::<false>(study))
    }

    fn explain(&self, study: &Study<'_>, set: &RuleSet) -> Side {
        decide(set, &self.probe::<true>(study))
    }

    fn flow(&self) -> Flow {
        let endpoint = |end: &End<'_>| match end {
            End::Pod(id, ..) => Endpoint::Pod(*id),
            End::Address { address, .. } => Endpoint::Address(*address),
            End::Name(name) => Endpoint::Name((*name).clone()),
        };
        let (subject, other) = (endpoint(self.subject), endpoint(self.other));
        let (from, to) = match self.direction {
            Direction::Egress => (subject, other),
            Direction::Ingress => (other, subject),
        };
        Flow { from, to, family: self.family, protocol: self.protocol, port: self.port, request: None }
    }
}

/// A port of a run that says something to people, where all say the same: one that the destination has, or a usual one.
fn telling(to: &End<'_>, protocol: Protocol, first: u16, last: u16) -> u16 {
    let own = match to {
        End::Pod(_, pod, _) => pod.ports.as_slice(),
        End::Address { .. } | End::Name(_) => &[],
    };
    let own = own.iter().filter(|port| port.protocol == protocol).map(|port| port.port);
    let usual = match protocol {
        Protocol::Tcp => Some(443),
        Protocol::Udp => Some(53),
        Protocol::Sctp => None,
        // An echo request.
        Protocol::Icmp => Some(8),
        Protocol::Icmpv6 => Some(128),
    };
    own.chain(usual).find(|port| (first..=last).contains(port)).unwrap_or(first)
}

/// What two sides come to: what makes two verdicts differ.
type Essence = (Outcome, [Vec<Condition>; 2]);

fn essence(a: &Side, b: &Side) -> Essence {
    (a.outcome.and(b.outcome), [a.conditions.clone(), b.conditions.clone()])
}

impl Study<'_> {
    /// Visits every port of every encounter at which one of the rules in question matches, or any if isolation changes.
    fn each<B>(
        &self,
        change: &Change<'_>,
        mut f: impl FnMut(&Encounter<'_>, Asked<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        self.visit(change, &mut |encounter| {
            let Encounter { family, subject, other, own_node, relevant, .. } = encounter;
            let icmp = match family {
                Family::V4 => Protocol::Icmp,
                Family::V6 => Protocol::Icmpv6,
            };
            let transport = Protocol::WITH_PORTS.map(|protocol| (protocol, 1, u16::MAX));
            for (protocol, lowest, highest) in transport.into_iter().chain([(icmp, 0, u16::from(u8::MAX))]) {
                let asked = |port| Asked {
                    direction: change.direction,
                    family: *family,
                    subject,
                    other,
                    own_node,
                    protocol,
                    port,
                };
                let first = asked(lowest);
                let runs = runs_of(relevant.iter().copied(), protocol, first.to(), lowest);
                for (low, high) in runs.into_iter().take_while(|(port, _)| *port <= highest) {
                    let asked = asked(telling(first.to(), protocol, low, high));
                    let port = asked.port;
                    let named = |rule: &&Rule| ports(rule, protocol, port, asked.to(), None) != Match::No;
                    if change.wide || change.removed.iter().any(named) {
                        f(encounter, asked)?;
                    }
                }
            }
            ControlFlow::Continue(())
        })
    }

    /// Whether taking something away changes any verdict.
    pub(super) fn judge(&self, left: &Left, removal: &Removal) -> Judged {
        let mut judged = Judged::default();
        let mut patience = PATIENCE;
        for set in self.sets(removal.parts()) {
            for direction in [Direction::Ingress, Direction::Egress] {
                let Some(change) = removal.change(self, left, set, direction) else { continue };
                let found = self.each(&change, |encounter, asked| {
                    judged.matched |= encounter.matched;
                    self.differs(&change, &asked, &mut judged.missing).map_or(
                        ControlFlow::Continue(()),
                        |sides| {
                            let witness = self.witness(left, removal, &asked, sides);
                            let whole = witness.verdict;
                            if whole || judged.changed.is_none() {
                                judged.changed = Some(witness);
                            }
                            patience = patience.saturating_sub(1);
                            if whole || patience == 0 {
                                ControlFlow::Break(())
                            } else {
                                ControlFlow::Continue(())
                            }
                        },
                    )
                });
                if found.is_break() {
                    return judged;
                }
            }
        }
        judged
    }

    /// The two sides, if they differ for certain. Facts that are not known and may make them differ are added.
    fn differs(
        &self,
        change: &Change<'_>,
        asked: &Asked<'_>,
        missing: &mut BTreeSet<Missing>,
    ) -> Option<[Side; 2]> {
        let (before, after) = (asked.decide(self, &change.full), asked.decide(self, &change.reduced));
        if before.outcome == Outcome::Unknown || after.outcome == Outcome::Unknown {
            missing.extend(before.missing.into_iter().chain(after.missing));
            return None;
        }
        if (before.outcome, &before.conditions) != (after.outcome, &after.conditions) {
            return Some([before, after]);
        }
        if before.outcome == Outcome::AllowIf && !self.same_conditions(change, asked) {
            missing.insert(Missing::RequestDetail("request".into()));
        }
        None
    }

    /// Whether every way in which a rule that goes matches is one in which a rule that stays does too, so that no request and
    /// no resolved name makes a difference: a side lists all conditions together.
    fn same_conditions(&self, change: &Change<'_>, asked: &Asked<'_>) -> bool {
        let probe = asked.probe::<false>(self);
        let ways = |rule: &Rule| match probe.matches(rule) {
            Match::Perhaps(ways) => ways,
            Match::Yes | Match::No => Vec::new(),
        };
        let covered = |rule: &&Rule, way: &Alternative| {
            let network = change
                .full
                .allow
                .iter()
                .any(|known| known.reference(Origin::NONE) == rule.reference(Origin::NONE));
            let tier = |levels: &[Level]| {
                let mut rules = levels.iter().flatten().flatten();
                rules.any(|known| known.action == rule.action && ways(known).contains(way))
            };
            if network {
                change.reduced.allow.iter().any(|known| ways(known).contains(way))
            } else {
                tier(&change.reduced.admin) || tier(&change.reduced.baseline)
            }
        };
        change.removed.iter().all(|rule| ways(rule).iter().all(|way| covered(rule, way)))
    }

    /// The flow that shows a difference, with whether the other side lets anybody see it.
    fn witness(
        &self,
        left: &Left,
        removal: &Removal,
        asked: &Asked<'_>,
        [before, after]: [Side; 2],
    ) -> Witness {
        let allow = Side::allow(Reason::NotASubject);
        let [other_before, other_after] =
            self.other_side(left, removal, asked).unwrap_or_else(|| [allow.clone(), allow]);
        let (whole, whole_after) = (essence(&before, &other_before), essence(&after, &other_after));
        Witness {
            flow: asked.flow(),
            direction: asked.direction,
            before: before.outcome,
            after: after.outcome,
            verdict: whole != whole_after && whole.0 != Outcome::Unknown && whole_after.0 != Outcome::Unknown,
        }
    }

    /// The side of the other end with everything and without.
    fn other_side(&self, left: &Left, removal: &Removal, asked: &Asked<'_>) -> Option<[Side; 2]> {
        let End::Pod(id, pod, _) = *asked.other else { return None };
        let set = self.set_of_pod(id)?;
        let direction = match asked.direction {
            Direction::Egress => Direction::Ingress,
            Direction::Ingress => Direction::Egress,
        };
        let own_node = own_node(pod, asked.subject);
        let turned =
            Asked { direction, subject: asked.other, other: asked.subject, own_node: &own_node, ..*asked };
        let before = turned.decide(self, &*self.rules(left, set, direction)?);
        let after = turned.decide(self, &removal.reduced(self, left, set, direction));
        Some([before, after])
    }

    /// What decides instead, where something that changes nothing is taken away.
    pub(super) fn cover(&self, left: &Left, removal: &Removal) -> Cover {
        let mut cover = Cover::default();
        for set in self.sets(removal.parts()) {
            for direction in [Direction::Ingress, Direction::Egress] {
                let Some(change) = removal.change(self, left, set, direction) else { continue };
                let walk: ControlFlow<()> = self.each(&change, |_, asked| {
                    for reason in asked.explain(self, &change.reduced).reasons {
                        match reason {
                            Reason::Rule(rule) => {
                                cover.rules.insert(rule);
                            }
                            Reason::Isolated(policy) => {
                                cover.isolating.insert(policy);
                            }
                            _ => {}
                        }
                    }
                    ControlFlow::Continue(())
                });
                debug_assert!(walk.is_continue(), "nothing breaks off");
            }
        }
        cover
    }

    /// Whether a rule of a tier decides about anything; for one that passes on, whether anything is decided behind it.
    pub(super) fn reached(&self, left: &Left, removal: &Removal, rule: &Rule) -> (bool, Option<bool>) {
        let passes = rule.action == Action::Pass;
        let reference = rule.reference(Origin::NONE);
        let (mut reached, mut behind) = (false, false);
        for set in self.sets(removal.parts()) {
            let Some(change) = removal.change(self, left, set, rule.direction) else { continue };
            let walk = self.each(&change, |_, asked| {
                let reasons = asked.explain(self, &change.full).reasons;
                let its = |reason: &Reason| match reason {
                    Reason::Rule(rule) | Reason::Passed(rule) => *rule == reference,
                    _ => false,
                };
                if reasons.iter().any(its) {
                    reached = true;
                    behind |= reasons.iter().any(|reason| match reason {
                        Reason::Rule(_) | Reason::Isolated(_) => !its(reason),
                        _ => false,
                    });
                }
                if reached && (behind || !passes) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            if walk.is_break() {
                break;
            }
        }
        (reached, passes.then_some(behind))
    }
}
