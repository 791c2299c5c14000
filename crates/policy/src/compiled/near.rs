//! The rule that almost let a connection through. In: the rules that did not match. Out: the one with the fewest
//! reasons why, and those reasons.

use ringfence_model::{
    Text,
    flow::Request,
    label::Labels,
    port::{PortSpec, Protocol},
    verdict::{LabelMismatch, Mismatch, NearMiss, Reason},
};

use super::{
    matcher::{Condition, Matcher, Subject, namespace_labels},
    matching::{Context, End, ports},
    rule::{Block, Peer, PeerMatch, PortEntry, Rule, RuleSet},
    shape::Shape,
    truth::Match,
};

/// The other end as selectors see it; nothing if it is no pod that they can select.
type Seen<'a> = Option<(&'a Shape, Option<&'a Labels>)>;

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
    let seen: Seen<'_> = asked.other.plain_pod().and_then(|(_, shape)| {
        let shape = context.shapes.get(shape)?;
        Some((shape, namespace_labels(context.cluster, &shape.namespace)))
    });
    // Counting comes first and costs no memory; only the nearest is written down.
    let mut nearest: Option<(usize, &Rule, Option<&Peer>)> = None;
    for rule in &set.allow {
        let port = usize::from(ports(rule, asked.protocol, asked.port, asked.to, asked.request) == Match::No);
        let required: usize =
            rule.requires.iter().map(|required| pod_gaps(&required.written, seen).count()).sum();
        let candidates: &mut dyn Iterator<Item = (Option<&Peer>, usize)> = match rule.peers.as_deref() {
            None => &mut std::iter::once((None, 0)),
            Some([]) => &mut std::iter::once((None, 1)),
            Some(peers) => &mut peers
                .iter()
                .map(|peer| (Some(peer), peer_distance(context, &peer.what, asked.other, seen))),
        };
        for (peer, gaps) in candidates {
            let selected = peer.is_some_and(|peer| matches!(peer.what, PeerMatch::Pods(_)));
            let distance = port + gaps + if selected { required } else { 0 };
            if distance > 0 && nearest.is_none_or(|(fewest, ..)| distance < fewest) {
                nearest = Some((distance, rule, peer));
            }
        }
    }
    let (_, rule, peer) = nearest?;
    let mut mismatches: Vec<Mismatch> = match (peer, rule.peers.as_deref()) {
        (Some(peer), _) => peer_mismatches(context, &peer.what, asked.other, seen),
        (None, Some([])) => vec![Mismatch::NoPeer],
        _ => Vec::new(),
    };
    let required =
        rule.requires.iter().filter(|_| peer.is_some_and(|p| matches!(p.what, PeerMatch::Pods(_))));
    mismatches.extend(required.flat_map(|required| pod_mismatches(&required.written, seen)));
    mismatches.extend(port_mismatches(rule, asked));
    let origin = peer.map_or(rule.origin, |peer| peer.origin);
    Some(Reason::NearMiss(NearMiss { rule: rule.reference(origin), mismatches }))
}

/// How many reasons there are why a peer is not the other end.
fn peer_distance(context: &Context<'_>, what: &PeerMatch, other: &End<'_>, seen: Seen<'_>) -> usize {
    match what {
        PeerMatch::Pods(selection) => pod_gaps(&selection.written, seen).count(),
        what => usize::from(context.peer(what, other) == Match::No),
    }
}

fn peer_mismatches(
    context: &Context<'_>,
    what: &PeerMatch,
    other: &End<'_>,
    seen: Seen<'_>,
) -> Vec<Mismatch> {
    if context.peer(what, other) != Match::No {
        return Vec::new();
    }
    let kind = |kind| vec![Mismatch::PeerKind(kind)];
    match what {
        PeerMatch::Pods(selection) => pod_mismatches(&selection.written, seen),
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
        PeerMatch::Entity(entity) => kind(entity.as_str()),
        PeerMatch::Reserved(entities) => {
            let wanted = entities.iter().find(|(_, wanted)| *wanted);
            kind(wanted.map_or("other reserved identities", |(entity, _)| entity.as_str()))
        }
        PeerMatch::Services { .. } => kind("the backends of other Services"),
        PeerMatch::Unresolved(what) => kind(what),
    }
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

/// One reason why a selector of pods does not select the other end.
enum Gap<'a> {
    NoPod,
    Namespace(&'a Text),
    Label(&'a Condition, Option<&'a Text>),
}

fn pod_gaps<'a>(matcher: &'a Matcher, seen: Seen<'a>) -> impl Iterator<Item = Gap<'a>> {
    let no_pod = seen.is_none().then_some(Gap::NoPod);
    let gaps = seen.into_iter().flat_map(move |(shape, namespace)| {
        let elsewhere =
            matcher.namespace.as_ref().filter(|only| **only != shape.namespace).map(Gap::Namespace);
        let failing =
            matcher.conditions.iter().filter(move |condition| !condition.holds_for(shape, namespace));
        elsewhere.into_iter().chain(failing.map(move |c| Gap::Label(c, c.actual(shape, namespace))))
    });
    no_pod.into_iter().chain(gaps)
}

fn pod_mismatches(matcher: &Matcher, seen: Seen<'_>) -> Vec<Mismatch> {
    let write = |gap: Gap<'_>| match gap {
        Gap::NoPod => Mismatch::PeerKind("pods"),
        Gap::Namespace(only) => Mismatch::OtherNamespace(only.clone()),
        Gap::Label(condition, actual) => {
            let found = label_mismatch(condition, actual);
            match condition.subject {
                Subject::Namespace(_) => Mismatch::NamespaceLabel(found),
                _ => Mismatch::PodLabel(found),
            }
        }
    };
    pod_gaps(matcher, seen).map(write).collect()
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
