//! `diff` as a graph. In: a report. Out: the ends of the connections that changed, opened ones in green, cut ones
//! dashed in red.

use std::collections::BTreeMap;

use ringfence_analysis::diff::{End, Kind};

use super::{Report, ports};
use crate::report::graph::{Anchor, Edge, Graph, Node, Place, Tone};

/// The graph of a report.
pub(super) fn of(report: &Report) -> Graph {
    let mut making = Making { report, graph: Graph::default(), workloads: BTreeMap::new() };
    let ends = report.diff.changes.iter().flat_map(|change| [&change.from, &change.to]);
    let ends = ends.filter_map(|end| match end {
        End::Workload(at) => Some(*at),
        End::Outside(_) => None,
    });
    let mut touched: Vec<usize> =
        ends.chain(report.diff.added.iter().copied()).chain(report.diff.removed.iter().copied()).collect();
    touched.sort_unstable();
    touched.dedup();
    for at in touched {
        making.workload(at);
    }
    for change in &report.diff.changes {
        let (from, to) = (making.end(&change.from, Place::Before), making.end(&change.to, Place::After));
        let tone = match change.kind {
            Kind::Opened => Tone::Opened,
            Kind::Cut => Tone::Cut,
            Kind::Changed => Tone::Changed,
        };
        let (from, to) = (Anchor::Node(from), Anchor::Node(to));
        making.graph.edges.push(Edge { from, to, label: ports(change), tone });
    }
    let mut graph = making.graph;
    graph.gather();
    graph.notes.push("Green: opened. Red and dashed: cut. Amber: changed.".to_owned());
    graph.notes.push(format!("{}.", report.summary()));
    graph
}

/// A graph that is being made.
struct Making<'a> {
    report: &'a Report,
    graph: Graph,
    workloads: BTreeMap<usize, usize>,
}

impl Making<'_> {
    fn workload(&mut self, at: usize) -> usize {
        if let Some(node) = self.workloads.get(&at) {
            return *node;
        }
        let report = self.report;
        let group = self.graph.group(Place::Inside, report.names.namespace(at));
        let (name, detail) = report.names.short(at);
        let state = if report.diff.added.contains(&at) {
            Some("new".to_owned())
        } else {
            report.diff.removed.contains(&at).then(|| "removed".to_owned())
        };
        let node = self.graph.node(Node { group, name, detail, entry: state, ..Node::default() });
        self.workloads.insert(at, node);
        node
    }

    fn end(&mut self, end: &End, place: Place) -> usize {
        match end {
            End::Workload(at) => self.workload(*at),
            End::Outside(addresses) => {
                self.graph.outside(place, self.report.outside.say(addresses).join(", "))
            }
        }
    }
}
