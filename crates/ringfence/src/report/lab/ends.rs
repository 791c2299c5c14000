//! Who the ends of the trials are to a reader. In: trials and what came of them. Out: units, each of which is one row or
//! column: a workload whose replicas behave the same, a pod that does not, the nodes, addresses outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
};

use ringfence_lab::trial::{Target, Tried};
use ringfence_model::{
    Text,
    cluster::Cluster,
    flow::Endpoint,
    workload::{Pod, PodId, WorkloadId},
};

/// What behaves the same and is shown as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// `shop/web`, `shop/web-0`, `own node`, `other nodes`, `203.0.113.7`, `svc:shop/api`.
    pub(super) name: String,
    /// Its namespace, or `nodes`, or `outside`.
    pub(super) group: Text,
    /// The pods or addresses that it is.
    pub(super) members: usize,
}

/// The units of a report, and whose unit an end is.
pub(super) struct Ends<'a> {
    cluster: &'a Cluster,
    /// Pods first, then nodes, then outside, then Services.
    pub(super) units: Vec<Unit>,
    pod_names: Vec<String>,
    of_pod: BTreeMap<PodId, usize>,
    of_address: BTreeMap<IpAddr, usize>,
    of_service: BTreeMap<(Text, Text), usize>,
    nodes: Option<(usize, usize)>,
}

impl<'a> Ends<'a> {
    /// The units of everything that was tried.
    pub(super) fn of(tried: &[Tried], cluster: &'a Cluster) -> Self {
        let seen = Seen::of(tried, cluster);
        let mut ends = Self {
            cluster,
            units: Vec::new(),
            pod_names: pod_names(cluster),
            of_pod: BTreeMap::new(),
            of_address: BTreeMap::new(),
            of_service: BTreeMap::new(),
            nodes: None,
        };
        for pods in workloads(&seen, cluster) {
            ends.add_pods(&pods, &seen);
        }
        if seen.nodes {
            let first = ends.units.len();
            for name in ["own node", "other nodes"] {
                ends.units.push(Unit { name: name.to_owned(), group: "nodes".into(), members: 1 });
            }
            ends.nodes = Some((first, first + 1));
        }
        ends.add_outside(&seen);
        for (namespace, name) in seen.services {
            ends.of_service.insert((namespace.clone(), name.clone()), ends.units.len());
            let unit = Unit { name: format!("svc:{namespace}/{name}"), group: namespace, members: 1 };
            ends.units.push(unit);
        }
        ends
    }

    /// The pods of a workload: one unit if they all behave the same, else one each.
    fn add_pods(&mut self, pods: &[PodId], seen: &Seen) {
        let Some(pod) = pods.first().and_then(|id| self.cluster.pod(*id)) else { return };
        let group = pod.namespace.clone();
        let behaviours: BTreeSet<u64> = pods.iter().map(|id| seen.behaviour(*id)).collect();
        if behaviours.len() == 1 {
            let name = self
                .cluster
                .workload(pod.workload)
                .map_or_else(String::new, |workload| format!("{}/{}", workload.namespace, workload.name));
            let at = self.units.len();
            self.of_pod.extend(pods.iter().map(|id| (*id, at)));
            self.units.push(Unit { name, group, members: pods.len() });
            return;
        }
        for id in pods {
            self.of_pod.insert(*id, self.units.len());
            self.units.push(Unit { name: self.pod(*id).to_owned(), group: group.clone(), members: 1 });
        }
    }

    /// Addresses outside that behave the same are one unit, named by the first.
    fn add_outside(&mut self, seen: &Seen) {
        let mut alike: Vec<(u64, Vec<IpAddr>)> = Vec::new();
        for (address, behaviour) in &seen.outside {
            let behaviour = behaviour.finish();
            match alike.iter_mut().find(|(known, _)| *known == behaviour) {
                Some((_, addresses)) => addresses.push(*address),
                None => alike.push((behaviour, vec![*address])),
            }
        }
        for (_, addresses) in alike {
            let Some(first) = addresses.first() else { continue };
            let more = addresses.len() - 1;
            let name = if more == 0 { first.to_string() } else { format!("{first} (+{more})") };
            let at = self.units.len();
            self.of_address.extend(addresses.iter().map(|address| (*address, at)));
            self.units.push(Unit { name, group: "outside".into(), members: addresses.len() });
        }
    }

    /// Units that are rows and columns of the grid: all but Services.
    pub(super) fn shown(&self) -> usize {
        self.units.len() - self.of_service.len()
    }

    /// The unit at a position.
    pub(super) fn name(&self, at: usize) -> &str {
        self.units.get(at).map_or("", |unit| &unit.name)
    }

    /// Whose row a trial is in.
    pub(super) fn source(&self, tried: &Tried) -> Option<usize> {
        match &tried.trial.from {
            Endpoint::Pod(id) => self.of_pod.get(id).copied(),
            Endpoint::Address(address) => match self.cluster.node_of_address(*address) {
                None => self.of_address.get(address).copied(),
                Some(node) => {
                    let (own, other) = self.nodes?;
                    let at = match &tried.trial.to {
                        Target::End(Endpoint::Pod(id)) => {
                            self.cluster.pod(*id).and_then(|pod| pod.node.as_ref())
                        }
                        _ => None,
                    };
                    Some(if at == Some(&node.name) { own } else { other })
                }
            },
            Endpoint::Name(_) => None,
        }
    }

    /// Whose column.
    pub(super) fn target(&self, tried: &Tried) -> Option<usize> {
        match &tried.trial.to {
            Target::End(Endpoint::Pod(id)) => self.of_pod.get(id).copied(),
            Target::End(Endpoint::Address(address)) => self.of_address.get(address).copied(),
            Target::End(Endpoint::Name(_)) => None,
            Target::Service { namespace, name, .. } => {
                self.of_service.get(&(namespace.clone(), name.clone())).copied()
            }
        }
    }

    /// The name of one pod; stand-ins of one workload share theirs and are counted from the second on.
    pub(super) fn pod(&self, id: PodId) -> &str {
        self.pod_names.get(id.0 as usize).map_or("", String::as_str)
    }

    /// The name of one end.
    pub(super) fn endpoint(&self, end: &Endpoint) -> String {
        match end {
            Endpoint::Pod(id) => self.pod(*id).to_owned(),
            Endpoint::Address(address) => match self.cluster.node_of_address(*address) {
                Some(node) => format!("node {}", node.name),
                None => address.to_string(),
            },
            Endpoint::Name(name) => name.to_string(),
        }
    }

    /// The name of what packets are sent to.
    pub(super) fn destination(&self, target: &Target) -> String {
        match target {
            Target::End(end) => self.endpoint(end),
            Target::Service { namespace, name, .. } => format!("svc:{namespace}/{name}"),
        }
    }
}

fn pod_names(cluster: &Cluster) -> Vec<String> {
    let mut seen: BTreeMap<(Text, Text), usize> = BTreeMap::new();
    let name = |Pod { namespace, name, .. }: &'_ Pod| -> String {
        let ordinal = seen.entry((namespace.clone(), name.clone())).or_default();
        *ordinal += 1;
        if *ordinal == 1 { format!("{namespace}/{name}") } else { format!("{namespace}/{name}#{ordinal}") }
    };
    cluster.pods.iter().map(name).collect()
}

/// The pods that took part, workload by workload, in the order of their names.
fn workloads(seen: &Seen, cluster: &Cluster) -> Vec<Vec<PodId>> {
    let mut by_workload: BTreeMap<WorkloadId, Vec<PodId>> = BTreeMap::new();
    for id in seen.pods.keys() {
        if let Some(pod) = cluster.pod(*id) {
            by_workload.entry(pod.workload).or_default().push(*id);
        }
    }
    by_workload.into_values().collect()
}

/// What takes part, with a digest of what each pod and address does as a source and as a destination.
#[derive(Default)]
struct Seen {
    pods: BTreeMap<PodId, DefaultHasher>,
    outside: BTreeMap<IpAddr, DefaultHasher>,
    services: BTreeSet<(Text, Text)>,
    nodes: bool,
}

impl Seen {
    fn of(tried: &[Tried], cluster: &Cluster) -> Self {
        let mut seen = Self::default();
        let workload = |id: PodId| cluster.pod(id).map(|pod| pod.workload);
        let on_node = |id: PodId| cluster.pod(id).is_some_and(|pod| pod.host_network);
        for one in tried {
            let trial = &one.trial;
            let mut facts = DefaultHasher::new();
            (trial.family, trial.protocol, trial.port).hash(&mut facts);
            (one.kernel.as_str(), one.disagreement.is_some()).hash(&mut facts);
            let facts = facts.finish();
            let node = matches!(&trial.from, Endpoint::Address(at) if cluster.node_of_address(*at).is_some());
            seen.nodes |= node;
            // What replicas say to each other does not tell them apart, nor what passes between them and nodes (pods on
            // their node's network are nodes to others): that depends on which node each runs on.
            let aside = node
                || match (&trial.from, &trial.to) {
                    (Endpoint::Pod(from), Target::End(Endpoint::Pod(to))) => {
                        workload(*from) == workload(*to) || on_node(*from) || on_node(*to)
                    }
                    (Endpoint::Pod(from), _) => on_node(*from),
                    _ => false,
                };
            let to_end = match &trial.to {
                Target::End(end) => Some(end),
                Target::Service { namespace, name, .. } => {
                    seen.services.insert((namespace.clone(), name.clone()));
                    None
                }
            };
            if let (Some(digest), false) = (seen.digest(&trial.from, node), aside) {
                (0, facts).hash(digest);
                match &trial.to {
                    Target::End(end) => end.hash(digest),
                    Target::Service { address, .. } => address.hash(digest),
                }
            }
            if let Some(end) = to_end
                && let (Some(digest), false) = (seen.digest(end, false), aside)
            {
                (1, facts).hash(digest);
                trial.from.hash(digest);
            }
        }
        seen
    }

    fn digest(&mut self, end: &Endpoint, node: bool) -> Option<&mut DefaultHasher> {
        match end {
            Endpoint::Pod(id) => Some(self.pods.entry(*id).or_default()),
            Endpoint::Address(address) if !node => Some(self.outside.entry(*address).or_default()),
            Endpoint::Address(_) | Endpoint::Name(_) => None,
        }
    }

    fn behaviour(&self, id: PodId) -> u64 {
        self.pods.get(&id).map_or(0, DefaultHasher::finish)
    }
}
