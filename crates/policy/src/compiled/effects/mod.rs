//! What policies and rules are for. In: a compiled cluster. Out: for every policy and every rule whether taking it away changes
//! any verdict, with a connection that shows it, or with what does its work too.
//!
//! Only policy sets with the part in question can change, and only towards ends that its rules match (any, where isolation goes
//! with it). For each kind of such ends, `decide` is asked about every run of ports with the set's rules and without.

mod compare;
mod ends;
mod removal;
mod study;

use std::sync::Arc;

use rayon::prelude::*;
use ringfence_model::{
    Text,
    flow::Flow,
    network_policy::{PolicyKind, PolicyMeta},
    origin::Origin,
    verdict::{Direction, Missing, Outcome, RuleRef},
};
use rustc_hash::FxHashMap;

use super::{
    Compiled, PartId,
    rule::{Layer, Rule},
};
use compare::Judged;
use removal::{Left, Removal};
use study::Study;

/// A connection on which the engine decides otherwise without a policy or rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The connection.
    pub flow: Flow,
    /// The side that decides otherwise.
    pub direction: Direction,
    /// What that side says of it.
    pub before: Outcome,
    /// What it would say.
    pub after: Outcome,
    /// Whether the verdict as a whole is another, too. If not, the other side refused the connections that were tried (not
    /// all there are), or facts are missing for it.
    pub verdict: bool,
}

/// What a policy or a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing, whatever it says: it is an audit policy, it is about no pods (a Cilium `nodeSelector`), or the profile's CNI
    /// does not enforce policies.
    NotInEffect,
    /// Nothing: no pod that policies can select is its subject.
    SelectsNothing,
    /// Nothing: its peers are no pod, address or name but the subject itself.
    PeersMatchNothing,
    /// Without it, a side of some connection is decided otherwise.
    Changes(Witness),
    /// That depends on these facts, which are missing.
    MayChange(Vec<Missing>),
    /// Nothing: without it, every side of every connection is decided alike.
    None {
        /// The rules that decide where it matched. Where both lists are empty, nothing needs to: without it too, all that it
        /// allows is allowed, or there is nothing that it matches on a port that exists.
        covered_by: Vec<RuleRef>,
        /// The policies that isolate its subjects where no rule decides.
        isolated_by: Vec<Arc<PolicyMeta>>,
    },
}

impl Effect {
    /// Whether it is certain that it changes nothing, though it has subjects and peers.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None { .. })
    }

    /// Whether it is certain that no verdict depends on it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !matches!(self, Self::Changes(_) | Self::MayChange(_))
    }

    /// The policies that do its work too, sorted.
    #[must_use]
    pub fn covering(&self) -> Vec<Arc<PolicyMeta>> {
        let Self::None { covered_by, isolated_by } = self else { return Vec::new() };
        let mut policies: Vec<_> =
            covered_by.iter().map(|rule| &rule.policy).chain(isolated_by).cloned().collect();
        policies.sort();
        policies.dedup();
        policies
    }
}

/// What one rule does.
#[derive(Clone, Debug)]
pub struct RuleEffect {
    /// The rule, without the place of a peer.
    pub rule: RuleRef,
    /// What taking it away does, while all else stays (isolation by its policy, too).
    pub effect: Effect,
    /// Whether it can be taken away together with all other policies and rules of which this is said.
    pub removable: bool,
    /// For a rule of the Admin or Baseline tier: whether it decides about any connection, or passes any on. If not, rules
    /// before it (or more of one priority) always come first.
    pub reached: Option<bool>,
    /// For a rule that passes on: whether any later rule or any isolation decides about what it passes.
    pub behind: Option<bool>,
}

/// What one policy does.
#[derive(Clone, Debug)]
pub struct PolicyEffect {
    /// The policy.
    pub policy: Arc<PolicyMeta>,
    /// What taking it away does, while all else stays.
    pub effect: Effect,
    /// Whether it can be taken away together with all other policies and rules of which this is said. Of two that cover each
    /// other, it is said of the later one.
    pub removable: bool,
    /// Its rules in their order, ingress first; of a Cilium policy spec by spec, denials first. Rules of a direction that
    /// `policyTypes` omits are left out.
    pub rules: Vec<RuleEffect>,
}

/// What all policies do.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    policies: Vec<PolicyEffect>,
}

impl Effects {
    /// Every policy of the cluster: tiers, NetworkPolicies, Cilium policies, each in the order of the cluster.
    #[must_use]
    pub fn policies(&self) -> &[PolicyEffect] {
        &self.policies
    }

    /// What one policy does.
    #[must_use]
    pub fn policy(&self, meta: &PolicyMeta) -> Option<&PolicyEffect> {
        self.policies.iter().find(|known| key(&known.policy) == key(meta))
    }
}

/// What makes two policies one.
type Key<'m> = (PolicyKind, Option<&'m Text>, &'m Text);

fn key(meta: &PolicyMeta) -> Key<'_> {
    (meta.kind, meta.namespace.as_ref(), &meta.name)
}

impl Compiled {
    /// What every policy and every rule does: whether taking it away alone changes what is decided about any connection
    /// between pods, nodes, addresses outside and names, on any port and protocol.
    #[must_use]
    pub fn effects(&self) -> Effects {
        let study = Study::new(self);
        let parts = self.parts_by_policy();
        let metas = self.metas().into_iter();
        let metas: Vec<(&Arc<PolicyMeta>, &[PartId])> =
            metas.map(|meta| (meta, parts.get(&key(meta)).map_or(&[][..], Vec::as_slice))).collect();
        let mut policies: Vec<PolicyEffect> =
            metas.par_iter().map(|(meta, ids)| study.policy(meta, ids)).collect();
        let ids: Vec<&[PartId]> = metas.into_iter().map(|(_, ids)| ids).collect();
        study.together(&mut policies, &ids);
        Effects { policies }
    }

    /// What taking all of these policies away at once does.
    #[must_use]
    pub fn effect_of(&self, policies: &[Arc<PolicyMeta>]) -> Effect {
        let study = Study::new(self);
        let parts = self.parts_by_policy();
        let ids: Vec<PartId> =
            policies.iter().filter_map(|meta| parts.get(&key(meta))).flatten().copied().collect();
        study.effect(&Removal::of_parts(&study, &Left::default(), &ids))
    }

    fn metas(&self) -> Vec<&Arc<PolicyMeta>> {
        let tiers = self.cluster.tier_policies.iter().map(|policy| &policy.meta);
        let network = self.cluster.network_policies.iter().map(|policy| &policy.meta);
        let cilium = self.cluster.cilium_policies.iter().map(|policy| &policy.meta);
        tiers.chain(network).chain(cilium).collect()
    }

    fn parts_by_policy(&self) -> FxHashMap<Key<'_>, Vec<PartId>> {
        let mut parts: FxHashMap<Key<'_>, Vec<PartId>> = FxHashMap::default();
        for (id, part) in (0..).zip(&self.parts) {
            if let Some(part) = part {
                parts.entry(key(&part.meta)).or_default().push(id);
            }
        }
        parts
    }
}

/// The effect of a policy that has one rule, by that of the rule: a policy does not stand in for itself.
fn without(mut effect: Effect, policy: &Arc<PolicyMeta>) -> Effect {
    if let Effect::None { isolated_by, .. } = &mut effect {
        isolated_by.retain(|meta| meta != policy);
    }
    effect
}

impl Study<'_> {
    fn policy(&self, meta: &Arc<PolicyMeta>, ids: &[PartId]) -> PolicyEffect {
        let none = Left::default();
        let rules: Vec<RuleEffect> =
            self.rules_of(&none, ids).map(|(id, layer, rule)| self.rule(id, layer, rule)).collect();
        let effect = match (rules.as_slice(), ids) {
            // To take away the only rule is then as good as to take away the policy.
            ([rule], [id]) if self.is_isolated_without(*id) => without(rule.effect.clone(), meta),
            _ => self.effect(&Removal::of_parts(self, &none, ids)),
        };
        PolicyEffect { policy: meta.clone(), effect, removable: false, rules }
    }

    /// Whether the subjects of a part are isolated as they are without it, too.
    fn is_isolated_without(&self, id: PartId) -> bool {
        let none = Left::default();
        let Some(part) = self.part(&none, id) else { return false };
        let directions =
            [Direction::Ingress, Direction::Egress].into_iter().filter(|direction| part.isolates(*direction));
        let by_others = |set, direction| {
            let rules = self.rules(&none, set, direction);
            rules.is_some_and(|rules| rules.isolating.iter().any(|meta| *meta != part.meta))
        };
        directions
            .into_iter()
            .all(|direction| self.sets([id].into_iter()).into_iter().all(|set| by_others(set, direction)))
    }

    /// The rules of what is left of parts.
    fn rules_of<'s>(
        &'s self,
        left: &'s Left,
        ids: &'s [PartId],
    ) -> impl Iterator<Item = (PartId, Layer, &'s Arc<Rule>)> {
        let parts = ids.iter().filter_map(|id| Some((*id, self.part(left, *id)?)));
        parts.flat_map(|(id, part)| {
            part.ingress.iter().chain(&part.egress).map(move |rule| (id, part.layer, rule))
        })
    }

    fn rule(&self, id: PartId, layer: Layer, rule: &Arc<Rule>) -> RuleEffect {
        let none = Left::default();
        let removal = Removal::of_rule(self, &none, id, rule);
        let effect = self.effect(&removal);
        let (mut reached, mut behind) = (None, None);
        if layer != Layer::Network && self.compiled.cluster.profile.enforces {
            let found = self.reached(&none, &removal, rule);
            (reached, behind) = (Some(found.0), found.1);
        }
        RuleEffect { rule: rule.reference(Origin::NONE), effect, removable: false, reached, behind }
    }

    fn effect(&self, removal: &Removal) -> Effect {
        if !self.compiled.cluster.profile.enforces || removal.parts().next().is_none() {
            return Effect::NotInEffect;
        }
        if self.sets(removal.parts()).is_empty() {
            return Effect::SelectsNothing;
        }
        let none = Left::default();
        let Judged { changed, missing, matched } = self.judge(&none, removal);
        match changed {
            Some(witness) => Effect::Changes(witness),
            None if !missing.is_empty() => Effect::MayChange(missing.into_iter().collect()),
            None if removal.has_rules() && !matched => Effect::PeersMatchNothing,
            None => {
                let cover = self.cover(&none, removal);
                Effect::None {
                    covered_by: cover.rules.into_iter().collect(),
                    isolated_by: cover.isolating.into_iter().collect(),
                }
            }
        }
    }

    /// Finds what can be taken away together: policies first, then rules of those that stay, the last ones first.
    fn together(&self, policies: &mut [PolicyEffect], ids: &[&[PartId]]) {
        let mut left = Left::default();
        for (policy, ids) in policies.iter_mut().zip(ids).rev() {
            let removal = Removal::of_parts(self, &left, ids);
            policy.removable = self.removable(&left, &removal, &policy.effect);
            if policy.removable {
                removal.apply(&mut left);
            }
        }
        for (policy, ids) in policies.iter_mut().zip(ids).rev().filter(|(policy, _)| !policy.removable) {
            for id in ids.iter().rev() {
                let rules: Vec<Arc<Rule>> =
                    self.rules_of(&left, &[*id]).map(|(.., rule)| rule.clone()).collect();
                for rule in rules.iter().rev() {
                    let reference = rule.reference(Origin::NONE);
                    let Some(known) = policy.rules.iter_mut().find(|known| known.rule == reference) else {
                        continue;
                    };
                    let removal = Removal::of_rule(self, &left, *id, rule);
                    known.removable = self.removable(&left, &removal, &known.effect);
                    if known.removable {
                        removal.apply(&mut left);
                    }
                }
            }
        }
    }

    /// Whether something that changes nothing alone changes nothing either when others are gone.
    fn removable(&self, left: &Left, removal: &Removal, effect: &Effect) -> bool {
        match effect {
            Effect::NotInEffect | Effect::Changes(_) | Effect::MayChange(_) => false,
            Effect::SelectsNothing => true,
            Effect::PeersMatchNothing | Effect::None { .. } => {
                let judged = self.judge(left, removal);
                judged.changed.is_none() && judged.missing.is_empty()
            }
        }
    }
}
