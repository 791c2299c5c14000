//! `connections` as a graph. In: a report. Out: namespaces, workloads, the outside, and edges between them; where a
//! whole namespace has the same edge, one for all; what an open workload may do anyway is a mark instead of edges.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use ringfence_analysis::connections::{
    By, End, Listing,
    permits::{denied, of as of_protocol},
};
use ringfence_model::{
    address::{Family, IpSet},
    port::{PortSet, Protocol},
};
use ringfence_policy::permit::Permit;

use super::{Report, blocks};
use crate::report::{
    blocks::Names,
    graph::{Anchor, Edge, Graph, Node, Place, Tone},
    words::{self, OutsideWords, count},
};

/// So few exceptions are listed.
const MOST_EXCEPTIONS: usize = 6;

/// So few ports of a protocol may be closed at what counts as open.
const FEW_PORTS: usize = 16;

/// The graph of a report.
pub(super) fn of(report: &Report<'_>) -> Graph {
    let names = blocks::names(report);
    let outside_words = OutsideWords::of(report.listing.map.cluster());
    let found = Found::of(&report.listing);
    let open = Open::of(&found, report);
    let mut making = Making {
        names: &names,
        words: &outside_words,
        report,
        graph: Graph::default(),
        units: BTreeMap::new(),
    };
    let view = &report.listing.view;
    if !view.external {
        for at in (0..report.listing.map.units().len()).filter(|at| view.from.has(*at) && view.to.has(*at)) {
            making.unit(at, &open);
        }
    }
    let mut exceptions: BTreeSet<String> = BTreeSet::new();
    let mut unknown = 0;
    for ((from, to), permit) in &found.inside {
        let ends = (making.unit(*from, &open), making.unit(*to, &open));
        if from != to && open.out.contains(from) && open.into.contains(to) {
            exceptions.extend(exception(permit, names.name(*to)));
        } else if only_unknown(permit) {
            unknown += 1;
        } else {
            making.edge(ends.0, ends.1, permit);
        }
    }
    for (outside, unit, permit) in &found.incoming {
        let to = making.unit(*unit, &open);
        if open.into.contains(unit) {
            exceptions.extend(
                exception(permit, &outside_words.say(outside).join(", "))
                    .map(|words| format!("{words} as a source")),
            );
        } else if only_unknown(permit) {
            unknown += 1;
        } else {
            let from = making.outside(outside, Place::Before);
            making.edge(from, to, permit);
        }
    }
    for (unit, outside, permit) in &found.outgoing {
        let from = making.unit(*unit, &open);
        if open.out.contains(unit) {
            exceptions.extend(exception(permit, &outside_words.say(outside).join(", ")));
        } else if only_unknown(permit) {
            unknown += 1;
        } else {
            let to = making.outside(outside, Place::After);
            making.edge(from, to, permit);
        }
    }
    let mut graph = making.graph;
    graph.gather();
    if !exceptions.is_empty() {
        let more = exceptions.len().saturating_sub(MOST_EXCEPTIONS);
        let mut listed: Vec<String> = exceptions.into_iter().take(MOST_EXCEPTIONS).collect();
        listed.extend((more > 0).then(|| format!("{more} more")));
        graph.notes.push(format!("Exceptions from the marks: {}.", listed.join("; ")));
    }
    if unknown > 0 {
        let depend = if unknown == 1 { "depends" } else { "depend" };
        graph.notes.push(format!(
            "Not drawn: {} that {depend} on facts which the input does not show.",
            count(unknown, "connection")
        ));
    }
    let connections = found.inside.len() + found.incoming.len() + found.outgoing.len();
    let what = if view.denied { "denied connection" } else { "connection" };
    let units =
        count(report.listing.map.units().len(), if report.by == By::Pod { "pod" } else { "workload" });
    graph.notes.push(format!("{} ({units} in the input).", count(connections, what)));
    graph
}

fn only_unknown(permit: &Permit) -> bool {
    permit.allowed.is_empty() && permit.conditional.is_empty()
}

/// Whether a permit opens all ports but a few.
fn nearly_all(permit: &Permit) -> bool {
    Protocol::WITH_PORTS.into_iter().all(|protocol| {
        let closed = PortSet::all().difference(&of_protocol(&permit.allowed, protocol));
        closed.ranges().iter().map(|(first, last)| usize::from(last - first) + 1).sum::<usize>() <= FEW_PORTS
    })
}

/// What a permit that opens nearly all ports does not open.
fn exception(permit: &Permit, end: &str) -> Option<String> {
    let closed = denied(permit);
    let mut words: Vec<String> = Vec::new();
    words.extend((!closed.is_empty()).then(|| format!("not {}", words::ports(&closed).join(", "))));
    let rest = Permit { allowed: Vec::new(), ..permit.clone() };
    words.extend(words::permit(&rest));
    (!words.is_empty()).then(|| format!("{end} {}", words.join(", ")))
}

/// The units that are open in a direction: they have all of the internet, and each other, on nearly all ports.
#[derive(Default)]
struct Open {
    into: BTreeSet<usize>,
    out: BTreeSet<usize>,
}

impl Open {
    fn of(found: &Found, report: &Report<'_>) -> Self {
        let map = &report.listing.map;
        let view = &report.listing.view;
        if view.denied || view.ports.is_some() {
            return Self::default();
        }
        let cluster = map.cluster();
        let internet =
            Family::BOTH.into_iter().fold(IpSet::empty(), |set, family| set.union(&cluster.internet(family)));
        let whole = |(unit, addresses): (usize, IpSet)| {
            let space = map.units().get(unit).map(|unit| map.outside_space(unit.class)).unwrap_or_default();
            addresses.contains_set(&internet.intersection(&space)).then_some(unit)
        };
        let gather = |ends: Vec<(usize, &IpSet)>| {
            let mut all: BTreeMap<usize, IpSet> = BTreeMap::new();
            for (unit, addresses) in ends {
                let set = all.entry(unit).or_default();
                *set = set.union(addresses);
            }
            all.into_iter().filter_map(whole).collect::<BTreeSet<usize>>()
        };
        let incoming = found.incoming.iter().filter(|(.., permit)| nearly_all(permit));
        let outgoing = found.outgoing.iter().filter(|(.., permit)| nearly_all(permit));
        let mut open = Self {
            into: gather(incoming.map(|(addresses, unit, _)| (*unit, addresses)).collect()),
            out: gather(outgoing.map(|(unit, addresses, _)| (*unit, addresses)).collect()),
        };
        let workload = |unit: usize| map.units().get(unit).map(|unit| unit.workload);
        let all = |from: usize, to: usize| {
            workload(from) == workload(to) || found.inside.get(&(from, to)).is_some_and(nearly_all)
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
    words: &'a OutsideWords,
    report: &'a Report<'a>,
    graph: Graph,
    units: BTreeMap<usize, usize>,
}

impl Making<'_> {
    fn unit(&mut self, unit: usize, open: &Open) -> usize {
        if let Some(node) = self.units.get(&unit) {
            return *node;
        }
        let group = self.graph.group(Place::Inside, self.names.namespace(unit));
        let (name, detail) = self.names.short(unit);
        let entry = self.entry(unit);
        let (open_in, open_out) = (open.into.contains(&unit), open.out.contains(&unit));
        let node = self.graph.node(Node { group, name, detail, entry, open_in, open_out });
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
        self.graph.outside(place, self.words.say(addresses).join(", "))
    }

    fn edge(&mut self, from: usize, to: usize, permit: &Permit) {
        let label = words::permit(permit);
        self.graph.edges.push(Edge {
            from: Anchor::Node(from),
            to: Anchor::Node(to),
            label,
            tone: Tone::Plain,
        });
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
