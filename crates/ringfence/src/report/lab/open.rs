//! What is open. In: a report. Out: for every destination its open ports, each with the sources that get in, those of one
//! namespace together where all of them do.

use std::collections::BTreeMap;

use ringfence_model::Text;

use super::{
    LabReport,
    grid::{Way, ports_text},
};
use crate::report::words::count;

/// More sources than this that get in on every port are counted: the grid shows them.
const MOST_SOURCES: usize = 6;

/// One way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The ports in pieces.
    pub(super) ports: Vec<String>,
    /// Whether it is open to or from some of the replicas, nodes or families only.
    pub(super) partly: bool,
    /// Who gets in.
    pub(super) sources: Vec<String>,
}

/// Destinations that are open in the same ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    /// The destinations.
    pub(super) to: Vec<String>,
    /// The ways in.
    pub(super) lines: Vec<Line>,
}

/// All ways in, by destination.
pub(super) fn open(report: &LabReport<'_>) -> Vec<Open> {
    let mut found: Vec<Open> = Vec::new();
    for to in report.grid.targets() {
        let tried = report.grid.tried_from(to);
        let line = |way: Way| {
            let every = way.ports.is_empty();
            let mut ports = if every { "every probed port".to_owned() } else { ports_text(&way.ports) };
            if way.partly {
                ports.push_str(" *");
            }
            let mut sources = together(report, &way.sources, &tried);
            if every && sources.len() > MOST_SOURCES {
                sources = vec![format!("{} (# in the grid)", count(way.sources.len(), "source"))];
            }
            Line { ports: ports.split(", ").map(str::to_owned).collect(), partly: way.partly, sources }
        };
        let lines: Vec<Line> = report.grid.ways(to).into_iter().map(line).collect();
        if lines.is_empty() {
            continue;
        }
        let name = report.ends.name(to).to_owned();
        match found.last_mut() {
            Some(last) if last.lines == lines => last.to.push(name),
            _ => found.push(Open { to: vec![name], lines }),
        }
    }
    found
}

/// Names of sources: `everyone`, `shop/*` or one by one.
fn together(report: &LabReport<'_>, sources: &[usize], tried: &[usize]) -> Vec<String> {
    if sources == tried && sources.len() > 1 {
        return vec!["everyone".to_owned()];
    }
    let group = |at: &usize| report.ends.units.get(*at).map(|unit| unit.group.clone());
    let mut all: BTreeMap<Text, usize> = BTreeMap::new();
    for name in tried.iter().filter_map(group) {
        *all.entry(name).or_default() += 1;
    }
    let mut names: Vec<String> = Vec::new();
    for at in sources {
        let Some(name) = group(at) else { continue };
        let here = sources.iter().filter(|other| group(other).as_ref() == Some(&name)).count();
        let whole = here > 1 && all.get(&name) == Some(&here);
        let name = match &*name {
            "nodes" if whole => "every node".to_owned(),
            "outside" if whole => "outside".to_owned(),
            namespace if whole => format!("{namespace}/*"),
            _ => report.ends.name(*at).to_owned(),
        };
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    names
}
