//! What a lab shows of itself. In: the lab as it is at the moment, the records of its nodes' logs. Out: answers to requests.

use std::{
    collections::{BTreeMap, VecDeque},
    os::fd::{AsFd as _, AsRawFd as _},
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
};

use ringfence_analysis::question::{End, Problem, Resolver, Role};
use ringfence_model::{Text, cluster::Cluster, observed::FlowRecord, workload::PodId};

use super::message::{Door, FlowFacts, LabFacts, PodFacts};
use crate::{dns, lab::Lab, namespace::Namespace};

/// Records that are kept for whoever asks later.
const KEPT: usize = 10_000;

/// Records that a client may be behind before it misses some.
const BEHIND: usize = 4_096;

/// What a lab shows of itself. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Board {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) cluster: Arc<Cluster>,
    pub(super) pods: Vec<(PodFacts, PodId, Namespace)>,
    pub(super) nodes: BTreeMap<Text, Namespace>,
    pub(super) outside: Option<Namespace>,
    listeners: Vec<(u32, String)>,
    flows: VecDeque<FlowFacts>,
    followers: Vec<Follower>,
}

#[derive(Debug)]
struct Follower {
    to: mpsc::SyncSender<Heard>,
    missed: u64,
}

/// What a follower hears.
#[derive(Debug)]
pub(super) enum Heard {
    Flow(Box<FlowFacts>),
    Missed(u64),
}

impl Board {
    /// Shows a lab as it is now, with the names of the pods whose listeners answer with numbers; to be called again when it
    /// has changed.
    pub fn show(&self, lab: &Lab, listeners: Vec<(u32, String)>) {
        let topology = lab.topology();
        let nodes: BTreeMap<Text, Namespace> =
            lab.nodes().map(|(place, namespace)| (place.name.clone(), namespace.clone())).collect();
        let pod = |(place, namespace): (&crate::plan::PodPlace, &Namespace)| {
            let node = topology.nodes.get(place.node).map(|node| node.name.to_string());
            let facts = PodFacts {
                name: place.key.to_string(),
                node: node.unwrap_or_default(),
                addresses: place.addresses.iter().map(ToString::to_string).collect(),
            };
            (facts, place.id, namespace.clone())
        };
        let pods = lab.pods().map(pod).collect();
        let mut state = self.state();
        state.cluster = Arc::new(lab.cluster().clone());
        state.pods = pods;
        state.nodes = nodes;
        state.outside = Some(lab.outside().clone());
        state.listeners = listeners;
    }

    /// Takes a record of a node's log. It never waits: a client that does not keep up misses records, and is told so.
    pub fn record(&self, node: &str, record: &FlowRecord) {
        let mut state = self.state();
        let facts = FlowFacts::of(node, record, &state.cluster.sources);
        state.followers.retain_mut(|follower| follower.hear(&facts));
        if state.flows.len() >= KEPT {
            state.flows.pop_front();
        }
        state.flows.push_back(facts);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn list(&self) -> LabFacts {
        let pods = self.state().pods.iter().map(|(facts, ..)| facts.clone()).collect();
        LabFacts { pid: process::id(), pods }
    }

    /// The records so far, and those to come.
    pub(super) fn flows(&self) -> (Vec<FlowFacts>, mpsc::Receiver<Heard>) {
        let (to, from) = mpsc::sync_channel(BEHIND);
        let mut state = self.state();
        state.followers.push(Follower { to, missed: 0 });
        (state.flows.iter().cloned().collect(), from)
    }

    /// How to enter what a name stands for: a pod, the first pod of a workload, a node by its address, or the outside host.
    pub(super) fn enter(&self, name: &str) -> Result<Door, Problem> {
        let state = self.state();
        let (full, namespace, dns_namespace) = state.find(name)?;
        Ok(Door {
            pid: process::id(),
            network_fd: namespace.as_fd().as_raw_fd(),
            name: full,
            resolv_conf: dns::resolv_conf(&state.cluster, &dns_namespace),
            listeners: state.listeners.clone(),
        })
    }
}

impl Follower {
    /// Whether it still listens.
    fn hear(&mut self, facts: &FlowFacts) -> bool {
        if self.missed > 0 && self.to.try_send(Heard::Missed(self.missed)).is_ok() {
            self.missed = 0;
        }
        match self.to.try_send(Heard::Flow(Box::new(facts.clone()))) {
            Ok(()) => true,
            Err(mpsc::TrySendError::Full(_)) => {
                self.missed += 1;
                true
            }
            Err(mpsc::TrySendError::Disconnected(_)) => false,
        }
    }
}

impl State {
    /// The full name, the network namespace, and the Kubernetes namespace in which its names are looked up.
    fn find(&self, name: &str) -> Result<(String, Namespace, String), Problem> {
        // Further stand-ins of a workload go by a name that only the lab gives.
        if let Some((facts, id, namespace)) = self.pods.iter().find(|(facts, ..)| facts.name == name) {
            return Ok((facts.name.clone(), namespace.clone(), self.namespace_of(*id)));
        }
        if let Some(node) = name.strip_prefix("node/") {
            let known = || Problem::new(format!("no node is called `{node}`"));
            let namespace = self.nodes.get(node).ok_or_else(|| {
                let names: Vec<&str> = self.nodes.keys().map(|name| &**name).collect();
                known().help(format!("there are {}", names.join(", ")))
            })?;
            return Ok((name.to_owned(), namespace.clone(), "default".to_owned()));
        }
        let outside = || {
            let namespace = self.outside.clone().ok_or_else(|| Problem::new("the lab is not up yet"))?;
            Ok(("outside".to_owned(), namespace, "default".to_owned()))
        };
        if name == "outside" {
            return outside();
        }
        let found = Resolver::new(&self.cluster, None).resolve(name, Role::Source)?;
        let pod = match &found.end {
            End::Pod(id) => Some(*id),
            End::Workload(id) => {
                let pods = self.cluster.workload(*id).map(|workload| workload.pods.clone());
                pods.unwrap_or_default().into_iter().find(|id| self.pods.iter().any(|(_, at, _)| at == id))
            }
            End::Internet => return outside(),
            End::Address(address) => match self.cluster.node_of_address(*address) {
                Some(node) => return self.find(&format!("node/{}", node.name)),
                None => return outside(),
            },
            End::Service(..) | End::Network(_) | End::Name(_) => None,
        };
        let here = pod.and_then(|pod| self.pods.iter().find(|(_, id, _)| *id == pod));
        let (facts, id, namespace) = here.ok_or_else(|| {
            Problem::new(format!("`{}` is no pod of the lab", found.full))
                .help("`ringfence lab list` shows its pods; `outside` and `node/NAME` can be entered too")
        })?;
        Ok((facts.name.clone(), namespace.clone(), self.namespace_of(*id)))
    }

    fn namespace_of(&self, id: PodId) -> String {
        self.cluster.pod(id).map_or_else(String::new, |pod| pod.namespace.to_string())
    }
}
