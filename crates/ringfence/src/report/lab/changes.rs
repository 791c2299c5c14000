//! What a change of the manifests opens and cuts. In: what packets found before and after. Out: connections by workload.

use std::collections::BTreeMap;

use ringfence_lab::trial::{Kernel, Outcomes, Target};
use ringfence_model::{cluster::Cluster, flow::Endpoint, port::Protocol};

use super::grid::port_text;

/// What packets found: for every connection between workloads how many trials got through, and whether all did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    connections: BTreeMap<(String, String, Protocol, u16), Passed>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Passed {
    some: bool,
    all: bool,
}

/// A connection that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Whether it opened; otherwise it was cut.
    pub(crate) opened: bool,
    /// `shop/web -> shop/api 8000/TCP`, and whether it is so of some replicas, nodes or families only.
    pub(crate) text: String,
}

impl Found {
    /// Of the trials of a completed cluster.
    pub(crate) fn of(outcomes: &Outcomes, cluster: &Cluster) -> Self {
        let mut found = Self::default();
        for one in &outcomes.tried {
            let trial = &one.trial;
            // A Service answers by a backend taken at random: its backends, one by one, tell more.
            let Target::End(to) = &trial.to else { continue };
            let allowed = match one.kernel {
                Kernel::Allowed(_) => true,
                Kernel::Denied(_) => false,
                Kernel::Undecided(_) => continue,
            };
            let key = (name(&trial.from, cluster), name(to, cluster), trial.protocol, trial.port);
            let passed = found.connections.entry(key).or_insert(Passed { some: false, all: true });
            passed.some |= allowed;
            passed.all &= allowed;
        }
        found
    }

    /// What is not as it was in an earlier state, what opened first. Connections of which only one state knows count as
    /// cut in the other: a pod that is new, a port that nobody had.
    pub(crate) fn since(&self, earlier: &Self) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        let nothing = Passed::default();
        for (key, now) in &self.connections {
            let before = earlier.connections.get(key).unwrap_or(&nothing);
            let (opened, cut) = (
                now.some && !before.some || now.all && !before.all,
                before.some && !now.some || before.all && !now.all,
            );
            if opened || cut {
                let partly = now.some && !now.all;
                changes.push(Change { opened: opened && !cut, text: text(key, partly) });
            }
        }
        let gone = earlier
            .connections
            .iter()
            .filter(|(key, before)| before.some && !self.connections.contains_key(*key));
        changes.extend(gone.map(|(key, _)| Change { opened: false, text: text(key, false) }));
        changes.sort_by_key(|change| !change.opened);
        changes
    }
}

fn text((from, to, protocol, port): &(String, String, Protocol, u16), partly: bool) -> String {
    let partly = if partly { " (not every replica, node or address family)" } else { "" };
    format!("{from} -> {to} {}{partly}", port_text(*protocol, *port))
}

fn name(end: &Endpoint, cluster: &Cluster) -> String {
    match end {
        Endpoint::Pod(id) => {
            let workload = cluster.pod(*id).and_then(|pod| cluster.workload(pod.workload));
            workload.map_or_else(String::new, |workload| format!("{}/{}", workload.namespace, workload.name))
        }
        Endpoint::Address(address) => match cluster.node_of_address(*address) {
            Some(node) => format!("node {}", node.name),
            None => address.to_string(),
        },
        Endpoint::Name(name) => name.to_string(),
    }
}
