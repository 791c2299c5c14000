//! Programs in the nodes' kernels, and their logs. In: a compiled cluster. Out: every node with its program loaded, changed in
//! one transaction when policies change, and what the programs logged, by connection.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ringfence_dataplane::{
    compile::{self, Note, Program, Rate},
    features::Features,
    netlink::Watch,
    nflog::{Parties, Reader, Settings},
    node::Node,
    prefix::RuleId,
    reconcile::{Keeper, Ownership},
};
use ringfence_model::{
    Text,
    network_policy::PolicyMeta,
    observed::{FlowRecord, Treatment},
    origin::Origin,
    port::Protocol,
    verdict::Reason,
};

use super::{
    RunError, Running,
    guard::{self, Guard, Shared, Watched},
};
use crate::{namespace::Namespace, probe::Probe, trial::Denial};

/// How often a log is looked at when nothing comes.
const IDLE: Duration = Duration::from_millis(50);

/// Datagrams that are read at once.
const AT_ONCE: usize = 64;

/// How long records may take from the kernel to here.
const SETTLE: Duration = Duration::from_millis(200);

/// As often as packets are refused.
pub const EVERYTHING: Rate = Rate { rate: 1_000_000, burst: 1_000_000 };

/// Somebody who is told of every record as it comes.
pub type OnRecord = Arc<dyn Fn(&Text, &FlowRecord) + Send + Sync>;

/// A node's program and its log.
pub(super) struct Enforced {
    name: Text,
    node: Shared,
    log: Log,
}

/// What a log's reader knows of the program at the moment.
#[derive(Default)]
struct Known {
    rules: BTreeMap<RuleId, Arc<[Reason]>>,
    parties: Parties,
}

/// What a log's reader has read.
#[derive(Default)]
struct Read {
    records: Mutex<Vec<FlowRecord>>,
    lost: AtomicU64,
    ended: AtomicBool,
}

/// A node's log with the thread that reads it.
struct Log {
    known: Arc<Mutex<Known>>,
    read: Arc<Read>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Log {
    fn drop(&mut self) {
        self.read.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A reader that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// Reads the log of a namespace from now on.
    fn start(
        namespace: &Namespace,
        node: &Text,
        settings: &Settings,
        on_record: Option<OnRecord>,
    ) -> Result<Self, RunError> {
        let cause = |cause: String| RunError::Log { node: node.to_string(), cause };
        let mut reader = namespace
            .run(|| Reader::open(settings))
            .map_err(|error| cause(error.to_string()))?
            .map_err(|error| cause(error.to_string()))?;
        let (known, read) = (Arc::new(Mutex::new(Known::default())), Arc::<Read>::default());
        let (for_thread, into) = (known.clone(), read.clone());
        let node = node.clone();
        let thread = thread::spawn(move || {
            while !into.ended.load(Ordering::Relaxed) {
                // A reader whose socket fails reads no more; what it had lost is in the count.
                let Ok(ready) = reader.wait(IDLE) else { break };
                if !ready {
                    continue;
                }
                let known = locked(&for_thread);
                let rules = |id: RuleId| known.rules.get(&id).cloned();
                let Ok(report) = reader.report(now(), AT_ONCE, &rules, &known.parties) else { break };
                drop(known);
                if let Some(tell) = &on_record {
                    report.records.iter().for_each(|record| tell(&node, record));
                }
                let lost = reader.lost();
                into.lost.store(lost.missed + lost.overruns + lost.unreadable, Ordering::Relaxed);
                locked(&into.records).extend(report.records);
            }
        });
        Ok(Self { known, read, thread: Some(thread) })
    }

    /// Learns what numbers and addresses mean. Records of rules that are gone are still understood.
    fn know(&self, program: &Program, parties: Parties) {
        let mut known = locked(&self.known);
        let rules = program.rules.iter().map(|(id, logs)| (*id, Arc::from(logs.reasons.as_slice())));
        known.rules.extend(rules);
        known.parties = parties;
    }
}

/// Whose tables are, as far as the kernel can say that; an error if it cannot enforce at all.
fn ownership_in(namespace: &Namespace, node: &Text) -> Result<Ownership, RunError> {
    let refused = |cause| RunError::Program { node: node.to_string(), cause };
    let features = namespace.run(Features::probe)?.map_err(refused)?;
    let lacks: Vec<String> = features
        .fatal()
        .map(|found| {
            format!("{} ({})", found.feature.about().1, found.missing.as_deref().unwrap_or_default())
        })
        .collect();
    if lacks.is_empty() { Ok(features.ownership()) } else { Err(RunError::Kernel(lacks.join("; "))) }
}

/// Since the beginning of 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Enforced {
    /// What a person should know about the node's program.
    pub(super) fn notes(&self) -> Vec<Note> {
        guard::locked(&self.node).program().notes.clone()
    }
}

impl Running {
    /// Loads every node's program, or changes what is loaded into it.
    pub(super) fn enforce(&mut self) -> Result<(), RunError> {
        let refused = |node: &Text| {
            let node = node.to_string();
            move |cause| RunError::Program { node, cause }
        };
        let parties = || Parties::new(self.lab.cluster());
        if self.enforced.is_empty() {
            let (mut enforced, mut watched) = (Vec::new(), Vec::new());
            let mut ownership = None;
            for (place, namespace) in self.lab.nodes() {
                let ownership = match ownership {
                    Some(known) => known,
                    None => {
                        let can = ownership_in(namespace, &place.name)?;
                        *ownership.insert(self.settings.ownership.unwrap_or(can))
                    }
                };
                let settings = self.log_settings();
                let log = Log::start(namespace, &place.name, &settings, self.settings.on_record.clone())?;
                let options = self.program();
                let table = options.table.clone();
                let watch =
                    namespace.run(Watch::open)?.map_err(|error| RunError::Watch(error.to_string()))?;
                let keeper = namespace
                    .run(|| Keeper::open(options.table.as_str(), ownership))?
                    .map_err(refused(&place.name))?;
                let node = Node::start(keeper, &self.compiled, self.audited.as_ref(), &place.name, options)
                    .map_err(refused(&place.name))?;
                log.know(node.program(), parties());
                let node = Arc::new(Mutex::new(node));
                watched.push(Watched { watch, node: Arc::clone(&node), table });
                enforced.push(Enforced { name: place.name.clone(), node, log });
            }
            self.enforced = enforced;
            let guard = Guard::start(watched).map_err(|error| RunError::Watch(error.desc().to_owned()))?;
            self.guard = Some(guard);
            return Ok(());
        }
        for Enforced { name, node, log } in &self.enforced {
            let mut node = guard::locked(node);
            node.update(&self.compiled, self.audited.as_ref()).map_err(refused(name))?;
            log.know(node.program(), Parties::new(self.lab.cluster()));
        }
        Ok(())
    }

    fn program(&self) -> compile::Options {
        compile::Options { log_denied: Some(EVERYTHING), ..self.settings.program.clone() }
    }

    fn log_settings(&self) -> Settings {
        let compile::Options { group, snaplen, queue_threshold, .. } = &self.settings.program;
        Settings {
            group: *group,
            snaplen: *snaplen,
            threshold: u32::from(*queue_threshold),
            ..Settings::default()
        }
    }

    /// What the nodes have logged since the last time, by connection; and how many records were lost.
    pub(super) fn denials(&self) -> (Denials, u64) {
        thread::sleep(SETTLE);
        let mut denials = Denials::default();
        let mut lost = 0;
        for node in &self.enforced {
            lost += node.log.read.lost.load(Ordering::Relaxed);
            for record in locked(&node.log.read.records).drain(..) {
                denials.add(&node.name, &record);
            }
        }
        (denials, lost)
    }
}

/// A record in words.
fn denial(node: &Text, record: &FlowRecord) -> Denial {
    let rule = record.reasons.iter().find_map(|reason| match reason {
        Reason::Rule(rule) => Some(rule),
        _ => None,
    });
    let mut policies: Vec<Arc<PolicyMeta>> = Vec::new();
    policies.extend(record.reasons.iter().filter_map(|reason| match reason {
        Reason::Rule(rule) => Some(rule.policy.clone()),
        Reason::Isolated(policy) => Some(policy.clone()),
        _ => None,
    }));
    let name = |policy: &PolicyMeta| format!("{} {}", policy.kind.as_str(), policy.full_name());
    let words = match rule {
        Some(rule) => format!("{}: {}[{}]", name(&rule.policy), rule.direction.as_str(), rule.index),
        None if policies.is_empty() => record.policy.to_string(),
        None => format!(
            "isolated by {}",
            policies.iter().map(|policy| name(policy)).collect::<Vec<_>>().join(", ")
        ),
    };
    Denial {
        node: node.clone(),
        direction: record.direction,
        rule: words,
        reasons: record.reasons.clone(),
        origin: rule.map_or_else(
            || policies.first().map_or(Origin::NONE, |policy| policy.origin),
            |rule| rule.origin,
        ),
        policies,
        audit: record.treatment == Treatment::WouldDeny,
    }
}

/// A connection as a log shows it: both addresses, protocol number, destination port (or ICMP type).
type Connection = (IpAddr, IpAddr, u8, u16);

/// What was refused, by connection.
#[derive(Default)]
pub(super) struct Denials(BTreeMap<Connection, Vec<Denial>>);

impl Denials {
    fn add(&mut self, node: &Text, record: &FlowRecord) {
        if record.treatment == Treatment::Allowed {
            return;
        }
        let Some(protocol) = record.protocol else { return };
        let port =
            record.icmp.map(|(kind, _)| u16::from(kind)).or(record.destination.port).unwrap_or_default();
        let connection = (record.source.address, record.destination.address, protocol, port);
        let found = self.0.entry(connection).or_default();
        let denial = denial(node, record);
        if !found.contains(&denial) {
            found.push(denial);
        }
    }

    /// What was refused of a probe's packets, which may have gone to one of several backends.
    pub(super) fn of(&self, probe: &Probe, backends: &[(IpAddr, u16)]) -> Vec<Denial> {
        let number = match probe.protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
            Protocol::Icmp => 1,
            Protocol::Icmpv6 => 58,
        };
        let ends = backends.iter().copied().chain([(probe.to, probe.port)]);
        let found = ends.filter_map(|(to, port)| self.0.get(&(probe.source, to, number, port)));
        found.flatten().cloned().collect()
    }
}
