//! `diff` as comma-separated values. In: a report. Out: one row per change, state, protocol and verdict; a state with
//! nothing allowed has one row that says so.

use std::io::{self, Write};

use ringfence_analysis::diff::{Change, End};

use super::{Report, json};
use crate::report::csv::{Row, rows};

/// Writes the report.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record([
        "change",
        "from",
        "from_kind",
        "to",
        "to_kind",
        "when",
        "protocol",
        "ports",
        "state",
        "if",
        "because",
    ])?;
    for change in &report.diff.changes {
        let (from, to) = (end(report, &change.from), end(report, &change.to));
        for (when, permit) in [("before", &change.before), ("after", &change.after)] {
            let because = because(change, when);
            let mut rows = rows(permit, "allow");
            if rows.is_empty() {
                rows.push(Row {
                    protocol: "",
                    ports: String::new(),
                    state: "deny",
                    condition: String::new(),
                });
            }
            for Row { protocol, ports, state, condition } in rows {
                let change = json::kind(change.kind);
                let (from, to) = ([&from.0, &from.1], [&to.0, &to.1]);
                let end = [when, protocol, &ports, state, &condition, &because];
                let ends = from.into_iter().chain(to).map(String::as_str);
                writer.write_record([change].into_iter().chain(ends).chain(end))?;
            }
        }
    }
    writer.flush()
}

/// The reasons of one state.
fn because(change: &Change, when: &str) -> String {
    let reasons = change.because.iter().filter(|because| because.state.as_str() == when).map(|because| {
        let place = because.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        format!("{}: {}{place}", because.direction.as_str(), because.what.words())
    });
    reasons.collect::<Vec<_>>().join("; ")
}

/// Name and kind of an end.
fn end(report: &Report, end: &End) -> (String, String) {
    match end {
        End::Workload(at) => report.diff.workloads.get(*at).map_or_else(Default::default, |key| {
            (format!("{}/{}", key.namespace, key.name), key.kind.to_string())
        }),
        End::Outside(addresses) => {
            let ranges: Vec<String> = addresses.ranges().map(|range| range.to_string()).collect();
            (ranges.join(" "), "external".to_owned())
        }
    }
}
