//! Trials become packets. In: trials. Out: what the kernel did with each, and which rules the nodes' logs name.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ringfence_model::{address::Family, flow::Endpoint, port::Protocol, workload::PodId};

use super::{OnProgress, Progress, RunError, Running, seats::Seats};
use crate::{
    listen::Listener,
    namespace::Namespace,
    probe::{self, Probe},
    trial::{Expected, Kernel, Ports, Target, Trial, Tried},
};
/// Probes between two reports of progress.
const PIECE: usize = 8_192;

/// The number that listeners of a namespace without a pod of its own carry: beyond those of pods.
const NO_POD: u32 = u32::MAX;

impl Running {
    /// Listens on ports of pods and of the outside host that nobody listens on yet.
    pub(super) fn listen(&mut self, ports: &Ports, outside: &[(Protocol, u16)]) -> Result<(), RunError> {
        let mut wanted: Vec<(usize, Option<PodId>, Protocol, u16)> = Vec::new();
        let seats = self.seats();
        for (pod, protocol, port) in ports.iter() {
            if let Some(at) = seats.of_pod(pod) {
                wanted.push((at, Some(pod), protocol, port));
            }
        }
        wanted.extend(outside.iter().map(|(protocol, port)| (seats.outside(), None, *protocol, *port)));
        let namespaces = seats.namespaces;
        self.listen_at(&namespaces, &wanted)
    }

    /// The number that listeners of a pod carry. Pods on their node's network share its ports, so that none can be told
    /// from another.
    pub(super) fn number(&mut self, pod: PodId) -> u32 {
        let shares = self.compiled.cluster().pod(pod).is_none_or(|pod| pod.host_network);
        let Some(inode) = self.lab.pod(pod).filter(|_| !shares).map(Namespace::inode) else { return NO_POD };
        let next = self.next_number;
        let number = *self.numbers.entry(inode).or_insert(next);
        self.next_number = next.max(number + 1);
        number
    }

    /// The pods by the numbers that their listeners answer with.
    fn pods_by_number(&self) -> BTreeMap<u32, PodId> {
        let of = |namespace: &Namespace| self.numbers.get(&namespace.inode()).copied();
        self.lab.pods().filter_map(|(place, namespace)| Some((of(namespace)?, place.id))).collect()
    }

    /// The names of pods by the numbers that their listeners answer with.
    #[must_use]
    pub fn listener_names(&self) -> Vec<(u32, String)> {
        let name = |pod| self.lab.topology().pod(pod).map(|place| place.key.to_string());
        self.pods_by_number().into_iter().filter_map(|(number, pod)| Some((number, name(pod)?))).collect()
    }

    fn listen_at(
        &mut self,
        namespaces: &[Namespace],
        wanted: &[(usize, Option<PodId>, Protocol, u16)],
    ) -> Result<(), RunError> {
        let mut new = Vec::new();
        for (at, pod, protocol, port) in wanted {
            let Some(namespace) = namespaces.get(*at) else { continue };
            let has_ports = Protocol::WITH_PORTS.contains(protocol) && *port > 0;
            if !has_ports || !self.listening.insert((namespace.inode(), *protocol, *port)) {
                continue;
            }
            let id = pod.map_or(NO_POD, |pod| self.number(pod));
            let name = match pod.and_then(|pod| self.compiled.cluster().pod(pod)) {
                Some(pod) => format!("{}/{}", pod.namespace, pod.name),
                None => "no pod".to_owned(),
            };
            new.push(Listener {
                id,
                name,
                namespace: namespace.clone(),
                address: None,
                protocol: *protocol,
                port: *port,
            });
        }
        self.listeners.listen(&new)?;
        Ok(())
    }

    /// Listens wherever trials go.
    pub(super) fn listen_for(&mut self, trials: &[Trial]) -> Result<(), RunError> {
        let mut ends = Vec::new();
        for trial in trials {
            let mut add = |end, port| ends.push((end, trial.family, trial.protocol, port));
            match (&trial.to, &trial.expected) {
                (Target::End(to), _) => add(to, trial.port),
                (Target::Service { .. }, Expected::Backends(backends)) => {
                    backends.iter().for_each(|backend| add(&backend.end, backend.port));
                }
                (Target::Service { .. }, Expected::One(_)) => {}
            }
        }
        self.listen_at_ends(&ends)
    }

    /// Listens at ends that have packets.
    pub(super) fn listen_at_ends(
        &mut self,
        ends: &[(&Endpoint, Family, Protocol, u16)],
    ) -> Result<(), RunError> {
        let seats = self.seats();
        let mut wanted = Vec::new();
        for (end, family, protocol, port) in ends {
            if let Ok(seat) = seats.seat(end, *family) {
                let pod = match end {
                    Endpoint::Pod(pod) => Some(*pod),
                    _ => None,
                };
                wanted.push((seat.at, pod, *protocol, *port));
            }
        }
        let namespaces = seats.namespaces;
        self.listen_at(&namespaces, &wanted)
    }

    /// Closes the listeners of pods that are gone, without which their namespaces would stay.
    pub(super) fn forget_closed(&mut self) -> Result<(), RunError> {
        let there: BTreeSet<u64> = self.seats().namespaces.iter().map(Namespace::inode).collect();
        self.listening.retain(|(inode, ..)| there.contains(inode));
        let (stay, gone) = std::mem::take(&mut self.numbers)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(inode, _)| there.contains(inode));
        self.numbers = stay;
        for number in gone.into_values() {
            self.listeners.close(number)?;
        }
        Ok(())
    }
}

/// Sends the packets of trials.
pub(super) fn run(
    running: &Running,
    trials: Vec<Trial>,
    on_progress: OnProgress<'_>,
) -> Result<(Vec<Tried>, u64), RunError> {
    let seats = running.seats();
    let planned: Vec<Result<Probe, String>> = trials.iter().map(|trial| probe_of(trial, &seats)).collect();
    let probes: Vec<Probe> = planned.iter().flatten().copied().collect();
    let mut outcomes = Vec::with_capacity(probes.len());
    for piece in probes.chunks(PIECE) {
        outcomes.extend(running.prober.run(&seats.namespaces, piece)?);
        on_progress(Progress::Probed { done: outcomes.len(), of: probes.len() });
    }
    let (denials, lost) = running.denials();
    let pods = running.pods_by_number();
    let mut outcomes = outcomes.into_iter();
    let tried = trials.into_iter().zip(planned).map(|(trial, planned)| {
        let (kernel, denials) = match planned {
            Err(why) => (Kernel::Undecided(why), Vec::new()),
            Ok(probe) => {
                let outcome = outcomes.next().unwrap_or(probe::Outcome::Silent);
                (kernel(outcome, &pods), denials.of(&probe, &backends(&trial, running)))
            }
        };
        Tried { disagreement: trial.compare(&kernel), trial, kernel, denials }
    });
    Ok((tried.collect(), lost))
}

/// The packet that tries a trial, or why there is none.
fn probe_of(trial: &Trial, seats: &Seats<'_>) -> Result<Probe, String> {
    askable(trial)?;
    let from = seats.seat(&trial.from, trial.family)?;
    let to = match &trial.to {
        Target::Service { address, .. } => *address,
        Target::End(end) => seats.seat(end, trial.family)?.address,
    };
    Ok(Probe { from: from.at, source: from.address, to, protocol: trial.protocol, port: trial.port })
}

/// Whether the prober has a question of the kind.
fn askable(trial: &Trial) -> Result<(), String> {
    let echo = match (trial.protocol, trial.family) {
        (Protocol::Icmp, Family::V4) => 8,
        (Protocol::Icmpv6, Family::V6) => 128,
        (Protocol::Icmp | Protocol::Icmpv6, family) => {
            return Err(format!("{} is not spoken over {}", trial.protocol.as_str(), family.as_str()));
        }
        _ if trial.port == 0 => return Err("nobody can listen on port 0".to_owned()),
        _ => return Ok(()),
    };
    if trial.port == echo {
        return Ok(());
    }
    Err(format!("nothing answers {} messages of type {}", trial.protocol.as_str(), trial.port))
}

/// The addresses and ports that a Service may have chosen.
fn backends(trial: &Trial, running: &Running) -> Vec<(IpAddr, u16)> {
    let Expected::Backends(backends) = &trial.expected else { return Vec::new() };
    let ends = backends.iter().flat_map(|backend| {
        let addresses = match &backend.end {
            Endpoint::Pod(pod) => running.lab.topology().pod(*pod).map_or(&[][..], |place| &place.addresses),
            Endpoint::Address(address) => std::slice::from_ref(address),
            Endpoint::Name(_) => &[],
        };
        addresses.iter().map(|address| (*address, backend.port))
    });
    ends.collect()
}

fn kernel(outcome: probe::Outcome, pods: &BTreeMap<u32, PodId>) -> Kernel {
    match outcome {
        probe::Outcome::Answered { by } => Kernel::Allowed(by.and_then(|by| pods.get(&by.listener).copied())),
        probe::Outcome::Failed(_) => Kernel::Undecided(outcome.to_string()),
        refused => Kernel::Denied(refused.to_string()),
    }
}
