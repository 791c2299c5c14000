//! Live connections while clusters change: what was allowed, bears the mark of the epoch and is forbidden now must not bear
//! the mark of the epoch any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ringfence_dataplane::{
    compile::{Options, Program, compile},
    epoch::Addresses,
    reconcile::diff,
};
use ringfence_model::{
    Text,
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    port::Protocol,
    verdict::Outcome,
    workload::PodId,
};
use ringfence_policy::{
    Compiled,
    compiled::View,
    generate::{self, Churn},
};

use crate::clusters;

/// A connection, by what its packets show.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Connection {
    from: IpAddr,
    to: IpAddr,
    protocol: Protocol,
    port: u16,
}

/// A node as its agent sees it.
struct Agent {
    name: Text,
    program: Program,
    addresses: Addresses,
    epoch: u32,
    /// The epoch at which each connection was last allowed here.
    marks: BTreeMap<Connection, u32>,
}

/// What was seen.
#[derive(Default, Debug)]
struct Seen {
    /// Updates that changed a program, and left live connections alone.
    quiet: u32,
    /// Updates after which live connections are judged again.
    judged_again: u32,
    /// Connections that were cut.
    cut: u32,
}

/// Whose an address is.
fn owner(cluster: &Cluster, address: IpAddr) -> Option<PodId> {
    let pods = (0..).map(PodId).zip(&cluster.pods);
    let mut owners = pods
        .filter(|(_, pod)| !pod.finished && !pod.host_network && pod.addresses.contains(&address))
        .map(|(id, _)| id);
    // An address of two pods is a mistake, and the first comer's mark as good as another's.
    owners.next().filter(|_| owners.next().is_none())
}

fn address_of(cluster: &Cluster, end: &Endpoint, family: Family) -> Option<IpAddr> {
    match end {
        Endpoint::Pod(id) => {
            let pod = cluster.pod(*id).filter(|pod| !pod.finished)?;
            pod.addresses.iter().copied().find(|address| Family::of(*address) == family)
        }
        Endpoint::Address(address) => Some(*address),
        Endpoint::Name(_) => None,
    }
}

impl Agent {
    fn update(&mut self, compiled: &Compiled, options: &Options, seen: &mut Seen) {
        let program = compile(compiled, None, &self.name, options);
        let transaction = diff(&self.program.table, &program.table);
        if self.addresses.change(&transaction, compiled.cluster()) {
            self.epoch += 1;
            seen.judged_again += 1;
        } else {
            seen.quiet += u32::from(!transaction.changes.is_empty());
        }
        self.program = program;
    }
}

fn walk(seed: u64, steps: usize, seen: &mut Seen) {
    let options = Options::default();
    let mut cluster = clusters::cluster(seed);
    let mut churn = Churn::new(generate::rng(seed));
    let mut compiled = Compiled::new(cluster.clone());
    let mut agents: Vec<Agent> = cluster
        .nodes
        .iter()
        .map(|node| Agent {
            name: node.name.clone(),
            program: compile(&compiled, None, &node.name, &options),
            addresses: Addresses::of(&cluster),
            epoch: 1,
            marks: BTreeMap::new(),
        })
        .collect();
    let mut live: BTreeSet<Connection> = BTreeSet::new();
    let mut pods_once: BTreeSet<IpAddr> = BTreeSet::new();
    let mut history = Vec::new();
    for step in 0..steps {
        if step > 0 {
            history.push(churn.step(&mut cluster, |_| false));
            fill(&mut cluster, step);
            compiled = Compiled::new(cluster.clone());
            agents.iter_mut().for_each(|agent| agent.update(&compiled, &options, seen));
        }
        pods_once.extend(cluster.pods.iter().flat_map(|pod| pod.addresses.iter().copied()));
        for flow in clusters::flows(seed * 1000 + step as u64, &cluster, 30) {
            let ends = address_of(&cluster, &flow.from, flow.family).zip(address_of(
                &cluster,
                &flow.to,
                flow.family,
            ));
            if let Some((from, to)) = ends.filter(|(from, to)| from != to) {
                live.insert(Connection { from, to, protocol: flow.protocol, port: flow.port });
            }
        }
        for connection in &live {
            judge(seed, connection, &compiled, &mut agents, &pods_once, &history, seen);
        }
    }
}

/// Sends a packet of a connection everywhere that it is looked at.
fn judge(
    seed: u64,
    connection: &Connection,
    compiled: &Compiled,
    agents: &mut [Agent],
    pods_once: &BTreeSet<IpAddr>,
    history: &[String],
    seen: &mut Seen,
) {
    let cluster = compiled.cluster();
    let shared = |address: &IpAddr| {
        cluster.pods.iter().filter(|pod| !pod.host_network && pod.addresses.contains(address)).count() > 1
    };
    // An address that is nobody's now leads nowhere.
    let nobody = |address: &IpAddr| pods_once.contains(address) && owner(cluster, *address).is_none();
    if [connection.from, connection.to].iter().any(|address| shared(address) || nobody(address)) {
        return;
    }
    let end = |address| owner(cluster, address).map_or(Endpoint::Address(address), Endpoint::Pod);
    let flow = Flow {
        from: end(connection.from),
        to: end(connection.to),
        family: Family::of(connection.from),
        protocol: connection.protocol,
        port: connection.port,
        request: None,
    };
    let verdict = compiled.enforced(&flow, View::default());
    let node = |address| owner(cluster, address).and_then(|id| cluster.pod(id)?.node.clone());
    let sides = [
        (node(connection.from), verdict.egress.outcome == Outcome::Allow),
        (node(connection.to), verdict.ingress.outcome == Outcome::Allow),
    ];
    for agent in agents {
        let mine = || sides.iter().filter(|(node, _)| node.as_ref() == Some(&agent.name));
        if mine().next().is_none() {
            continue;
        }
        if mine().all(|(_, allowed)| *allowed) {
            agent.marks.insert(connection.clone(), agent.epoch);
        } else if let Some(mark) = agent.marks.remove(connection) {
            seen.cut += 1;
            assert_ne!(
                mark, agent.epoch,
                "seed {seed}: a forbidden connection goes on at {}: {flow:?}\n{history:#?}",
                agent.name
            );
        }
    }
}

/// Gives addresses to pods that have none.
fn fill(cluster: &mut Cluster, step: usize) {
    let families = cluster.families();
    let number = u8::try_from(step).unwrap();
    for pod in cluster.pods.iter_mut().filter(|pod| pod.addresses.is_empty() && !pod.host_network) {
        pod.addresses.extend(families.iter().map(|family| match family {
            Family::V4 => IpAddr::from(Ipv4Addr::new(10, 244, 9, number)),
            Family::V6 => Ipv6Addr::new(0xfd00, 0x244, 9, 0, 0, 0, 9, number.into()).into(),
        }));
    }
}

#[test]
fn what_becomes_forbidden_is_judged_again() {
    let mut seen = Seen::default();
    for seed in crate::agreement::seeds(30) {
        walk(seed, 20, &mut seen);
    }
    println!("{seen:?}");
    let Seen { quiet, judged_again, cut } = seen;
    assert!(quiet > 30 && judged_again > 100 && cut > 100, "too little happened: {seen:?}");
}
