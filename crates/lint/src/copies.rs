//! Policies that say what another one says. In: the policies of a cluster. Out: the copies, each with the policy that it is one of.

use std::{collections::BTreeMap, sync::Arc};

use ringfence_analysis::explain::yaml;
use ringfence_model::{
    Text,
    cilium::{CiliumPeer, CiliumPolicy, CiliumRule, CiliumSpec, CiliumSubject, ServiceRef},
    label::Selector,
    network_policy::{PolicyKind, PolicyMeta},
    origin::Origin,
    tier::{Tier, TierPolicy},
};

use crate::context::Context;

/// What a policy says, apart from its name: kind, tier, namespace, and the rest as text.
type Content<'a> = (PolicyKind, Option<Tier>, Option<&'a Text>, String);

/// The policies that say what an earlier one says, with that one. Of two in one tier that differ in nothing but their
/// priority, the later one says nothing new: whatever it matches has been decided or passed on.
pub(crate) fn copies<'a>(context: &Context<'a>) -> Vec<(&'a Arc<PolicyMeta>, &'a Arc<PolicyMeta>)> {
    let cluster = context.cluster;
    let network = cluster.network_policies.iter().map(|policy| {
        let meta = &policy.meta;
        (meta, (meta.kind, None, meta.namespace.as_ref(), specified(&yaml::network_policy(policy))))
    });
    let mut tiers: Vec<&TierPolicy> = cluster.tier_policies.iter().collect();
    tiers.sort_by_key(|policy| policy.priority);
    let tiers = tiers.into_iter().map(|policy| {
        let content = specified(&yaml::tier_policy(&TierPolicy { priority: 0, ..policy.clone() }));
        (&policy.meta, (policy.meta.kind, Some(policy.tier), None, content))
    });
    let cilium = cluster.cilium_policies.iter().map(|policy| {
        let meta = &policy.meta;
        (meta, (meta.kind, None, meta.namespace.as_ref(), cilium(policy)))
    });
    let mut first: BTreeMap<Content<'a>, &'a Arc<PolicyMeta>> = BTreeMap::new();
    let mut found = Vec::new();
    for (meta, content) in network.chain(tiers).chain(cilium) {
        let earlier = *first.entry(content).or_insert(meta);
        if earlier != meta && !meta.audit && !earlier.audit {
            found.push((meta, earlier));
        }
    }
    found
}

/// The specification in a manifest.
fn specified(manifest: &str) -> String {
    manifest.split_once("\nspec:").map_or_else(String::new, |(_, spec)| spec.to_owned())
}

/// All of a Cilium policy but where it is written.
fn cilium(policy: &CiliumPolicy) -> String {
    let specs: Vec<CiliumSpec> = policy.specs.iter().cloned().map(placeless).collect();
    format!("{specs:?}")
}

fn placeless(mut spec: CiliumSpec) -> CiliumSpec {
    spec.origin = Origin::NONE;
    let (CiliumSubject::Endpoints(subject) | CiliumSubject::Nodes(subject)) = &mut spec.subject;
    displace(subject);
    let lists = [&mut spec.ingress, &mut spec.ingress_deny, &mut spec.egress, &mut spec.egress_deny];
    for rule in lists.into_iter().flatten() {
        displace_rule(rule);
    }
    spec
}

fn displace_rule(rule: &mut CiliumRule) {
    rule.origin = Origin::NONE;
    rule.requires.iter_mut().for_each(displace);
    for peer in rule.peers.iter_mut().flatten() {
        match peer {
            CiliumPeer::Endpoints(selector, origin) | CiliumPeer::Nodes(selector, origin) => {
                displace(selector);
                *origin = Origin::NONE;
            }
            CiliumPeer::Service(service, origin) => {
                if let ServiceRef::Selected { selector, .. } = service {
                    displace(selector);
                }
                *origin = Origin::NONE;
            }
            CiliumPeer::Entity(_, origin)
            | CiliumPeer::Cidr { origin, .. }
            | CiliumPeer::Fqdn(_, origin)
            | CiliumPeer::Unresolved(_, origin) => *origin = Origin::NONE,
        }
    }
    for list in &mut rule.ports {
        list.origin = Origin::NONE;
        list.ports.iter_mut().for_each(|port| port.origin = Origin::NONE);
    }
    rule.icmps.iter_mut().for_each(|icmp| icmp.origin = Origin::NONE);
}

fn displace(selector: &mut Selector) {
    selector.origin = Origin::NONE;
    selector.requirements.iter_mut().for_each(|one| one.origin = Origin::NONE);
}
