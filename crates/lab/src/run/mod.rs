//! A lab at work. In: a cluster and what to try. Out: the network up, every node's program in its kernel, packets sent, and
//! for each trial what the kernel did with them and why.

mod enforce;
mod guard;
mod live;
mod packets;
mod seats;
pub mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use ringfence_dataplane::{compile, netlink, reconcile::Ownership};
use ringfence_model::{cluster::Cluster, flow::Flow, port::Protocol, verdict::Verdict};
use ringfence_policy::{Compiled, Judge, compiled::View};
use thiserror::Error;

use crate::{
    dns,
    lab::{self, Changed, Lab, LabError},
    listen::{ListenError, Listeners},
    namespace::NamespaceError,
    plan::{self, PlanError},
    probe::{self, ProbeError, Prober},
    trial::{Outcomes, Ports, Scope, Trial, trials},
};
use enforce::Enforced;
pub use enforce::{EVERYTHING, OnRecord};
use guard::Guard;
pub use live::Pace;
use seats::Seats;

/// Ports that are tried outside, beside those that policies name.
const OUTSIDE_PORTS: [(Protocol, u16); 3] = [(Protocol::Tcp, 80), (Protocol::Tcp, 443), (Protocol::Udp, 53)];

/// How a lab is run.
#[derive(Clone, Default)]
pub struct Settings {
    /// What is built.
    pub plan: plan::Options,
    /// The programs' options. Their logs are never limited here: every refused packet is of interest.
    pub program: compile::Options,
    /// How packets are sent.
    pub probes: probe::Options,
    /// Whose the nodes' tables are; by default the lab's alone where the kernel can do that.
    pub ownership: Option<Ownership>,
    /// Who is told of every record of the nodes' logs.
    pub on_record: Option<OnRecord>,
}

/// Why a lab cannot run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The cluster cannot be built.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The network cannot be built.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// Nobody can listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Nobody can ask.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// A namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The kernel lacks what every program needs.
    #[error("this kernel cannot enforce policies: {0}")]
    Kernel(String),
    /// A connection is asked for between ends that have no packets: why.
    #[error("no packet can be sent: {0}")]
    NoPackets(String),
    /// Nobody can watch over the programs.
    #[error("changes of the nodes' rulesets by others cannot be watched: {0}")]
    Watch(String),
    /// A node's log cannot be read.
    #[error("the log of node `{node}` cannot be read: {cause}")]
    Log {
        /// The node.
        node: String,
        /// What is wrong.
        cause: String,
    },
    /// A node's kernel refuses its program.
    #[error("the program of node `{node}` cannot be loaded: {cause}")]
    Program {
        /// The node.
        node: String,
        /// What the kernel says.
        cause: netlink::Error,
    },
}

/// How far a lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The network is being built.
    Network(lab::Progress),
    /// Listeners are ready.
    Listening,
    /// Programs are in the kernel, of so many nodes.
    Enforced(usize),
    /// Probes are answered or refused, of so many.
    Probed {
        /// So far.
        done: usize,
        /// In all.
        of: usize,
    },
}

/// Tells somebody how far it is.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Sync);

/// The engine as a data plane understands it.
struct AsEnforced<'a>(&'a Compiled, View);

impl Judge for AsEnforced<'_> {
    fn verdict(&self, flow: &Flow) -> Verdict {
        self.0.enforced(flow, self.1)
    }
}

/// A lab that is up, with listeners on its pods and programs on its nodes.
pub struct Running {
    settings: Settings,
    compiled: Compiled,
    /// With audit policies enforced, if there are any.
    audited: Option<Compiled>,
    lab: Lab,
    listeners: Listeners,
    listening: BTreeSet<(u64, Protocol, u16)>,
    /// The numbers that the listeners of each namespace answer with. A pod's place in the list changes with other pods.
    numbers: BTreeMap<u64, u32>,
    next_number: u32,
    answers_dns: bool,
    prober: Prober,
    enforced: Vec<Enforced>,
    guard: Option<Guard>,
    ready: Duration,
}

impl Running {
    /// Builds the network of a cluster, listens, and enforces its policies on every node. The process must have entered
    /// namespaces of its own ([`crate::namespace::enter`]).
    ///
    /// # Errors
    /// When the cluster cannot be built or a kernel refuses something.
    pub fn start(
        cluster: &Cluster,
        settings: Settings,
        on_progress: OnProgress<'_>,
    ) -> Result<Self, RunError> {
        let start = Instant::now();
        let topology = plan::plan(cluster, &settings.plan)?;
        let lab = Lab::up(topology, &|progress| on_progress(Progress::Network(progress)))?;
        let compiled = Compiled::new(lab.cluster().clone());
        let audited = audited(lab.cluster());
        let listeners = Listeners::start()?;
        let mut running = Self {
            audited,
            prober: Prober::new(settings.probes.clone()).beside(&listeners),
            settings,
            compiled,
            lab,
            listeners,
            answers_dns: false,
            listening: BTreeSet::new(),
            numbers: BTreeMap::new(),
            next_number: 0,
            enforced: Vec::new(),
            guard: None,
            ready: Duration::ZERO,
        };
        running.listen(&Ports::of(running.lab.cluster()), &running.outside_ports())?;
        on_progress(Progress::Listening);
        running.enforce()?;
        on_progress(Progress::Enforced(running.enforced.len()));
        running.ready = start.elapsed();
        Ok(running)
    }

    /// The network.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The engine, compiled from the completed cluster.
    #[must_use]
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// The engine as the data plane understands it.
    #[must_use]
    pub fn judge(&self) -> impl Judge + '_ {
        AsEnforced(&self.compiled, self.view())
    }

    fn view(&self) -> View {
        View { strict_own_node: self.settings.program.strict_own_node, ..View::default() }
    }

    fn outside_ports(&self) -> Vec<(Protocol, u16)> {
        OUTSIDE_PORTS.to_vec()
    }

    /// What is tried when nobody says what: every ordered pair of pods, Services, the outside, nodes, echo requests.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let outside = &self.lab.topology().outside;
        Scope {
            outside: outside.addresses.iter().map(|known| known.address).collect(),
            outside_ports: self.outside_ports(),
            services: true,
            nodes: true,
            icmp: true,
        }
    }

    /// The trials of a scope.
    #[must_use]
    pub fn trials(&self, scope: &Scope) -> Vec<Trial> {
        let cluster = self.lab.cluster();
        trials(cluster, &self.judge(), &Ports::of(cluster), scope)
    }

    /// Brings another state of the cluster up: pods and Services come and go, the programs are changed in one transaction
    /// a node.
    ///
    /// # Errors
    /// As [`Self::start`]; also when nodes or families differ, which needs a new lab.
    pub fn update(&mut self, cluster: &Cluster) -> Result<Changed, RunError> {
        let topology = plan::replan(cluster, &self.settings.plan, self.lab.topology())?;
        let changed = self.lab.update(topology)?;
        self.compiled = Compiled::new(self.lab.cluster().clone());
        self.audited = audited(self.lab.cluster());
        self.forget_closed()?;
        self.listen(&Ports::of(self.lab.cluster()), &self.outside_ports())?;
        if self.answers_dns {
            self.answer_dns()?;
        }
        self.enforce()?;
        Ok(changed)
    }

    /// Answers DNS from now on, for people who use the lab: in the pods of the cluster's own DNS Service, or, if it has none, at
    /// a loopback address of every pod (see [`crate::dns`]).
    ///
    /// # Errors
    /// When somebody cannot listen.
    pub fn answer_dns(&mut self) -> Result<(), RunError> {
        self.answers_dns = true;
        let places = dns::places(self.lab.topology());
        let mut ports = Ports::default();
        for (place, _) in self.lab.pods() {
            let own = places.iter().filter(|known| known.pod == place.id).map(|known| known.at.port());
            for port in own.chain([dns::PORT]) {
                ports.add(place.id, Protocol::Udp, port);
            }
        }
        self.listen(&ports, &[])?;
        let zone = dns::Zone::of(self.lab.topology());
        let listeners = places.iter().map(|place| self.number(place.pod)).collect();
        self.listeners.answer_dns(zone, listeners)?;
        Ok(())
    }

    /// Sends the packets of trials.
    ///
    /// # Errors
    /// When a namespace cannot be entered.
    pub fn run(&mut self, trials: Vec<Trial>, on_progress: OnProgress<'_>) -> Result<Outcomes, RunError> {
        self.listen_for(&trials)?;
        let start = Instant::now();
        let (tried, lost_records) = packets::run(self, trials, on_progress)?;
        Ok(Outcomes {
            tried,
            pods: self.lab.pods().count(),
            ready: self.ready,
            probing: start.elapsed(),
            lost_records,
            notes: self.notes(),
        })
    }

    /// How often a node's program was put right because somebody else had changed it.
    #[must_use]
    pub fn repairs(&self) -> u64 {
        self.guard.as_ref().map_or(0, Guard::repairs)
    }

    /// What is closed for want of a proxy or a fact, in words, sorted.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let words: BTreeSet<String> =
            self.enforced.iter().flat_map(Enforced::notes).map(|note| words::note(&note)).collect();
        words.into_iter().collect()
    }

    fn seats(&self) -> Seats<'_> {
        Seats::new(&self.lab)
    }
}

/// The cluster with its audit policies enforced, if it has any.
fn audited(cluster: &Cluster) -> Option<Compiled> {
    cluster.has_audit_policies().then(|| Compiled::with_audit(cluster.clone()))
}
