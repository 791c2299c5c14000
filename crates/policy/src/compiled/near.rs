//! The rule that almost let a connection through. In: the rules that did not match. Out: the one with the fewest
//! reasons why, and those reasons.

use ringfence_model::{
    Text,
    cilium::Entity,
    flow::Request,
    origin::Origin,
    port::{PortSpec, Protocol},
    verdict::{LabelMismatch, Mismatch, NearMiss, Reason},
};

use super::{
    matcher::{Condition, MatcherId, Subject, namespace_labels},
    matching::{Context, End, ports},
    rule::{Block, PeerMatch, PortEntry, Rule, RuleSet},
    truth::Match,
};

/// What the connection asks for.
pub(super) struct Asked<'a> {
    pub(super) other: &'a End<'a>,
    pub(super) to: &'a End<'a>,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    pub(super) request: Option<&'a Request>,
}

/// The allowing rule that came nearest.
pub(super) fn near_miss(context: &Context<'_>, set: &RuleSet, asked: &Asked<'_>) -> Option<Reason> {
    let mut best: Option<(usize, &Rule, Origin, Vec<Mismatch>)> = None;
    for rule in &set.allow {
        let port = port_mismatches(rule, asked);
        let (peer, mut mismatches) = nearest_peer(context, rule, asked.other);
        mismatches.extend(port);
        if mismatches.is_empty() {
            continue;
        }
        if best.as_ref().is_none_or(|(fewest, ..)| mismatches.len() < *fewest) {
            best = Some((mismatches.len(), rule, peer, mismatches));
        }
    }
    let (_, rule, peer, mismatches) = best?;
    Some(Reason::NearMiss(NearMiss { rule: rule.reference(peer), mismatches }))
}

/// The peer of a rule that came nearest, and why it is not the other end.
fn nearest_peer(context: &Context<'_>, rule: &Rule, other: &End<'_>) -> (Origin, Vec<Mismatch>) {
    let required: Vec<Mismatch> =
        rule.requires.iter().flat_map(|matcher| pod_mismatches(context, *matcher, other)).collect();
    let Some(peers) = &rule.peers else { return (rule.origin, required) };
    let with_reasons = peers.iter().map(|peer| (peer.origin, peer_mismatches(context, &peer.what, other)));
    match with_reasons.min_by_key(|(_, reasons)| reasons.len()) {
        None => (rule.origin, vec![Mismatch::NoPeer]),
        Some((origin, mut reasons)) => {
            reasons.extend(required);
            (origin, reasons)
        }
    }
}

fn peer_mismatches(context: &Context<'_>, what: &PeerMatch, other: &End<'_>) -> Vec<Mismatch> {
    if context.peer(what, other) != Match::No {
        return Vec::new();
    }
    let kind = |kind| vec![Mismatch::PeerKind(kind)];
    match what {
        PeerMatch::Pods(matcher) => pod_mismatches(context, *matcher, other),
        PeerMatch::Block(block) if !block.matches_cluster && matches!(other, End::Pod(..)) => {
            kind("addresses outside the cluster")
        }
        PeerMatch::Block(block) => block_mismatches(block, other),
        PeerMatch::World(block) => match other {
            End::Address { own: false, .. } | End::Name(_) => block_mismatches(block, other),
            _ => kind("addresses outside the cluster"),
        },
        PeerMatch::Nodes(_) => kind("nodes"),
        PeerMatch::Domains(_) | PeerMatch::Fqdn(_) => kind("other DNS names"),
        PeerMatch::Entity(entity) => kind(entity_peers(*entity)),
        PeerMatch::Reserved(entities) => {
            let wanted = entities.iter().find(|(_, wanted)| *wanted);
            kind(wanted.map_or("other reserved identities", |(entity, _)| entity_peers(*entity)))
        }
        PeerMatch::Services { .. } => kind("the backends of other Services"),
        PeerMatch::Unresolved(what) => kind(what),
    }
}

fn entity_peers(entity: Entity) -> &'static str {
    entity.as_str()
}

fn block_mismatches(block: &Block, other: &End<'_>) -> Vec<Mismatch> {
    let addresses: Vec<_> = match other {
        End::Address { address, .. } => vec![*address],
        End::Pod(_, pod, _) => pod.addresses.clone(),
        End::Name(_) => Vec::new(),
    };
    let excepted = block.except.iter().find(|net| addresses.iter().any(|address| net.contains(address)));
    vec![excepted.map_or(Mismatch::Address(block.cidr), |net| Mismatch::Except(*net))]
}

fn pod_mismatches(context: &Context<'_>, matcher: MatcherId, other: &End<'_>) -> Vec<Mismatch> {
    let Some((_, shape)) = other.plain_pod() else { return vec![Mismatch::PeerKind("pods")] };
    let (Some(matcher), Some(shape)) = (context.matchers.get(matcher), context.shapes.get(shape)) else {
        return Vec::new();
    };
    let namespace = namespace_labels(context.cluster, &shape.namespace);
    let mut mismatches = Vec::new();
    if let Some(only) = matcher.namespace.as_ref().filter(|only| **only != shape.namespace) {
        mismatches.push(Mismatch::OtherNamespace(only.clone()));
    }
    for condition in matcher.conditions.iter().filter(|condition| !condition.holds_for(shape, namespace)) {
        let found = label_mismatch(condition, condition.actual(shape, namespace));
        mismatches.push(match condition.subject {
            Subject::Namespace(_) => Mismatch::NamespaceLabel(found),
            _ => Mismatch::PodLabel(found),
        });
    }
    mismatches
}

fn label_mismatch(condition: &Condition, actual: Option<&Text>) -> LabelMismatch {
    LabelMismatch {
        key: condition.key.clone(),
        operator: condition.operator,
        values: condition.values.clone(),
        actual: actual.cloned(),
        origin: condition.origin,
    }
}

fn port_mismatches(rule: &Rule, asked: &Asked<'_>) -> Option<Mismatch> {
    if ports(rule, asked.protocol, asked.port, asked.to, None) != Match::No {
        let refused = ports(rule, asked.protocol, asked.port, asked.to, asked.request) == Match::No;
        return refused.then_some(Mismatch::Request);
    }
    let same: Vec<&PortEntry> =
        rule.ports.iter().filter(|entry| entry.protocols.contains(asked.protocol)).collect();
    if same.is_empty() {
        let mut protocols: Vec<Protocol> =
            [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp, Protocol::Icmpv6]
                .into_iter()
                .filter(|protocol| rule.ports.iter().any(|entry| entry.protocols.contains(*protocol)))
                .collect();
        protocols.dedup();
        return Some(Mismatch::Protocol(protocols));
    }
    let missing_name = same.iter().find_map(|entry| match (&entry.ports, asked.to) {
        (PortSpec::Named(name), End::Pod(_, pod, _))
            if pod.named_ports(name, asked.protocol).next().is_none() =>
        {
            Some(name)
        }
        _ => None,
    });
    if let (Some(name), true) = (missing_name, same.len() == 1) {
        return Some(Mismatch::NamedPort(name.clone()));
    }
    let listed: Vec<String> = same
        .iter()
        .map(|entry| match &entry.ports {
            PortSpec::All => "all".to_owned(),
            PortSpec::Range(first, last) if first == last => first.to_string(),
            PortSpec::Range(first, last) => format!("{first}-{last}"),
            PortSpec::Named(name) => name.to_string(),
        })
        .collect();
    Some(Mismatch::Port(listed.join(",").into()))
}
