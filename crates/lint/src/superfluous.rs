//! Policies and rules that change nothing. In: the engine's proof that no verdict changes without them. Out: those of which that
//! is so whatever pods come, with what does their work.
//!
//! The proof is about the cluster as it is. To speak of a policy or rule here, what covers it must be about at least the
//! same pods and peers as they are written. A default deny, say, changes nothing where every pod has policies of its
//! own, and is there for the next pod.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ringfence_model::{
    Text,
    cilium::CiliumSubject,
    label::Selector,
    network_policy::{NetworkPeer, PolicyKind, PolicyMeta},
    origin::Origin,
    port::PortSpec,
    tier::Action,
    verdict::Direction,
};
use ringfence_policy::compiled::{Effect, PolicyEffect};

use crate::{
    allow::{Allow, Body, Outside, allows, isolates, spec_isolates},
    context::Context,
    copies::copies,
    default_deny::{DefaultDeny, default_denies, denying},
    wider,
};

/// A policy without which all would be the same.
pub(crate) struct NeedlessPolicy {
    pub policy: Arc<PolicyMeta>,
    /// What does its work.
    pub by: Vec<Arc<PolicyMeta>>,
}

/// A rule without which all would be the same.
pub(crate) struct NeedlessRule<'a> {
    pub rule: Allow<'a>,
    /// What does its work.
    pub by: Vec<Allow<'a>>,
    /// One among them that does it alone, is of another policy and for everybody, or every pod.
    pub broad: Option<Allow<'a>>,
}

/// What changes nothing.
#[derive(Default)]
pub(crate) struct Superfluous<'a> {
    pub policies: Vec<NeedlessPolicy>,
    /// Rules of other policies than those.
    pub rules: Vec<NeedlessRule<'a>>,
}

/// Everything that changes nothing, but for copies of whole policies.
pub(crate) fn superfluous<'a>(context: &Context<'a>) -> Superfluous<'a> {
    let mut found = Superfluous::default();
    let all = allows(context.cluster);
    let by_origin: BTreeMap<Origin, Allow<'a>> = all.iter().map(|allow| (allow.origin, *allow)).collect();
    let copies: BTreeSet<&PolicyMeta> =
        copies(context).into_iter().flat_map(|(later, earlier)| [&**later, &**earlier]).collect();
    let removable: BTreeSet<&PolicyMeta> = (context.effects().policies().iter())
        .filter(|effect| effect.removable)
        .map(|effect| &*effect.policy)
        .collect();
    let denies = default_denies(context.cluster);
    for effect in context.effects().policies() {
        let meta = &effect.policy;
        let foreign = !matches!(
            meta.kind,
            PolicyKind::NetworkPolicy
                | PolicyKind::CiliumNetworkPolicy
                | PolicyKind::CiliumClusterwideNetworkPolicy
        );
        if foreign || copies.contains(&**meta) {
            continue;
        }
        if effect.removable
            && let Some(by) = covered_policy(context, effect, &by_origin, &removable, &denies)
        {
            // A rule for everybody is the news then, not the policy that it makes pointless.
            let rules: Option<Vec<NeedlessRule<'a>>> = (effect.rules.iter())
                .map(|rule| {
                    covered_rule(context, by_origin.get(&rule.rule.origin)?, &rule.effect, &by_origin)
                })
                .map(|rule| rule.filter(|rule| rule.broad.is_some()))
                .collect();
            match rules.filter(|rules| !rules.is_empty()) {
                Some(rules) => found.rules.extend(rules),
                None => found.policies.push(NeedlessPolicy { policy: meta.clone(), by }),
            }
            continue;
        }
        for rule in effect.rules.iter().filter(|rule| rule.removable) {
            let Some(own) = by_origin.get(&rule.rule.origin) else { continue };
            found.rules.extend(covered_rule(context, own, &rule.effect, &by_origin));
        }
    }
    found
}

/// The rules that decide where another one matched, if all of them allow and are about its pods as written.
fn covering<'a>(
    effect: &Effect,
    rule: &Allow<'a>,
    by_origin: &BTreeMap<Origin, Allow<'a>>,
) -> Option<Vec<Allow<'a>>> {
    let Effect::None { covered_by, .. } = effect else { return None };
    if covered_by.iter().any(|other| other.action != Action::Accept) {
        return None;
    }
    let others = covered_by.iter().filter_map(|other| by_origin.get(&other.origin));
    let others = others.filter(|other| other.direction == rule.direction && wider::subject(other, rule));
    let others: Vec<Allow<'a>> = others.copied().collect();
    let listed: Vec<&Allow<'a>> = others.iter().collect();
    (!others.is_empty() && wider::peers(&listed, rule)).then_some(others)
}

fn covered_rule<'a>(
    context: &Context<'_>,
    rule: &Allow<'a>,
    effect: &Effect,
    by_origin: &BTreeMap<Origin, Allow<'a>>,
) -> Option<NeedlessRule<'a>> {
    if is_dns(rule) || !peers_match(context, rule) {
        return None;
    }
    let by = covering(effect, rule, by_origin)?;
    let own = rule.breadth(context);
    let broad = by.iter().copied().find(|other| {
        let breadth = other.breadth(context);
        let wide = breadth.pods || breadth.outside != Outside::Part;
        let as_wide = own.pods >= breadth.pods && own.outside >= breadth.outside;
        wide && !as_wide && other.meta != rule.meta && wider::peers(&[other], rule)
    });
    Some(NeedlessRule { rule: *rule, by, broad })
}

fn covered_policy(
    context: &Context<'_>,
    effect: &PolicyEffect,
    by_origin: &BTreeMap<Origin, Allow<'_>>,
    removable: &BTreeSet<&PolicyMeta>,
    denies: &[DefaultDeny<'_>],
) -> Option<Vec<Arc<PolicyMeta>>> {
    let meta = &effect.policy;
    if !effect.effect.is_none() {
        return None;
    }
    let mut by: Vec<Arc<PolicyMeta>> = Vec::new();
    for rule in &effect.rules {
        let rule = by_origin.get(&rule.rule.origin)?;
        if !peers_match(context, rule) {
            return None;
        }
        by.extend(covering(&effect.effect, rule, by_origin)?.into_iter().map(|other| other.meta.clone()));
    }
    // Where it isolates, another policy that stays must isolate at least the same pods as written.
    let subjects = isolating(context, meta.namespace.as_ref()).filter(|known| known.meta == meta);
    let stays = |other: &PolicyMeta| other != &**meta && !other.audit && !removable.contains(other);
    // A default deny is there for the pods, and the policies, that come later: only another one does its work.
    let lost =
        |own: &DefaultDeny<'_>| !denying(denies, own.namespace, own.direction).any(|other| stays(other.meta));
    if denies.iter().filter(|deny| deny.meta == meta).any(lost) {
        return None;
    }
    for known in subjects {
        let wide = isolating(context, meta.namespace.as_ref()).find(|other| {
            other.direction == known.direction
                && wider::selector(other.subject, known.subject)
                && stays(other.meta)
        });
        let clusterwide = || {
            isolating(context, None).find(|other| {
                other.direction == known.direction && other.subject.is_empty() && stays(other.meta)
            })
        };
        by.push(wide.or_else(clusterwide)?.meta.clone());
    }
    by.sort();
    by.dedup();
    (!by.is_empty()).then_some(by)
}

/// A subject that a policy isolates.
struct Isolating<'a> {
    meta: &'a Arc<PolicyMeta>,
    subject: &'a Selector,
    direction: Direction,
}

/// What the policies of a namespace isolate, or the clusterwide ones.
fn isolating<'a: 'n, 'n>(
    context: &Context<'a>,
    namespace: Option<&'n Text>,
) -> impl Iterator<Item = Isolating<'a>> + use<'a, 'n> {
    const BOTH: [Direction; 2] = [Direction::Ingress, Direction::Egress];
    // Both lists are sorted by namespace.
    let network = &context.cluster.network_policies;
    let from = network.partition_point(|policy| policy.meta.namespace.as_ref() < namespace);
    let network =
        network.iter().skip(from).take_while(move |policy| policy.meta.namespace.as_ref() == namespace);
    let network = network.flat_map(|policy| {
        let directions = BOTH.into_iter().filter(|direction| isolates(policy, *direction));
        directions.map(|direction| Isolating { meta: &policy.meta, subject: &policy.subject, direction })
    });
    let cilium = &context.cluster.cilium_policies;
    let from = cilium.partition_point(|policy| policy.meta.namespace.as_ref() < namespace);
    let cilium =
        cilium.iter().skip(from).take_while(move |policy| policy.meta.namespace.as_ref() == namespace);
    let cilium = cilium.flat_map(|policy| policy.specs.iter().map(move |spec| (policy, spec)));
    let cilium = cilium.filter_map(|(policy, spec)| match &spec.subject {
        CiliumSubject::Endpoints(selector) => Some((policy, spec, selector)),
        CiliumSubject::Nodes(_) => None,
    });
    let cilium = cilium.flat_map(|(policy, spec, subject)| {
        let directions = BOTH.into_iter().filter(|direction| spec_isolates(spec, *direction));
        directions.map(move |direction| Isolating { meta: &policy.meta, subject, direction })
    });
    network.chain(cilium)
}

/// Whether every selector among its peers selects some pod: the others are for pods that are yet to come.
fn peers_match(context: &Context<'_>, rule: &Allow<'_>) -> bool {
    match rule.body {
        Body::Network(policy, rule) => rule.peers.iter().all(|peer| {
            matches!(peer, NetworkPeer::IpBlock { .. })
                || !context.scope.network_peer(policy, peer).is_empty()
        }),
        Body::Cilium(policy, _, rule) => rule.peers.iter().flatten().all(|peer| {
            !matches!(peer, ringfence_model::cilium::CiliumPeer::Endpoints(..))
                || !context.scope.cilium_peer(policy, peer).is_empty()
        }),
        Body::Tier(..) => true,
    }
}

/// Whether it is for DNS alone. Such rules are often repeated so that each policy stands on its own.
fn is_dns(rule: &Allow<'_>) -> bool {
    let ports = rule.ports();
    !ports.is_empty() && ports.iter().all(|port| matches!(port.ports, PortSpec::Range(53, 53)))
}
