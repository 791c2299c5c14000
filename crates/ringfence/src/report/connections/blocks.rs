//! `connections` in blocks, and its entry points in words. In: a report. Out: short texts.

use std::{collections::BTreeMap, convert::Infallible};

use ringfence_analysis::connections::{
    End,
    entries::{Access, Entry, Gate, Lead},
};
use ringfence_model::address::IpSet;

use super::Report;
use crate::report::{
    blocks::{Block, Facts, Gathering, Lines, Named, Names},
    words::{self, OutsideWords},
};

/// The blocks of a report, and how many connections they stand for.
pub(super) struct Blocks {
    /// By their first source; from outside last.
    pub(super) blocks: Vec<Block>,
    /// How many connections there are.
    pub(super) connections: usize,
}

/// Makes the blocks of a report.
pub(super) fn of(report: &Report<'_>) -> Blocks {
    let names = names(report);
    let outside = OutsideWords::of(report.listing.map.cluster());
    let mut gathering = Gathering::new(&names);
    let mut connections = 0;
    let mut source: Option<usize> = None;
    let mut lines = Lines::default();
    let mut from_outside: BTreeMap<IpSet, Lines> = BTreeMap::new();
    let Ok(()) = report.listing.each::<Infallible>(|from, to, permit| {
        connections += 1;
        let facts = Facts { ports: words::permit(permit), why: Vec::new() };
        match (from, to) {
            (End::Unit(from), to) => {
                if let Some(known) = source.filter(|known| *known != from) {
                    gathering.add_unit(known, std::mem::take(&mut lines));
                }
                source = Some(from);
                let slot = lines.slot(facts);
                match to {
                    End::Unit(to) => lines.inside(slot, to),
                    End::Outside(addresses) => lines.outside(slot, outside.say(addresses)),
                }
            }
            (End::Outside(addresses), End::Unit(to)) => {
                let lines = from_outside.entry(addresses.clone()).or_default();
                let slot = lines.slot(facts);
                lines.inside(slot, to);
            }
            (End::Outside(_), End::Outside(_)) => {}
        }
        Ok(())
    });
    if let Some(source) = source {
        gathering.add_unit(source, lines);
    }
    let mut from_outside: Vec<(IpSet, Lines)> = from_outside.into_iter().collect();
    from_outside.sort_by_cached_key(|(addresses, _)| addresses.ranges().next());
    for (addresses, lines) in from_outside {
        gathering.add_outside(&outside.say(&addresses), lines);
    }
    Blocks { blocks: gathering.finish(), connections }
}

/// How the ends of a report are called.
pub(super) fn names(report: &Report<'_>) -> Names {
    let map = &report.listing.map;
    let cluster = map.cluster();
    Names::of(map.units().iter().map(|unit| {
        let workload = cluster.workload(unit.workload);
        Named {
            namespace: workload.map(|workload| workload.namespace.to_string()).unwrap_or_default(),
            name: unit.name(cluster),
            kind: workload.map(|workload| workload.kind.as_str().to_owned()).unwrap_or_default(),
        }
    }))
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
