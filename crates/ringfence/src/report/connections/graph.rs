//! `connections` as a graph. In: a report. Out: namespaces, workloads, the outside, and edges between them; where a
//! whole namespace has the same edge, one for all; what an open workload may do anyway is a mark instead of edges.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use ringfence_analysis::connections::{By, End, Listing};
use ringfence_model::address::IpSet;
use ringfence_policy::permit::Permit;

use super::{Report, blocks::Names};
use crate::report::{
    graph::{Anchor, Edge, Graph, Group, Node, Place, Tone},
    words::{self, count},
};

/// The graph of a report.
pub(super) fn of(report: &Report<'_>) -> Graph {
    let names = Names::of(report);
    let found = Found::of(&report.listing);
    let open = Open::of(&found, report);
    let mut making = Making {
        names: &names,
        report,
        graph: Graph::default(),
        units: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    let view = &report.listing.view;
    if !view.external {
        for at in (0..report.listing.map.units().len()).filter(|at| view.from.has(*at) && view.to.has(*at)) {
            making.unit(at, &open);
        }
    }
    for ((from, to), permit) in &found.inside {
        let ends = (making.unit(*from, &open), making.unit(*to, &open));
        if from == to || !(open.out.contains(from) && open.into.contains(to) && *permit == Permit::all()) {
            making.edge(ends.0, ends.1, permit);
        }
    }
    for (outside, unit, permit) in &found.incoming {
        let to = making.unit(*unit, &open);
        if !open.into.contains(unit) {
            let from = making.outside(outside, Place::Before);
            making.edge(from, to, permit);
        }
    }
    for (unit, outside, permit) in &found.outgoing {
        let from = making.unit(*unit, &open);
        if !open.out.contains(unit) {
            let to = making.outside(outside, Place::After);
            making.edge(from, to, permit);
        }
    }
    let mut graph = making.graph;
    graph.gather();
    let connections = found.inside.len() + found.incoming.len() + found.outgoing.len();
    let what = if view.denied { "denied connection" } else { "connection" };
    let units =
        count(report.listing.map.units().len(), if report.by == By::Pod { "pod" } else { "workload" });
    graph.notes.push(format!("{} ({units} in the input).", count(connections, what)));
    graph
}

/// The units that are open in a direction: they have everything outside, and each other, on all ports.
struct Open {
    into: BTreeSet<usize>,
    out: BTreeSet<usize>,
}

impl Open {
    fn of(found: &Found, report: &Report<'_>) -> Self {
        let whole = |unit: usize, addresses: &IpSet, permit: &Permit| {
            let map = &report.listing.map;
            let class = map.units().get(unit).map(|unit| unit.class);
            *permit == Permit::all() && class.is_some_and(|class| *addresses == map.outside_space(class))
        };
        let incoming =
            found.incoming.iter().filter(|(addresses, unit, permit)| whole(*unit, addresses, permit));
        let outgoing =
            found.outgoing.iter().filter(|(unit, addresses, permit)| whole(*unit, addresses, permit));
        let mut open = Self {
            into: incoming.map(|(_, unit, _)| *unit).collect(),
            out: outgoing.map(|(unit, ..)| *unit).collect(),
        };
        let workload = |unit: usize| report.listing.map.units().get(unit).map(|unit| unit.workload);
        let all = |from: usize, to: usize| {
            workload(from) == workload(to)
                || found.inside.get(&(from, to)).is_some_and(|permit| *permit == Permit::all())
        };
        let out = std::mem::take(&mut open.out);
        open.out = out.into_iter().filter(|from| open.into.iter().all(|to| all(*from, *to))).collect();
        let into = std::mem::take(&mut open.into);
        open.into = into.into_iter().filter(|to| open.out.iter().all(|from| all(*from, *to))).collect();
        open
    }
}

/// A graph that is being made.
struct Making<'a> {
    names: &'a Names,
    report: &'a Report<'a>,
    graph: Graph,
    units: BTreeMap<usize, usize>,
    groups: BTreeMap<(Place, String), usize>,
}

impl Making<'_> {
    fn group(&mut self, place: Place, name: &str) -> usize {
        let groups = &mut self.graph.groups;
        *self.groups.entry((place, name.to_owned())).or_insert_with(|| {
            groups.push(Group { name: name.to_owned(), place, within: Vec::new() });
            groups.len() - 1
        })
    }

    fn unit(&mut self, unit: usize, open: &Open) -> usize {
        if let Some(node) = self.units.get(&unit) {
            return *node;
        }
        let namespace = self.names.namespace(unit).to_owned();
        let group = self.group(Place::Inside, &namespace);
        let full = self.names.name(unit);
        let name = full.strip_prefix(&format!("{namespace}/")).unwrap_or(full).to_owned();
        let detail = if name.ends_with(')') { String::new() } else { self.names.kind(unit).to_owned() };
        let entry = self.entry(unit);
        let (open_in, open_out) = (open.into.contains(&unit), open.out.contains(&unit));
        self.graph.nodes.push(Node { group, name, detail, entry, open_in, open_out });
        let node = self.graph.nodes.len() - 1;
        self.units.insert(unit, node);
        node
    }

    /// The entry points that lead to a unit.
    fn entry(&self, unit: usize) -> Option<String> {
        let mut words: Vec<String> = Vec::new();
        for entry in &self.report.entries {
            let ports: Vec<String> = entry
                .leads
                .iter()
                .filter(|lead| lead.unit == unit)
                .map(|lead| lead.port.unwrap_or(lead.target).to_string())
                .collect();
            if ports.is_empty() {
                continue;
            }
            let what = match entry.hosts.first() {
                Some(host) => format!("{} {host}", entry.kind),
                None => format!("{} {}", entry.kind, ports.join(", ")),
            };
            if !words.contains(&what) {
                words.push(what);
            }
        }
        (!words.is_empty()).then(|| words.join("; "))
    }

    fn outside(&mut self, addresses: &IpSet, place: Place) -> usize {
        let group = self.group(place, "Outside the cluster");
        let name = self.names.outside(addresses);
        let known = self.graph.nodes.iter().position(|node| node.group == group && node.name == name);
        known.unwrap_or_else(|| {
            self.graph.nodes.push(Node { group, name, ..Node::default() });
            self.graph.nodes.len() - 1
        })
    }

    fn edge(&mut self, from: usize, to: usize, permit: &Permit) {
        let only_unknown = permit.allowed.is_empty() && permit.conditional.is_empty();
        let tone = if only_unknown { Tone::Unknown } else { Tone::Plain };
        let label = words::permit(permit);
        self.graph.edges.push(Edge { from: Anchor::Node(from), to: Anchor::Node(to), label, tone });
    }
}

/// All connections of a report.
#[derive(Default)]
struct Found {
    inside: BTreeMap<(usize, usize), Permit>,
    incoming: Vec<(IpSet, usize, Permit)>,
    outgoing: Vec<(usize, IpSet, Permit)>,
}

impl Found {
    fn of(listing: &Listing<'_>) -> Self {
        let mut found = Self::default();
        let Ok(()) = listing.each::<Infallible>(|from, to, permit| {
            match (from, to) {
                (End::Unit(from), End::Unit(to)) => {
                    found.inside.insert((from, to), permit.clone());
                }
                (End::Outside(addresses), End::Unit(to)) => {
                    found.incoming.push((addresses.clone(), to, permit.clone()));
                }
                (End::Unit(from), End::Outside(addresses)) => {
                    found.outgoing.push((from, addresses.clone(), permit.clone()));
                }
                (End::Outside(_), End::Outside(_)) => {}
            }
            Ok(())
        });
        found
    }
}
