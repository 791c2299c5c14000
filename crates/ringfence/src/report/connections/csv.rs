//! `connections` as comma-separated values, for a spreadsheet. In: a report. Out: one row per connection, protocol and
//! state; columns are added at the end only.

use std::io::{self, Write};

use ringfence_analysis::connections::{By, End};
use ringfence_model::port::PortSet;
use ringfence_policy::permit::Permit;

use super::Report;
use crate::report::{json, words};

/// Writes the report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let by_pod = report.by == By::Pod;
    if by_pod {
        writer.write_record([
            "from",
            "from_kind",
            "to",
            "to_kind",
            "protocol",
            "ports",
            "state",
            "if",
            "from_pod",
            "to_pod",
        ])?;
    } else {
        writer.write_record(["from", "from_kind", "to", "to_kind", "protocol", "ports", "state", "if"])?;
    }
    report.listing.each::<io::Error>(|from, to, permit| {
        let (from, to) = (End3::of(report, from), End3::of(report, to));
        for (protocol, ports, state, condition) in rows(permit, report.listing.view.denied) {
            let row = [&from.name, &from.kind, &to.name, &to.kind, protocol, &ports, state, &condition];
            if by_pod {
                writer.write_record(row.into_iter().chain([from.pod.as_str(), to.pod.as_str()]))?;
            } else {
                writer.write_record(row)?;
            }
        }
        Ok(())
    })?;
    writer.flush()
}

/// Name, kind and pod of an end.
struct End3 {
    name: String,
    kind: String,
    pod: String,
}

impl End3 {
    fn of(report: &Report<'_>, end: End<'_>) -> Self {
        let cluster = report.listing.map.cluster();
        match end {
            End::Unit(at) => report.listing.map.units().get(at).map_or_else(
                || Self { name: String::new(), kind: String::new(), pod: String::new() },
                |unit| {
                    let (name, kind) = json::workload(unit, cluster);
                    Self { name, kind, pod: unit.name(cluster) }
                },
            ),
            End::Outside(addresses) => {
                let ranges: Vec<String> = addresses.ranges().map(|range| range.to_string()).collect();
                Self { name: ranges.join(" "), kind: "external".to_owned(), pod: String::new() }
            }
        }
    }
}

/// Protocol, ports, state and condition of each part of a permit.
pub(in crate::report) fn rows(
    permit: &Permit,
    denied: bool,
) -> Vec<(&'static str, String, &'static str, String)> {
    let open = if denied { "deny" } else { "allow" };
    let mut rows = Vec::new();
    for (protocol, ports) in &permit.allowed {
        rows.push((protocol.as_str(), numbers(ports), open, String::new()));
    }
    for entry in &permit.conditional {
        rows.push((entry.protocol.as_str(), numbers(&entry.ports), "allow-if", words::conditions(entry)));
    }
    for (protocol, ports) in &permit.maybe {
        rows.push((protocol.as_str(), numbers(ports), "unknown", String::new()));
    }
    rows
}

fn numbers(ports: &PortSet) -> String {
    if ports.is_all() { "1-65535".to_owned() } else { ports.to_string().replace(',', " ") }
}
