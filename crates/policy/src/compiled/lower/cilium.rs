//! CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy to parts. In: the policy. Out: a part for each spec whose
//! subject is pods (a `nodeSelector` is about the host firewall, which is no pod's).

use std::sync::Arc;

use ringfence_model::{
    Text,
    address::IpSet,
    cilium::{CiliumPeer, CiliumPolicy, CiliumRule, CiliumSpec, CiliumSubject, Entity, ServiceRef, derived},
    label::{Operator, Requirement, Selector},
    port::PortSpec,
    service::Service,
    tier::Action,
    verdict::Direction,
    workload::NAMESPACE_NAME_LABEL,
};

use super::{Lowering, index, port_entry};
use crate::compiled::{
    matcher::{Condition, Matcher, MatcherId, Subject},
    rule::{Block, Layer, Part, Peer, PeerMatch, PortEntry, Protocols, Rule},
};

pub(super) fn lower(lowering: &mut Lowering<'_>, policy: &CiliumPolicy) -> Vec<Part> {
    let mut counts = [0; 4];
    let mut parts = Vec::new();
    for (at, spec) in policy.specs.iter().enumerate() {
        let lists = [&spec.ingress, &spec.ingress_deny, &spec.egress, &spec.egress_deny];
        if let CiliumSubject::Endpoints(selector) = &spec.subject {
            parts.push(lower_spec(lowering, policy, index(at), spec, selector, counts));
        }
        for (count, list) in counts.iter_mut().zip(lists) {
            *count += list.len();
        }
    }
    parts
}

/// `before`: how many rules the earlier specs have, list by list, because rules are counted through all specs.
fn lower_spec(
    lowering: &mut Lowering<'_>,
    policy: &CiliumPolicy,
    at: u32,
    spec: &CiliumSpec,
    subject: &Selector,
    before: [usize; 4],
) -> Part {
    let subject = lower_subject(lowering, policy, subject);
    let [ingress, ingress_deny, egress, egress_deny] = before;
    let mut rules = |direction, action, before: usize, list: &[CiliumRule]| -> Vec<Arc<Rule>> {
        let numbered = list.iter().enumerate();
        numbered
            .map(|(at, rule)| {
                let peers = rule
                    .peers
                    .as_ref()
                    .map(|peers| peers.iter().flat_map(|peer| lower_peer(lowering, policy, peer)).collect());
                let requires = rule.requires.iter().map(|selector| {
                    let matcher = peer_matcher(policy, selector);
                    lowering.selection(matcher)
                });
                Arc::new(Rule {
                    policy: policy.meta.clone(),
                    direction,
                    index: index(before + at),
                    action,
                    origin: rule.origin,
                    peers,
                    requires: requires.collect(),
                    ports: ports(rule),
                })
            })
            .collect()
    };
    let mut in_rules = rules(Direction::Ingress, Action::Deny, ingress_deny, &spec.ingress_deny);
    in_rules.extend(rules(Direction::Ingress, Action::Accept, ingress, &spec.ingress));
    let mut out_rules = rules(Direction::Egress, Action::Deny, egress_deny, &spec.egress_deny);
    out_rules.extend(rules(Direction::Egress, Action::Accept, egress, &spec.egress));
    Part {
        meta: policy.meta.clone(),
        layer: Layer::Network,
        priority: 0,
        spec: at,
        subject,
        isolates_ingress: spec.isolates_ingress,
        isolates_egress: spec.isolates_egress,
        ingress: in_rules,
        egress: out_rules,
    }
}

/// The pods that a spec's selector selects: of the policy's own namespace, if it has one.
pub(super) fn lower_subject(
    lowering: &mut Lowering<'_>,
    policy: &CiliumPolicy,
    subject: &Selector,
) -> MatcherId {
    lowering.matcher(Matcher { namespace: policy.meta.namespace.clone(), conditions: conditions(subject) })
}

fn ports(rule: &CiliumRule) -> Vec<PortEntry> {
    let mut entries = Vec::new();
    for list in &rule.ports {
        if list.ports.is_empty() {
            entries.push(PortEntry {
                protocols: Protocols::Every,
                ports: PortSpec::All,
                l7: list.l7.clone(),
            });
        }
        entries.extend(list.ports.iter().map(|port| PortEntry { l7: list.l7.clone(), ..port_entry(port) }));
    }
    entries.extend(rule.icmps.iter().map(|icmp| PortEntry {
        protocols: Protocols::One(icmp.protocol),
        ports: PortSpec::Range(u16::from(icmp.kind), u16::from(icmp.kind)),
        l7: Vec::new(),
    }));
    entries
}

pub(super) fn lower_peer(lowering: &mut Lowering<'_>, policy: &CiliumPolicy, peer: &CiliumPeer) -> Vec<Peer> {
    let (what, origin) = match peer {
        CiliumPeer::Endpoints(selector, origin) => {
            let peer = |what| Peer { what, origin: *origin };
            return match Reserved::of(selector) {
                Some(reserved) => reserved.lower(lowering).map(peer).collect(),
                None => vec![peer(PeerMatch::Pods(lowering.selection(peer_matcher(policy, selector))))],
            };
        }
        CiliumPeer::Entity(entity, origin) => (PeerMatch::Entity(*entity), *origin),
        CiliumPeer::Cidr { cidr, except, origin } => {
            let block = Block {
                addresses: IpSet::block(cidr, except),
                cidr: *cidr,
                except: except.clone(),
                matches_cluster: false,
            };
            (PeerMatch::World(block), *origin)
        }
        CiliumPeer::Service(service, origin) => (services(lowering, service), *origin),
        CiliumPeer::Fqdn(name, origin) => (PeerMatch::Fqdn(name.clone()), *origin),
        CiliumPeer::Nodes(selector, origin) => (PeerMatch::Nodes(selector.clone()), *origin),
        CiliumPeer::Unresolved(what, origin) => (PeerMatch::Unresolved(what), *origin),
    };
    vec![Peer { what, origin }]
}

/// The backends of the Services that a rule names.
fn services(lowering: &mut Lowering<'_>, wanted: &ServiceRef) -> PeerMatch {
    let cluster = lowering.cluster;
    let named = |service: &&Service| match wanted {
        ServiceRef::Named { namespace, name } => service.namespace == *namespace && service.name == *name,
        ServiceRef::Selected { namespace, selector } => {
            namespace.as_ref().is_none_or(|only| *only == service.namespace)
                && selector.matches(&service.labels)
        }
    };
    let (mut pods, mut addresses) = (Vec::new(), IpSet::empty());
    for service in cluster.services.iter().filter(named) {
        if let Some(labels) = &service.selector {
            let requirement = |(key, value): (&Text, &Text)| Requirement {
                key: key.clone(),
                operator: Operator::In,
                values: vec![value.clone()],
                origin: service.origin,
            };
            let requirements = labels.iter().map(requirement).collect();
            let selector = Selector { requirements, origin: service.origin };
            let matcher = Matcher::pods(Some(service.namespace.clone()), None, Some(&selector));
            pods.push(lowering.matcher(matcher));
        } else {
            let slices = cluster.endpoint_slices.iter().filter(|slice| {
                slice.namespace == service.namespace && slice.service.as_ref() == Some(&service.name)
            });
            for address in slices.flat_map(|slice| &slice.endpoints).flat_map(|endpoint| &endpoint.addresses)
            {
                addresses = addresses.union(&IpSet::single(*address));
            }
        }
    }
    PeerMatch::Services { pods, addresses }
}

/// A label key without its source; nothing if its source is not one that pods' labels have.
fn without_source(key: &str) -> Option<&str> {
    match key.split_once(':') {
        None => Some(key),
        Some(("k8s" | "any", key)) => Some(key),
        Some(_) => None,
    }
}

/// What a key of an endpoint selector looks at (docs.cilium.io, "Endpoints Based" and "Namespaces").
fn subject(key: &str) -> Subject {
    match without_source(key) {
        None => Subject::Absent,
        Some(derived::NAMESPACE) => Subject::Namespace(NAMESPACE_NAME_LABEL.into()),
        Some(derived::SERVICE_ACCOUNT) => Subject::ServiceAccount,
        Some(derived::CLUSTER) => Subject::Constant("default".into()),
        Some(key) => match key.strip_prefix(derived::NAMESPACE_LABELS) {
            Some(label) => Subject::Namespace(label.into()),
            None => Subject::Pod(key.into()),
        },
    }
}

fn conditions(selector: &Selector) -> Vec<Condition> {
    let requirements = selector.requirements.iter();
    requirements.map(|requirement| Condition::new(subject(&requirement.key), requirement)).collect()
}

/// The pods that a peer selector of a policy selects: of the policy's own namespace, unless it speaks of namespaces.
fn peer_matcher(policy: &CiliumPolicy, selector: &Selector) -> Matcher {
    let conditions = conditions(selector);
    let speaks_of_namespaces =
        conditions.iter().any(|condition| matches!(condition.subject, Subject::Namespace(_)));
    let namespace = if speaks_of_namespaces { None } else { policy.meta.namespace.clone() };
    Matcher { namespace, conditions }
}

/// A selector with `reserved:` keys. An end of the identity bears the label with an empty value; such a selector is
/// not bound to a namespace.
struct Reserved<'a> {
    /// Whether each entity must be the end's (true) or must not.
    entities: Vec<(Entity, bool)>,
    /// Whether one of the keys can never meet its requirement.
    never: bool,
    /// The other requirements.
    rest: Vec<&'a Requirement>,
}

impl<'a> Reserved<'a> {
    /// Nothing for a selector without such a key.
    fn of(selector: &'a Selector) -> Option<Self> {
        let mut reserved = Self { entities: Vec::new(), never: false, rest: Vec::new() };
        for requirement in &selector.requirements {
            let Some(name) = requirement.key.strip_prefix("reserved:") else {
                reserved.rest.push(requirement);
                continue;
            };
            let known = Entity::NAMES.iter().find(|(known, _)| *known == name);
            let entity = known.map_or(Entity::None, |(_, entity)| *entity);
            match (requirement.holds(Some("")), requirement.holds(None)) {
                (true, true) => {}
                (false, false) => reserved.never = true,
                (with, _) => reserved.entities.push((entity, with)),
            }
        }
        (reserved.rest.len() < selector.requirements.len()).then_some(reserved)
    }

    /// The pods that it selects, and the other ends.
    fn lower(self, lowering: &mut Lowering<'_>) -> impl Iterator<Item = PeerMatch> {
        let of_pods = |entity| matches!(entity, Entity::All | Entity::Cluster);
        let pods = !self.never && self.entities.iter().all(|(entity, wanted)| of_pods(*entity) == *wanted);
        let conditions: Vec<Condition> =
            self.rest.iter().map(|one| Condition::new(subject(&one.key), one)).collect();
        let pods = pods.then(|| PeerMatch::Pods(lowering.selection(Matcher { namespace: None, conditions })));
        // Ends other than pods have no labels but their identity's.
        let others = !self.never && self.rest.iter().all(|one| one.holds(None));
        pods.into_iter().chain(others.then_some(PeerMatch::Reserved(self.entities)))
    }
}
