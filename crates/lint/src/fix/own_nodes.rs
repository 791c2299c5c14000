//! Connections of pods with the node that they run on, which a comparison of workloads leaves out. In: the cluster before and
//! after. Out: a pod for which one opened, and one for which one was cut.
//!
//! A repair that isolates pods may open some of them: NetworkPolicy never blocks the own node, a policy of the Baseline tier
//! does, and whoever is isolated is out of that tier.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ringfence_model::{
    Text,
    address::Family,
    flow::{Endpoint, Flow},
    port::Protocol,
    verdict::Outcome,
    workload::{Pod, PodId},
};
use ringfence_policy::Compiled;

/// A port that hardly a rule names, for rules about all ports, and that of the kubelet.
const PORTS: [u16; 2] = [u16::MAX, 10250];

/// What differs: the first pod of each kind, as a name in backticks.
#[derive(Debug, Default)]
pub(super) struct Differs {
    pub(super) opened: Option<String>,
    pub(super) cut: Option<String>,
}

/// Compares samples: every port that a pod declares, and [`PORTS`], in both directions.
pub(super) fn compare(before: &Compiled, after: &Compiled) -> Differs {
    let mut differs = Differs::default();
    let (old, new) = (before.cluster(), after.cluster());
    let nodes: BTreeMap<&Text, &[IpAddr]> =
        old.nodes.iter().map(|node| (&node.name, node.addresses.as_slice())).collect();
    let same = |a: &Pod, b: &Pod| (&a.namespace, &a.name) == (&b.namespace, &b.name);
    for (id, pod) in (0..).map(PodId).zip(&old.pods).filter(|(_, pod)| !pod.host_network) {
        let addresses = pod.node.as_ref().and_then(|node| nodes.get(node)).copied().unwrap_or_default();
        if addresses.is_empty() || !new.pod(id).is_some_and(|other| same(pod, other)) {
            continue;
        }
        let known = pod.ports.iter().map(|port| (port.protocol, port.port));
        let ports: BTreeSet<(Protocol, u16)> = known.chain(PORTS.map(|port| (Protocol::Tcp, port))).collect();
        for flow in addresses.iter().flat_map(|address| flows(id, *address, &ports)) {
            match (rank(before.outcome(&flow)), rank(after.outcome(&flow))) {
                (Some(was), Some(is)) if is > was => named(&mut differs.opened, pod),
                (Some(was), Some(is)) if is < was => named(&mut differs.cut, pod),
                _ => {}
            }
        }
    }
    differs
}

fn flows(pod: PodId, node: IpAddr, ports: &BTreeSet<(Protocol, u16)>) -> impl Iterator<Item = Flow> {
    let family = Family::of(node);
    let (pod, node) = (Endpoint::Pod(pod), Endpoint::Address(node));
    ports.iter().flat_map(move |(protocol, port)| {
        [(node.clone(), pod.clone()), (pod.clone(), node.clone())].map(|(from, to)| Flow {
            from,
            to,
            family,
            protocol: *protocol,
            port: *port,
            request: None,
        })
    })
}

/// How much an outcome lets through, if that is known.
fn rank(outcome: Outcome) -> Option<u8> {
    match outcome {
        Outcome::Deny => Some(0),
        Outcome::AllowIf => Some(1),
        Outcome::Allow => Some(2),
        Outcome::Unknown => None,
    }
}

fn named(slot: &mut Option<String>, pod: &Pod) {
    slot.get_or_insert_with(|| format!("`{}/{}`", pod.namespace, pod.name));
}
