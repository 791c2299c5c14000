//! Connections that rules of the tiers have in common, to ask the engine about. In: rules. Out: a bounded number of flows, one
//! for each kind of ends and each port at which something can change.

use ringfence_model::{
    address::{Family, IpSet},
    flow::{Endpoint, Flow},
    port::{PortMatch, PortSpec, Protocol},
    tier::{TierPeer, TierRule},
    verdict::Direction,
    workload::PodId,
};
use ringfence_policy::compiled::PodSet;

use crate::context::Context;

/// How many other ends are tried, and how many subjects.
const ENDS: usize = 24;
const SUBJECTS: usize = 8;
/// How many ports are tried.
const PORTS: usize = 16;

/// Pods of a set, two of each kind that rules can tell apart: one may be the other end.
pub(super) fn kinds(context: &Context<'_>, pods: impl IntoIterator<Item = PodId>, most: usize) -> Vec<PodId> {
    let reach = context.reach();
    let mut taken = std::collections::BTreeMap::new();
    let mut kinds = Vec::new();
    for pod in pods {
        let Some(cell) = reach.cell_of(pod) else { continue };
        let count = taken.entry(cell).or_insert(0_u8);
        if *count < 2 {
            *count += 1;
            kinds.push(pod);
            if kinds.len() == most {
                break;
            }
        }
    }
    kinds
}

/// Subjects to try.
pub(super) fn subjects(context: &Context<'_>, pods: impl IntoIterator<Item = PodId>) -> Vec<PodId> {
    kinds(context, pods, SUBJECTS)
}

/// The pods that a rule's peers are.
pub(super) fn pods(context: &Context<'_>, rule: &TierRule) -> PodSet {
    let sets = rule.peers.iter().map(|peer| context.scope.tier_peer(peer));
    sets.fold(PodSet::default(), |sum, set| sum.union(&set))
}

/// Other ends that all of the rules may match.
pub(super) fn ends(context: &Context<'_>, rules: &[&TierRule]) -> Vec<Endpoint> {
    let mut ends = Vec::new();
    let sets = rules.iter().map(|rule| pods(context, rule));
    if let Some(common) = sets.reduce(|a, b| a.intersection(&b)) {
        ends.extend(kinds(context, common.iter(), ENDS).into_iter().map(Endpoint::Pod));
    }
    let nets = rules.iter().map(|rule| networks(rule)).reduce(|a, b| a.intersection(&b)).unwrap_or_default();
    ends.extend(nets.ranges().take(ENDS).map(|range| Endpoint::Address(range.first)));
    let peers = || rules.iter().flat_map(|rule| &rule.peers);
    if peers().any(|peer| matches!(peer, TierPeer::Nodes(..))) {
        let addresses = context.cluster.nodes.iter().filter_map(|node| node.addresses.first());
        ends.extend(addresses.take(ENDS).map(|address| Endpoint::Address(*address)));
    }
    for peer in peers() {
        if let TierPeer::DomainNames(names, _) = peer {
            let name = |name: &str| match name.strip_prefix("*.") {
                Some(domain) => Endpoint::Name(format!("www.{domain}").into()),
                None => Endpoint::Name(name.into()),
            };
            ends.extend(names.iter().take(ENDS).map(|known| name(known)));
        }
    }
    ends
}

/// The addresses that a rule names.
fn networks(rule: &TierRule) -> IpSet {
    let nets = rule.peers.iter().filter_map(|peer| match peer {
        TierPeer::Networks(nets, _) => Some(nets),
        _ => None,
    });
    IpSet::from_nets(nets.flatten())
}

/// Ports that all lists match, if the destination has them.
fn ports(context: &Context<'_>, lists: &[&[PortMatch]], to: &Endpoint) -> Vec<(Protocol, u16)> {
    let named = |name: &str, protocol: Protocol| {
        let Endpoint::Pod(id) = to else { return None };
        let ports = &context.cluster.pod(*id)?.ports;
        let port =
            ports.iter().find(|port| port.protocol == protocol && port.name.as_deref() == Some(name))?;
        Some(port.port)
    };
    let range = |entry: &PortMatch, protocol: Protocol| {
        if entry.protocol.is_some_and(|own| own != protocol) {
            return None;
        }
        match &entry.ports {
            PortSpec::All => Some((1, u16::MAX)),
            PortSpec::Range(first, last) => Some((*first, *last)),
            PortSpec::Named(name) => named(name, protocol).map(|port| (port, port)),
        }
    };
    let has = |list: &[PortMatch], protocol, port: u16| {
        list.is_empty()
            || (list.iter()).any(|entry| {
                range(entry, protocol).is_some_and(|(first, last)| (first..=last).contains(&port))
            })
    };
    let mut found = Vec::new();
    for protocol in Protocol::WITH_PORTS {
        let firsts = lists.iter().flat_map(|list| list.iter()).filter_map(|entry| range(entry, protocol));
        let own = match to {
            Endpoint::Pod(id) => context.cluster.pod(*id).map(|pod| pod.ports.as_slice()),
            _ => None,
        };
        let own =
            own.unwrap_or_default().iter().filter(|port| port.protocol == protocol).map(|port| port.port);
        let usual = if protocol == Protocol::Udp { 53 } else { 443 };
        for port in own.chain(firsts.map(|(first, _)| first)).chain([usual]).filter(|port| *port > 0) {
            if lists.iter().all(|list| has(list, protocol, port)) && !found.contains(&(protocol, port)) {
                found.push((protocol, port));
            }
        }
    }
    found.truncate(PORTS);
    found
}

/// The first connection between a subject and an other end, at a port that all lists have, of which something holds.
pub(super) fn first<T>(
    context: &Context<'_>,
    direction: Direction,
    subjects: &[PodId],
    others: &[Endpoint],
    lists: &[&[PortMatch]],
    mut holds: impl FnMut(&Flow) -> Option<T>,
) -> Option<(Flow, T)> {
    let families = context.families();
    for subject in subjects {
        for other in others.iter().filter(|other| **other != Endpoint::Pod(*subject)) {
            let subject = Endpoint::Pod(*subject);
            let (from, to) = match direction {
                Direction::Ingress => (other.clone(), subject),
                Direction::Egress => (subject, other.clone()),
            };
            let families = match other {
                Endpoint::Address(address) => vec![Family::of(*address)],
                Endpoint::Pod(_) | Endpoint::Name(_) => families.to_vec(),
            };
            for (protocol, port) in ports(context, lists, &to) {
                for family in &families {
                    let (from, to) = (from.clone(), to.clone());
                    let flow = Flow { from, to, family: *family, protocol, port, request: None };
                    if let Some(found) = holds(&flow) {
                        return Some((flow, found));
                    }
                }
            }
        }
    }
    None
}

/// ``from `shop/web` to `shop/api`, TCP 8080``.
pub(super) fn shown(context: &Context<'_>, flow: &Flow) -> String {
    let end = |end: &Endpoint| match end {
        Endpoint::Pod(id) => context.cluster.pod(*id).map_or_else(String::new, |pod| {
            let workload = context.cluster.workload(pod.workload);
            workload.map_or_else(|| format!("`{}/{}`", pod.namespace, pod.name), crate::naming::workload)
        }),
        Endpoint::Address(address) => format!("`{address}`"),
        Endpoint::Name(name) => format!("`{name}`"),
    };
    format!("from {} to {}, {} {}", end(&flow.from), end(&flow.to), flow.protocol, flow.port)
}
