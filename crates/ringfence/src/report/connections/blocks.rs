//! Connections in a form that people can read: sources that may do the same share a block, destinations that are
//! reached alike share a line, a whole namespace is one name. In: a report. Out: blocks of short texts.

use std::{collections::BTreeMap, convert::Infallible};

use ringfence_analysis::connections::{
    End,
    entries::{Access, Entry, Gate, Lead},
};
use ringfence_model::address::IpSet;
use rustc_hash::FxHashMap;

use super::Report;
use crate::report::words::{self, OutsideWords};

/// More destinations than this that are reached alike share a line.
const MOST_ALONE: usize = 3;

/// Some sources that may all do the same.
pub(super) struct Block {
    /// Who, each with its kind.
    pub(super) sources: Vec<String>,
    /// What they may do.
    pub(super) lines: Vec<Line>,
}

/// Some destinations that are reached alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Line {
    /// To whom.
    pub(super) targets: Vec<String>,
    /// On which ports.
    pub(super) ports: Vec<String>,
}

/// The blocks of a report, and how many connections they stand for.
pub(super) struct Blocks {
    /// By their first source; from outside last.
    pub(super) blocks: Vec<Block>,
    /// How many connections there are.
    pub(super) connections: usize,
}

/// Makes the blocks of a report.
pub(super) fn of(report: &Report<'_>) -> Blocks {
    let names = Names::of(report);
    let mut gathering = Gathering { names: &names, blocks: Vec::new(), known: FxHashMap::default() };
    let mut connections = 0;
    let mut source: Option<usize> = None;
    let mut lines: Lines = Lines::default();
    let mut from_outside: BTreeMap<IpSet, Lines> = BTreeMap::new();
    let Ok(()) = report.listing.each::<Infallible>(|from, to, permit| {
        connections += 1;
        let ports = words::permit(permit);
        match (from, to) {
            (End::Unit(from), to) => {
                if source.is_some_and(|known| known != from) {
                    gathering.add(source, names.label(source), std::mem::take(&mut lines));
                }
                source = Some(from);
                match to {
                    End::Unit(to) => lines.inside(ports, to),
                    End::Outside(addresses) => lines.outside(ports, names.outside.say(addresses)),
                }
            }
            (End::Outside(addresses), End::Unit(to)) => {
                from_outside.entry(addresses.clone()).or_default().inside(ports, to);
            }
            (End::Outside(_), End::Outside(_)) => {}
        }
        Ok(())
    });
    gathering.add(source, names.label(source), lines);
    // The widest first: `outside` before single addresses.
    let mut from_outside: Vec<(IpSet, Lines)> = from_outside.into_iter().collect();
    from_outside.sort_by_cached_key(|(addresses, _)| addresses.ranges().next());
    for (addresses, lines) in from_outside {
        gathering.add(None, names.outside.say(&addresses).join(", "), lines);
    }
    Blocks { blocks: gathering.blocks, connections }
}

/// What one source may do, by ports.
#[derive(Default)]
struct Lines(Vec<(Vec<String>, Vec<usize>, Vec<String>)>);

impl Lines {
    fn of(&mut self, ports: Vec<String>) -> Option<&mut (Vec<String>, Vec<usize>, Vec<String>)> {
        let at = match self.0.iter().position(|(known, ..)| *known == ports) {
            Some(at) => at,
            None => {
                self.0.push((ports, Vec::new(), Vec::new()));
                self.0.len() - 1
            }
        };
        self.0.get_mut(at)
    }

    fn inside(&mut self, ports: Vec<String>, unit: usize) {
        if let Some((_, units, _)) = self.of(ports) {
            units.push(unit);
        }
    }

    fn outside(&mut self, ports: Vec<String>, words: Vec<String>) {
        if let Some((.., outside)) = self.of(ports) {
            outside.extend(words);
        }
    }
}

/// Blocks so far, and where each set of lines is.
struct Gathering<'a> {
    names: &'a Names,
    blocks: Vec<Block>,
    known: FxHashMap<Vec<Line>, usize>,
}

impl Gathering<'_> {
    fn add(&mut self, source: Option<usize>, label: String, lines: Lines) {
        let mut out: Vec<Line> = Vec::new();
        for (ports, units, outside) in lines.0 {
            let mut targets = self.names.collapse(&units, source);
            targets.extend(outside);
            if targets.len() > MOST_ALONE {
                out.push(Line { targets, ports });
            } else {
                out.extend(
                    targets.into_iter().map(|target| Line { targets: vec![target], ports: ports.clone() }),
                );
            }
        }
        if out.is_empty() {
            return;
        }
        match self.known.get(&out) {
            Some(at) => {
                if let Some(block) = self.blocks.get_mut(*at) {
                    block.sources.push(label);
                }
            }
            None => {
                self.known.insert(out.clone(), self.blocks.len());
                self.blocks.push(Block { sources: vec![label], lines: out });
            }
        }
    }
}

/// How the ends of a report are called.
pub(super) struct Names {
    names: Vec<String>,
    kinds: Vec<String>,
    namespaces: Vec<String>,
    /// The units of each namespace.
    members: BTreeMap<String, Vec<usize>>,
    outside: OutsideWords,
}

impl Names {
    /// Of a report's units. A name that two kinds bear is followed by its kind.
    pub(super) fn of(report: &Report<'_>) -> Self {
        let map = &report.listing.map;
        let cluster = map.cluster();
        let mut names: Vec<String> = map.units().iter().map(|unit| unit.name(cluster)).collect();
        let workload = |at: usize| map.units().get(at).and_then(|unit| cluster.workload(unit.workload));
        let kinds: Vec<String> = (0..names.len())
            .map(|at| workload(at).map(|workload| workload.kind.as_str().to_owned()).unwrap_or_default())
            .collect();
        let namespaces: Vec<String> = (0..names.len())
            .map(|at| workload(at).map(|workload| workload.namespace.to_string()).unwrap_or_default())
            .collect();
        let mut times: FxHashMap<String, usize> = FxHashMap::default();
        for name in &names {
            *times.entry(name.clone()).or_default() += 1;
        }
        for (name, kind) in names.iter_mut().zip(&kinds) {
            if times.get(name).is_some_and(|times| *times > 1) {
                *name = format!("{name} ({kind})");
            }
        }
        let mut members: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, namespace) in namespaces.iter().enumerate() {
            members.entry(namespace.clone()).or_default().push(at);
        }
        Self { names, kinds, namespaces, members, outside: OutsideWords::of(cluster) }
    }

    /// The name of a unit.
    pub(super) fn name(&self, unit: usize) -> &str {
        self.names.get(unit).map_or("", String::as_str)
    }

    /// The namespace of a unit.
    pub(super) fn namespace(&self, unit: usize) -> &str {
        self.namespaces.get(unit).map_or("", String::as_str)
    }

    /// The kind of a unit.
    pub(super) fn kind(&self, unit: usize) -> &str {
        self.kinds.get(unit).map_or("", String::as_str)
    }

    /// The units of a namespace.
    pub(super) fn members(&self, namespace: &str) -> &[usize] {
        self.members.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// Addresses outside in words.
    pub(super) fn outside(&self, addresses: &IpSet) -> String {
        self.outside.say(addresses).join(", ")
    }

    /// The name of a source, with its kind.
    fn label(&self, unit: Option<usize>) -> String {
        let Some(unit) = unit else { return String::new() };
        let (name, kind) = (self.name(unit), self.kind(unit));
        if name.ends_with(')') { name.to_owned() } else { format!("{name} ({kind})") }
    }

    /// The names of some units, ascending; `namespace/*` for all of a namespace, the source itself not counted.
    fn collapse(&self, units: &[usize], source: Option<usize>) -> Vec<String> {
        let mut names = Vec::new();
        let mut rest = units;
        while let Some(first) = rest.first() {
            let namespace = self.namespace(*first);
            let length = rest.iter().take_while(|unit| self.namespace(**unit) == namespace).count();
            let (here, after) = rest.split_at(length);
            rest = after;
            let others = self.members(namespace).iter().filter(|unit| Some(**unit) != source).count();
            let itself = here.iter().any(|unit| Some(*unit) == source);
            if others > 1 && here.len() == others + usize::from(itself) {
                names.push(format!("{namespace}/*"));
            } else {
                let name = |unit: &usize| {
                    if Some(*unit) == source {
                        "other replicas of itself".to_owned()
                    } else {
                        self.name(*unit).to_owned()
                    }
                };
                names.extend(here.iter().map(name));
            }
        }
        names
    }
}

/// An entry: what it is called, and where it leads: destination, and who gets through.
pub(super) fn entry(entry: &Entry, names: &Names) -> (String, Vec<(String, String)>) {
    let mut title = match entry.kind {
        "LoadBalancer" | "NodePort" => format!("Service {}/{} ({})", entry.namespace, entry.name, entry.kind),
        kind => format!("{kind} {}/{}", entry.namespace, entry.name),
    };
    if !entry.hosts.is_empty() {
        let hosts: Vec<&str> = entry.hosts.iter().map(|host| &**host).collect();
        title = format!("{title} for {}", hosts.join(", "));
    }
    let leads = entry.leads.iter().map(|lead| (destination(lead, names), gate(lead, names)));
    (title, leads.collect())
}

fn destination(lead: &Lead, names: &Names) -> String {
    let target = format!("{} {} {}", names.name(lead.unit), lead.protocol, lead.target);
    match (lead.port, lead.node_port) {
        (Some(port), Some(node_port)) => format!("{port} (node port {node_port}) -> {target}"),
        (Some(port), None) => format!("{port} -> {target}"),
        (None, _) => format!("-> {target}"),
    }
}

fn gate(lead: &Lead, names: &Names) -> String {
    match &lead.gate {
        Gate::Internet(access) => match access {
            Access::Allow => "open to the internet",
            Access::AllowIf => "open to the internet, under conditions",
            Access::Part => "open to some addresses",
            Access::Unknown => "not known",
            Access::Deny => "closed to the internet by policy",
        }
        .to_owned(),
        Gate::Units(units) if units.is_empty() => {
            "no workload with a door to the outside gets through".to_owned()
        }
        Gate::Units(units) => {
            let through: Vec<String> = units
                .iter()
                .map(|(unit, access)| match access {
                    Access::Allow => names.name(*unit).to_owned(),
                    Access::AllowIf => format!("{} (under conditions)", names.name(*unit)),
                    _ => format!("{} (not known)", names.name(*unit)),
                })
                .collect();
            format!("open to {}", through.join(", "))
        }
    }
}
