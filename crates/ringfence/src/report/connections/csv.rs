//! `connections` as comma-separated values, for a spreadsheet. In: a report. Out: one row per connection, protocol and
//! state; columns are added at the end only.

use std::io::{self, Write};

use ringfence_analysis::connections::{By, End};

use super::Report;
use crate::report::{
    csv::{Row, rows},
    json,
};

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
    let open = if report.listing.view.denied { "deny" } else { "allow" };
    report.listing.each::<io::Error>(|from, to, permit| {
        let (from, to) = (End3::of(report, from), End3::of(report, to));
        for Row { protocol, ports, state, condition } in rows(permit, open) {
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
