//! Whether anything passes between some pods at a port. In: pods at both ends. Out: nothing if any pair may pass, else a sample
//! with its verdict, and what to say about it.

use std::{cell::Cell, collections::BTreeSet};

use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    network_policy::NetworkPeer,
    port::Protocol,
    tier::Action,
    verdict::{Direction, Mismatch, NearMiss, Outcome, Reason, RuleRef, Side, Verdict},
    workload::{Pod, PodId, WorkloadId},
};
use ringfence_policy::{Compiled, Judge as _};

use crate::{context::Context, finding::Finding};

/// So many pairs are judged one by one; of more, those of pods that differ in their labels.
const ALL_PAIRS: usize = 256;

/// A connection that is denied, and with it all those of its kind.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// The sample.
    pub(super) flow: Flow,
    /// What becomes of it: denied.
    pub(super) verdict: Verdict,
}

impl Cut {
    /// Of a connection that is denied: why. This costs far more than to know that it is.
    pub(super) fn of(compiled: &Compiled, flow: Flow) -> Self {
        Self { verdict: compiled.verdict(&flow), flow }
    }

    /// Whether a side denies.
    pub(super) fn denies(&self, direction: Direction) -> bool {
        self.side(direction).outcome == Outcome::Deny
    }

    /// One side.
    pub(super) fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Egress => &self.verdict.egress,
            Direction::Ingress => &self.verdict.ingress,
        }
    }
}

/// The pods of a connection.
pub(super) fn pods(flow: &Flow) -> impl Iterator<Item = PodId> {
    [&flow.from, &flow.to].into_iter().filter_map(|end| match end {
        Endpoint::Pod(id) => Some(*id),
        _ => None,
    })
}

/// How many findings of a rule are explained in full: with the places that decide, and the policy that is missing. Nobody reads
/// more, and each costs as much as all that comes before it.
const EXPLAINED: u32 = 20;

/// Counts what is explained.
pub(super) struct Budget(Cell<u32>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Cell::new(EXPLAINED))
    }

    /// Whether one more may be explained.
    pub(super) fn take(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }
}

/// A sample if every connection from one of the pods to one of the others, at its port, is certainly denied. Connections of a
/// pod to itself do not count.
pub(super) fn denied(
    context: &Context<'_>,
    from: &[PodId],
    to: &[(PodId, u16)],
    protocol: Protocol,
) -> Option<Flow> {
    let cluster = context.cluster;
    let (mut from, mut to) = (from.to_vec(), to.to_vec());
    if from.len().saturating_mul(to.len()) > ALL_PAIRS {
        from = different(cluster, from, |id| *id);
        to = different(cluster, to, |(id, _)| *id);
    }
    let families = &context.facts().families;
    let mut sample = None;
    for source in &from {
        for (target, port) in &to {
            if source == target {
                continue;
            }
            for family in families {
                let ends =
                    [*source, *target].map(|id| cluster.pod(id).is_some_and(|pod| has_family(pod, *family)));
                if ends.contains(&false) {
                    continue;
                }
                let flow = flow(Endpoint::Pod(*source), Endpoint::Pod(*target), *family, protocol, *port);
                if context.compiled.outcome(&flow) != Outcome::Deny {
                    return None;
                }
                sample.get_or_insert(flow);
            }
        }
    }
    sample
}

/// The same, and why.
pub(super) fn cut(
    context: &Context<'_>,
    from: &[PodId],
    to: &[(PodId, u16)],
    protocol: Protocol,
) -> Option<Cut> {
    denied(context, from, to, protocol).map(|flow| Cut::of(context.compiled, flow))
}

/// A connection.
pub(super) fn flow(from: Endpoint, to: Endpoint, family: Family, protocol: Protocol, port: u16) -> Flow {
    Flow { from, to, family, protocol, port, request: None }
}

/// Whether a pod may have an address of the family.
fn has_family(pod: &Pod, family: Family) -> bool {
    pod.addresses.is_empty() || pod.addresses.iter().any(|address| Family::of(*address) == family)
}

/// The first two pods of each kind, by namespace, labels and network: two, so that replicas can be a pair.
pub(super) fn different<T>(cluster: &Cluster, pods: Vec<T>, id: impl Fn(&T) -> PodId) -> Vec<T> {
    let mut seen = BTreeSet::new();
    let is_new = |item: &T| {
        let Some(pod) = cluster.pod(id(item)) else { return false };
        let key = |second: bool| (&pod.namespace, &pod.labels, &pod.ports, pod.host_network, second);
        seen.insert(key(false)) || seen.insert(key(true))
    };
    pods.into_iter().filter(is_new).collect()
}

/// `namespace/name` of a pod's workload.
pub(super) fn called(cluster: &Cluster, pod: PodId) -> String {
    match cluster.pod(pod) {
        Some(pod) => workload_name(cluster, pod.workload),
        None => String::new(),
    }
}

/// `namespace/name` of a workload.
pub(super) fn workload_name(cluster: &Cluster, workload: WorkloadId) -> String {
    cluster.workload(workload).map_or_else(String::new, |known| format!("{}/{}", known.namespace, known.name))
}

/// The workloads of some pods, ascending.
pub(super) fn workloads(cluster: &Cluster, pods: impl IntoIterator<Item = PodId>) -> Vec<WorkloadId> {
    let of: BTreeSet<WorkloadId> =
        pods.into_iter().filter_map(|id| cluster.pod(id)).map(|pod| pod.workload).collect();
    of.into_iter().collect()
}

/// Names in backticks: the first three, and how many more.
pub(super) fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Adds the places that decide a side: the rule that denies, or the policies that isolate and the rule that comes nearest.
pub(super) fn blame(
    context: &Context<'_>,
    finding: &mut Finding,
    cut: &Cut,
    direction: Direction,
    subject: &str,
) {
    let side = cut.side(direction);
    if side.outcome != Outcome::Deny {
        return;
    }
    for reason in &side.reasons {
        match reason {
            Reason::Rule(rule) if rule.action == Action::Deny => {
                let name = rule.policy.full_name();
                finding.related(rule.origin, format!("this rule of `{name}` denies it"));
            }
            Reason::Isolated(policy) => {
                let message =
                    format!("`{}` isolates `{subject}` for {}", policy.full_name(), direction.as_str());
                finding.related(policy.origin, message);
            }
            // A rule that misses in several ways has nothing to do with it, nor has one for addresses with a pod.
            Reason::NearMiss(near)
                if near.mismatches.len() == 1
                    && !(pods(&cut.flow).count() == 2 && is_block(context, &near.rule)) =>
            {
                let origin = if near.rule.peer.is_some() { near.rule.peer } else { near.rule.origin };
                finding.related(origin, format!("the nearest rule: {}", why_not(near)));
            }
            _ => {}
        }
    }
}

/// Whether the peer of a rule is a block of addresses.
fn is_block(context: &Context<'_>, rule: &RuleRef) -> bool {
    let policies = &context.cluster.network_policies;
    let of_it = policies.iter().filter(|policy| policy.meta.origin == rule.policy.origin);
    let mut peers =
        of_it.flat_map(|policy| policy.ingress.iter().chain(&policy.egress)).flat_map(|rule| &rule.peers);
    peers.any(|peer| matches!(peer, NetworkPeer::IpBlock { origin, .. } if *origin == rule.peer))
}

/// Why a rule did not match, in words.
fn why_not(near: &NearMiss) -> String {
    let words = near.mismatches.iter().map(|mismatch| match mismatch {
        Mismatch::PodLabel(label) | Mismatch::NamespaceLabel(label) => {
            let whose = if matches!(mismatch, Mismatch::PodLabel(_)) { "pod" } else { "namespace" };
            let actual = label
                .actual
                .as_ref()
                .map_or_else(|| "has no such label".to_owned(), |actual| format!("has `{actual}`"));
            format!("it asks for the {whose} label `{}`, and this one {actual}", label.key)
        }
        Mismatch::OtherNamespace(_) => "it selects pods of its own namespace".to_owned(),
        Mismatch::Port(ports) => format!("it is for port {ports}"),
        Mismatch::Protocol(protocols) => {
            let names: Vec<&str> = protocols.iter().map(|protocol| protocol.as_str()).collect();
            format!("it is for {}", names.join(" and "))
        }
        Mismatch::NamedPort(name) => format!("no container port is called `{name}`"),
        Mismatch::Address(net) => format!("the address is not in `{net}`"),
        Mismatch::Except(net) => format!("the address is in the exception `{net}`"),
        Mismatch::PeerKind(kind) => format!("it is for {kind}"),
        Mismatch::Request => "the request does not meet its conditions".to_owned(),
        Mismatch::NoPeer => "it lists nobody".to_owned(),
    });
    words.collect::<Vec<String>>().join("; ")
}
