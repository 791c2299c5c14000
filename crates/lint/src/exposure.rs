//! Who can reach what holds data or secrets. In: the sensitive workloads, the engine. Out: those that more can reach than any
//! rule names, and why.

use std::collections::BTreeMap;

use ringfence_model::{
    address::IpSet,
    origin::Origin,
    port::{PortSet, Protocol},
    verdict::Direction,
    workload::PodId,
};
use ringfence_policy::{
    compiled::{CellId, PodSet},
    permit::Permit,
};

use crate::{
    allow::{Allow, Outside, allows},
    context::Context,
    facts::Sensitive,
};

/// A sensitive workload that more can reach than any rule names.
pub(crate) struct Exposed {
    pub sensitive: Sensitive,
    /// Pods that can open one of its ports, of other workloads, that no rule names.
    pub strangers: PodSet,
    /// Whether the whole internet can, as far as policies go.
    pub outside: bool,
    /// The rules that let everybody in; empty if nothing isolates it.
    pub rules: Vec<Origin>,
}

/// What the engine says about pods that nothing can tell apart, and the ports that matter.
#[derive(Clone)]
struct Seen {
    sources: PodSet,
    outside: bool,
    named: PodSet,
    rules: Vec<Origin>,
    isolated: bool,
}

type Ports = Vec<(Protocol, u16)>;

/// Every sensitive workload that is exposed.
pub(crate) fn exposed(context: &Context<'_>) -> Vec<Exposed> {
    let sensitive = &context.facts().sensitive;
    if sensitive.is_empty() || !context.cluster.profile.enforces {
        return Vec::new();
    }
    let rules = by_namespace(context);
    let isolated: PodSet = (context.groups().iter())
        .filter(|group| group.ingress.is_isolated())
        .flat_map(|group| group.pods.iter().copied())
        .collect();
    let mut seen: BTreeMap<(CellId, &Ports), Seen> = BTreeMap::new();
    let mut found = Vec::new();
    for one in sensitive {
        let Some(workload) = context.cluster.workload(one.workload) else { continue };
        let reach = context.reach();
        // The replicas of a workload are all alike, or the first stands for them.
        let is_subject =
            |pod: &&PodId| context.cluster.pod(**pod).is_some_and(|pod| !pod.finished && !pod.host_network);
        let Some(pod) = workload.pods.iter().find(is_subject).copied() else { continue };
        let Some(cell) = reach.cell_of(pod) else { continue };
        let known = seen
            .entry((cell, &one.ports))
            .or_insert_with(|| look(context, pod, cell, &one.ports, &rules, &isolated));
        let own: PodSet = workload.pods.iter().copied().collect();
        let strangers = known.sources.difference(&known.named).difference(&own);
        if (strangers.is_empty() && !known.outside) || (known.isolated && known.rules.is_empty()) {
            continue;
        }
        found.push(Exposed {
            sensitive: one.clone(),
            strangers,
            outside: known.outside,
            rules: known.rules.clone(),
        });
    }
    found
}

/// The rules for ingress with their subjects, by the namespace of the policy.
type Rules<'a> = BTreeMap<Option<&'a str>, Vec<(Allow<'a>, PodSet)>>;

fn by_namespace<'a>(context: &Context<'a>) -> Rules<'a> {
    let mut rules: Rules<'a> = BTreeMap::new();
    for allow in allows(context.cluster).into_iter().filter(|allow| allow.direction == Direction::Ingress) {
        rules.entry(allow.meta.namespace.as_deref()).or_default().push((allow, allow.subject(context)));
    }
    rules
}

fn look(
    context: &Context<'_>,
    pod: PodId,
    cell: CellId,
    ports: &Ports,
    rules: &Rules<'_>,
    isolated: &PodSet,
) -> Seen {
    let namespace = context.cluster.pod(pod).map(|pod| &*pod.namespace);
    let this = PodSet::from_iter([pod]);
    let about = [None, namespace].into_iter().filter_map(|namespace| rules.get(&namespace)).flatten();
    let about = about.filter(|(allow, subject)| subject.contains(pod) && allow.is_for(context, &this, ports));
    let (mut named, mut broad) = (PodSet::default(), Vec::new());
    for (allow, _) in about {
        named = named.union(&allow.named_pods(context));
        let breadth = allow.breadth(context);
        if breadth.pods || breadth.outside != Outside::Part {
            broad.push(breadth.at);
        }
    }
    let isolated = isolated.contains(pod);
    if isolated && broad.is_empty() {
        // Its rules say who; nobody asks who else can.
        return Seen { sources: PodSet::default(), outside: false, named, rules: broad, isolated };
    }
    let reach = context.reach();
    let opens = |permit: &Permit| {
        permit.allowed.iter().any(|(protocol, set)| {
            ports.is_empty()
                || ports.iter().any(|(known, port)| known == protocol && PortSet::contains(set, *port))
        })
    };
    let sources = (0..)
        .map(CellId)
        .zip(reach.cells())
        .filter(|(from, source)| !source.host_network && opens(&reach.permit(*from, cell)));
    let sources = sources.flat_map(|(_, source)| source.pods.iter().copied()).collect();
    let open = reach.external(cell, Direction::Ingress).into_iter().filter(|(_, permit)| opens(permit));
    let open = open.fold(IpSet::empty(), |sum, (set, _)| sum.union(&set));
    let outside = context.families().iter().all(|family| open.contains_set(context.internet(*family)));
    Seen { sources, outside, named, rules: broad, isolated }
}
