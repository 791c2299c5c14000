//! The rules of the tiers with what the engine says that they do. In: the policies of a cluster. Out: rules, and how messages
//! speak of them.

use std::sync::Arc;

use ringfence_model::{
    network_policy::{PolicyKind, PolicyMeta},
    origin::Origin,
    tier::{Action, TierPeer, TierPolicy, TierRule},
    verdict::{Direction, RuleRef},
};
use ringfence_policy::compiled::RuleEffect;

use crate::context::Context;

/// A rule of a tier.
#[derive(Clone, Copy)]
pub(super) struct Ruled<'a> {
    pub(super) policy: &'a TierPolicy,
    pub(super) rule: &'a TierRule,
    pub(super) direction: Direction,
    pub(super) effect: &'a RuleEffect,
}

/// All rules of both tiers.
pub(super) fn all<'a>(context: &'a Context<'_>) -> Vec<Ruled<'a>> {
    let mut all = Vec::new();
    // The effects begin with the tiers, in the order of the cluster.
    for (policy, effects) in context.cluster.tier_policies.iter().zip(context.effects().policies()) {
        for effect in &effects.rules {
            let direction = effect.rule.direction;
            if let Some(rule) = of(policy, direction).get(effect.rule.index as usize) {
                all.push(Ruled { policy, rule, direction, effect });
            }
        }
    }
    all
}

/// The rules of a policy in a direction.
pub(super) fn of(policy: &TierPolicy, direction: Direction) -> &[TierRule] {
    match direction {
        Direction::Ingress => &policy.ingress,
        Direction::Egress => &policy.egress,
    }
}

impl Ruled<'_> {
    /// Where its action is written.
    pub(super) fn place(&self, context: &Context<'_>) -> Origin {
        action_place(context, self.rule)
    }

    /// What it is called in a message.
    pub(super) fn called(&self) -> String {
        called(&self.policy.meta, self.rule, self.direction, self.effect.rule.index)
    }
}

/// Where the action of a rule is written.
pub(super) fn action_place(context: &Context<'_>, rule: &TierRule) -> Origin {
    context.places.value(rule.origin, &["action".into()]).unwrap_or(rule.origin)
}

/// ``egress rule `deny-metadata` of `platform` ``, or `egress rule 2 of ...` if it has no name.
pub(super) fn called(meta: &PolicyMeta, rule: &TierRule, direction: Direction, index: u32) -> String {
    let direction = direction.as_str();
    match &rule.name {
        Some(name) => format!("{direction} rule `{name}` of `{}`", meta.name),
        None => format!("{direction} rule {} of `{}`", index.saturating_add(1), meta.name),
    }
}

/// The name of an action in the API of a policy.
pub(super) fn action(kind: PolicyKind, action: Action) -> &'static str {
    match (kind, action) {
        (PolicyKind::AdminNetworkPolicy | PolicyKind::BaselineAdminNetworkPolicy, Action::Accept) => "Allow",
        _ => action.as_str(),
    }
}

/// The rule of a tier that a reference is to.
pub(super) fn find<'a>(
    context: &'a Context<'_>,
    reference: &RuleRef,
) -> Option<(&'a TierPolicy, &'a TierRule)> {
    let policy =
        (context.cluster.tier_policies.iter()).find(|policy| is_same(&policy.meta, &reference.policy))?;
    Some((policy, of(policy, reference.direction).get(reference.index as usize)?))
}

/// Whether two are the same policy.
pub(super) fn is_same(a: &Arc<PolicyMeta>, b: &Arc<PolicyMeta>) -> bool {
    Arc::ptr_eq(a, b) || (a.kind == b.kind && a.namespace == b.namespace && a.name == b.name)
}

/// Whether one of the peers is every pod of the cluster: a rule for all that earlier ones leave over, also of pods that nobody
/// gave.
pub(super) fn names_every_pod(peers: &[TierPeer]) -> bool {
    peers.iter().any(|peer| match peer {
        TierPeer::Namespaces(namespace, _) => namespace.is_empty(),
        TierPeer::Pods { namespace, pod, .. } => namespace.is_empty() && pod.is_empty(),
        _ => false,
    })
}

/// Whether one of the peers is every address.
pub(super) fn names_every_address(peers: &[TierPeer]) -> bool {
    peers.iter().any(|peer| match peer {
        TierPeer::Networks(nets, _) => nets.iter().any(|net| net.prefix_len() == 0),
        _ => false,
    })
}

/// Whether the input has pods for every peer that is pods, so that what holds of them can be said of the rule.
pub(super) fn peers_are_given(context: &Context<'_>, peers: &[TierPeer]) -> bool {
    peers.iter().all(|peer| match peer {
        TierPeer::Namespaces(..) | TierPeer::Pods { .. } => !context.scope.tier_peer(peer).is_empty(),
        TierPeer::Networks(..) => true,
        TierPeer::Nodes(..) => !context.cluster.nodes.is_empty(),
        TierPeer::DomainNames(..) | TierPeer::Unknown(_) => false,
    })
}
