//! `cilium.io/v2` CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy. In: one side of a flow. Out: the rules that
//! apply to the subject, each with how it matches, and the policies that isolate it.

use std::{collections::BTreeSet, sync::Arc};

use ringfence_model::{
    address::{Family, IpSet},
    cilium::{
        CiliumPeer, CiliumPolicy, CiliumPortRule, CiliumRule, CiliumSpec, CiliumSubject, Entity, ServiceRef,
        derived, endpoint_labels,
    },
    label::{Labels, Requirement, Selector},
    network_policy::PolicyMeta,
    origin::Origin,
    service::{EndpointSlice, Service},
    tier::Action,
    verdict::{Condition, Direction, Missing, RuleRef},
};

use super::{
    l7,
    matching::{Context, End, Match},
    network::Applied,
    ports,
    unknown::Tree,
};

/// The deny rules that apply to the subject.
pub(super) fn deny_rules(context: &Context<'_>) -> Vec<Applied> {
    rules(context, Action::Deny)
}

/// The allow rules that apply to the subject.
pub(super) fn allow_rules(context: &Context<'_>) -> Vec<Applied> {
    rules(context, Action::Accept)
}

/// The policies with a spec that isolates the subject in the direction.
pub(super) fn isolating(context: &Context<'_>) -> Vec<Arc<PolicyMeta>> {
    let isolates = |policy: &CiliumPolicy, spec: &CiliumSpec| {
        let in_direction = match context.direction {
            Direction::Ingress => spec.isolates_ingress,
            Direction::Egress => spec.isolates_egress,
        };
        in_direction && selects(context, policy, spec)
    };
    (context.cluster.cilium_policies.iter())
        .filter(|policy| policy.specs.iter().any(|spec| isolates(policy, spec)))
        .map(|policy| Arc::clone(&policy.meta))
        .collect()
}

/// Whether a spec applies to the subject. Rules for nodes (the host firewall) apply to no pod, audit policies to nothing.
fn selects(context: &Context<'_>, policy: &CiliumPolicy, spec: &CiliumSpec) -> bool {
    if policy.meta.audit {
        return false;
    }
    let subject = context.subject;
    let in_namespace = policy.meta.namespace.as_ref().is_none_or(|namespace| *namespace == subject.namespace);
    match &spec.subject {
        CiliumSubject::Nodes(_) => false,
        CiliumSubject::Endpoints(selector) => {
            let labels = endpoint_labels(subject, context.cluster.namespace(&subject.namespace));
            // A pod has no reserved label.
            let holds = |requirement: &Requirement| requirement.holds(label(&labels, &requirement.key));
            in_namespace && selector.requirements.iter().all(holds)
        }
    }
}

fn list(spec: &CiliumSpec, direction: Direction, action: Action) -> &[CiliumRule] {
    match (direction, action) {
        (Direction::Ingress, Action::Deny) => &spec.ingress_deny,
        (Direction::Ingress, _) => &spec.ingress,
        (Direction::Egress, Action::Deny) => &spec.egress_deny,
        (Direction::Egress, _) => &spec.egress,
    }
}

/// Whether the other end meets what the rules that apply to the subject require of every selected endpoint: what one
/// of them requires, all of them do (docs.cilium.io, "Endpoints Based", fromRequires).
fn required(context: &Context<'_>, action: Action) -> Tree<Match> {
    let mut all = Tree::known(true);
    for policy in &context.cluster.cilium_policies {
        for spec in policy.specs.iter().filter(|spec| selects(context, policy, spec)) {
            for selector in list(spec, context.direction, action).iter().flat_map(|rule| &rule.requires) {
                all = match context.other_pod() {
                    Some(_) => all.and(&endpoints(context, &policy.meta, selector)),
                    None => Tree::known(false),
                };
            }
        }
    }
    all
}

fn rules(context: &Context<'_>, action: Action) -> Vec<Applied> {
    let mut all = Vec::new();
    let required = required(context, action);
    for policy in &context.cluster.cilium_policies {
        // The rules of several specs are counted on, whether the specs select the subject or not.
        let mut index = 0;
        for spec in &policy.specs {
            let selected = selects(context, policy, spec);
            for rule in list(spec, context.direction, action) {
                if selected {
                    let reference = RuleRef {
                        policy: Arc::clone(&policy.meta),
                        direction: context.direction,
                        index,
                        action,
                        origin: rule.origin,
                        peer: Origin::NONE,
                    };
                    all.push((reference, rule_matches(context, &policy.meta, rule, action, &required)));
                }
                index += 1;
            }
        }
    }
    all
}

fn rule_matches(
    context: &Context<'_>,
    policy: &PolicyMeta,
    rule: &CiliumRule,
    action: Action,
    required: &Tree<Match>,
) -> Tree<Match> {
    let peer = match &rule.peers {
        None => Tree::known(true),
        Some(peers) => Tree::any(peers.iter().map(|peer| match peer {
            CiliumPeer::Endpoints(..) => peer_matches(context, policy, peer).and(required),
            _ => peer_matches(context, policy, peer),
        })),
    };
    peer.and(&ports_match(context, rule, action))
}

fn ports_match(context: &Context<'_>, rule: &CiliumRule, action: Action) -> Tree<Match> {
    let (protocol, kind) = (context.flow.protocol, context.flow.port);
    if rule.ports.is_empty() && rule.icmps.is_empty() {
        return Tree::known(true);
    }
    let icmp = rule.icmps.iter().any(|icmp| icmp.protocol == protocol && u16::from(icmp.kind) == kind);
    let entry = |entry: &CiliumPortRule| {
        if !ports::covered(context, &entry.ports, true) {
            Tree::known(false)
        } else if action == Action::Deny {
            Tree::known(true)
        } else {
            l7::conditions(context, &entry.l7)
        }
    };
    Tree::any([Tree::known(icmp)].into_iter().chain(rule.ports.iter().map(entry)))
}

fn peer_matches(context: &Context<'_>, policy: &PolicyMeta, peer: &CiliumPeer) -> Tree<Match> {
    match peer {
        CiliumPeer::Endpoints(selector, origin) => endpoints(context, policy, selector).at(*origin),
        CiliumPeer::Entity(entity, origin) => is_entity(context, *entity).at(*origin),
        CiliumPeer::Cidr { cidr, except, origin } => {
            if context.other_is_world() {
                context.in_networks(&IpSet::block(cidr, except)).at(*origin)
            } else {
                Tree::known(false)
            }
        }
        CiliumPeer::Service(service, origin) => Tree::Known(Match::by(*origin, is_backend(context, service))),
        CiliumPeer::Fqdn(wanted, origin) => Tree::Known(match context.other {
            End::Name(name) => Match::by(*origin, l7::fqdn(wanted, name)),
            End::Address(_) if context.other_is_world() => {
                Match::provided(*origin, BTreeSet::from([Condition::ResolvedFrom(wanted.clone())]))
            }
            End::Address(_) | End::Pod(..) => Match::by(*origin, false),
        }),
        CiliumPeer::Nodes(selector, origin) => {
            let holds =
                |labels: &Labels| selector.requirements.iter().all(|one| one.holds(label(labels, &one.key)));
            context.node_with(selector.is_empty(), holds).at(*origin)
        }
        CiliumPeer::Unresolved(what, origin) => match context.other {
            End::Pod(..) => Tree::known(false),
            End::Address(_) | End::Name(_) => context.unknown(Missing::ExternalReference(what)).at(*origin),
        },
    }
}

/// A key without its label source, if the source is one that labels of pods have (`k8s:`, `any:` or none).
fn without_source(key: &str) -> Option<&str> {
    match key.split_once(':') {
        None => Some(key),
        Some(("k8s" | "any", key)) => Some(key),
        Some(_) => None,
    }
}

fn label<'l>(labels: &'l Labels, key: &str) -> Option<&'l str> {
    without_source(key).and_then(|key| labels.get(key)).map(|value| &**value)
}

/// The reserved identity that a key names.
fn reserved(key: &str) -> Option<&str> {
    key.strip_prefix("reserved:")
}

/// Whether a peer selector matches the other end.
fn endpoints(context: &Context<'_>, policy: &PolicyMeta, selector: &Selector) -> Tree<Match> {
    let pod = context.other_pod();
    let names_reserved = selector.requirements.iter().any(|one| reserved(&one.key).is_some());
    if pod.is_none() && !names_reserved {
        return Tree::known(false);
    }
    let names_namespace = selector.requirements.iter().any(|one| {
        without_source(&one.key)
            .is_some_and(|key| key == derived::NAMESPACE || key.starts_with(derived::NAMESPACE_LABELS))
    });
    if let (Some(pod), Some(namespace), false, false) =
        (pod, &policy.namespace, names_namespace, names_reserved)
        && pod.namespace != *namespace
    {
        return Tree::known(false);
    }
    let labels = pod
        .map_or_else(Labels::default, |pod| endpoint_labels(pod, context.cluster.namespace(&pod.namespace)));
    selector.requirements.iter().fold(Tree::known(true), |all, one| {
        let holds = match reserved(&one.key) {
            None => Tree::known(one.holds(label(&labels, &one.key))),
            Some(name) => {
                // An end that has the identity bears the label, with an empty value.
                let (with, without) = (one.holds(Some("")), one.holds(None));
                let entity = Entity::NAMES.iter().find(|(known, _)| *known == name);
                let identity =
                    entity.map_or_else(|| Tree::known(false), |(_, entity)| is_entity(context, *entity));
                match (with, without) {
                    (true, false) => identity,
                    (false, true) => identity.not(),
                    (always, _) => Tree::known(always),
                }
            }
        };
        all.and(&holds)
    })
}

fn is_entity(context: &Context<'_>, entity: Entity) -> Tree<Match> {
    let world = context.other_is_world();
    match entity {
        Entity::All => Tree::known(true),
        Entity::World => Tree::known(world),
        Entity::WorldIpv4 => Tree::known(world && context.flow.family == Family::V4),
        Entity::WorldIpv6 => Tree::known(world && context.flow.family == Family::V6),
        Entity::Cluster => Tree::known(!world),
        Entity::Host => context.own_node().map(&|own| Match::plain(*own)),
        Entity::RemoteNode if context.other_is_node() => is_entity(context, Entity::Host).not(),
        Entity::RemoteNode => Tree::known(false),
        Entity::KubeApiserver => is_api_server(context),
        Entity::None | Entity::Init | Entity::Health | Entity::Unmanaged | Entity::Ingress => {
            Tree::known(false)
        }
    }
}

/// Whether the other end is the API server: by the endpoints of the Service `default/kubernetes`, if they are given.
fn is_api_server(context: &Context<'_>) -> Tree<Match> {
    let slices: Vec<&EndpointSlice> = slices(context, "default", "kubernetes").collect();
    if slices.is_empty() {
        return match context.other_pod() {
            Some(_) => Tree::known(false),
            None => context.unknown(Missing::ApiServerAddress),
        };
    }
    let mut addresses = slices.iter().flat_map(|slice| &slice.endpoints).flat_map(|end| &end.addresses);
    Tree::known(match context.other {
        End::Address(address) => addresses.any(|known| *known == address),
        End::Pod(_, pod) => pod.host_network && addresses.any(|known| pod.addresses.contains(known)),
        End::Name(_) => false,
    })
}

fn slices<'c>(
    context: &'c Context<'_>,
    namespace: &'c str,
    service: &'c str,
) -> impl Iterator<Item = &'c EndpointSlice> {
    (context.cluster.endpoint_slices.iter())
        .filter(move |slice| *slice.namespace == *namespace && slice.service.as_deref() == Some(service))
}

/// Whether the other end is behind one of the Services meant.
fn is_backend(context: &Context<'_>, wanted: &ServiceRef) -> bool {
    let meant = |service: &Service| match wanted {
        ServiceRef::Named { namespace, name } => service.namespace == *namespace && service.name == *name,
        ServiceRef::Selected { namespace, selector } => {
            namespace.as_ref().is_none_or(|namespace| service.namespace == *namespace)
                && selector.requirements.iter().all(|one| one.holds(label(&service.labels, &one.key)))
        }
    };
    context.cluster.services.iter().filter(|service| meant(service)).any(|service| match &service.selector {
        Some(selector) => context
            .other_pod()
            .is_some_and(|pod| pod.namespace == service.namespace && pod.labels.contains_all(selector)),
        None => {
            let mut addresses = slices(context, &service.namespace, &service.name)
                .flat_map(|slice| &slice.endpoints)
                .flat_map(|end| &end.addresses);
            match context.other {
                End::Pod(_, pod) => addresses.any(|known| pod.addresses.contains(known)),
                End::Address(address) => addresses.any(|known| *known == address),
                End::Name(_) => false,
            }
        }
    })
}
