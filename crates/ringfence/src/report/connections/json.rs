//! `connections` as JSON, version 1. In: a report. Out: one object; `connections` may be large and is made and written
//! in pieces, on all cores.

use std::{
    io::{self, Write},
    sync::OnceLock,
};

use rayon::prelude::*;
use ringfence_analysis::connections::{
    Targets, Unit,
    entries::{Entry, Gate},
};
use ringfence_model::verdict::Direction;
use ringfence_policy::permit::Permit;
use serde::Serialize;

use super::Report;
use crate::report::json::{self, End, append};

/// Sources whose rows are made before they are written.
const BATCH: usize = 64;

#[derive(Serialize)]
struct Endpoint {
    name: String,
    kind: String,
    pods: Vec<String>,
    #[serde(rename = "entryPoints", skip_serializing_if = "Vec::is_empty")]
    entry_points: Vec<EntryPoint>,
}

#[derive(Serialize)]
struct EntryPoint {
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<String>,
    protocol: &'static str,
    /// The port on the pods.
    port: u16,
    #[serde(rename = "servicePort", skip_serializing_if = "Option::is_none")]
    service_port: Option<u16>,
    #[serde(rename = "nodePort", skip_serializing_if = "Option::is_none")]
    node_port: Option<u16>,
    /// Whether policy lets the internet in.
    #[serde(skip_serializing_if = "Option::is_none")]
    internet: Option<&'static str>,
    /// The workloads with a door to the outside that policy lets in.
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<Vec<Through>>,
}

#[derive(Serialize)]
struct Through {
    workload: String,
    kind: String,
    verdict: &'static str,
}

/// Writes the report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"{\"version\":1,\"endpoints\":[")?;
    let mut first = true;
    let mut buffer = Vec::new();
    for endpoint in endpoints(report) {
        out.write_all(if first { b"\n" } else { b",\n" })?;
        first = false;
        buffer.clear();
        append(&mut buffer, &endpoint);
        out.write_all(&buffer)?;
    }
    out.write_all(b"\n],\"connections\":[")?;
    Rows::of(report).write(out)?;
    out.write_all(b"\n]}\n")
}

/// The workloads of a report, each once, also if it lists pods.
fn endpoints(report: &Report<'_>) -> Vec<Endpoint> {
    let map = &report.listing.map;
    let cluster = map.cluster();
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut last = None;
    for (at, unit) in map.units().iter().enumerate() {
        let pods = unit.pods.iter().filter_map(|pod| cluster.pod(*pod)).filter(|pod| !pod.stand_in);
        let pods = pods.map(|pod| format!("{}/{}", pod.namespace, pod.name));
        if last.replace(unit.workload) != Some(unit.workload) {
            let (name, kind) = json::workload(unit, cluster);
            endpoints.push(Endpoint { name, kind, pods: Vec::new(), entry_points: Vec::new() });
        }
        if let Some(endpoint) = endpoints.last_mut() {
            endpoint.pods.extend(pods);
            for entry in &report.entries {
                endpoint.entry_points.extend(entry_points(report, entry, at));
            }
        }
    }
    for endpoint in &mut endpoints {
        endpoint.pods.sort();
    }
    endpoints
}

fn entry_points<'a>(
    report: &'a Report<'_>,
    entry: &'a Entry,
    unit: usize,
) -> impl Iterator<Item = EntryPoint> + 'a {
    let map = &report.listing.map;
    entry.leads.iter().filter(move |lead| lead.unit == unit).map(move |lead| {
        let (internet, through) = match &lead.gate {
            Gate::Internet(access) => (Some(access.as_str()), None),
            Gate::Units(units) => {
                let units = units.iter().filter_map(|(at, access)| {
                    let (workload, kind) = json::workload(map.units().get(*at)?, map.cluster());
                    Some(Through { workload, kind, verdict: access.as_str() })
                });
                (None, Some(units.collect()))
            }
        };
        EntryPoint {
            kind: entry.kind,
            name: format!("{}/{}", entry.namespace, entry.name),
            hosts: entry.hosts.iter().map(ToString::to_string).collect(),
            protocol: lead.protocol.as_str(),
            port: lead.target,
            service_port: lead.port,
            node_port: lead.node_port,
            internet,
            through,
        }
    })
}

/// The connections, in pieces.
struct Rows<'r, 'a> {
    report: &'r Report<'a>,
    /// Each unit as an end.
    ends: Vec<Vec<u8>>,
    /// What classes of several units may open.
    shared: Vec<OnceLock<Row>>,
}

/// What the units of a class may open, with its permits as text.
struct Row {
    targets: Targets,
    permits: Vec<Vec<u8>>,
    outside: Vec<Vec<u8>>,
}

impl<'r, 'a> Rows<'r, 'a> {
    fn of(report: &'r Report<'a>) -> Self {
        let map = &report.listing.map;
        let end = |unit: &Unit| bytes(&End::inside(unit, map.cluster(), report.by));
        let ends = map.units().par_iter().map(end).collect();
        let shared = std::iter::repeat_with(OnceLock::new).take(map.classes()).collect();
        Self { report, ends, shared }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let listing = &self.report.listing;
        let units: Vec<usize> = (0..listing.map.units().len()).collect();
        let mut first = true;
        let mut put = |pieces: Vec<Vec<u8>>| -> io::Result<()> {
            for piece in pieces {
                // Every connection starts with a comma; the first of all must not.
                let piece = if first { piece.strip_prefix(b",").unwrap_or(&piece) } else { &piece };
                if !piece.is_empty() {
                    first = false;
                    out.write_all(piece)?;
                }
            }
            Ok(())
        };
        for batch in units.chunks(BATCH) {
            let batch = batch.par_iter().filter(|unit| listing.view.from.has(**unit));
            put(batch.map(|unit| self.opened_by(*unit)).collect())?;
        }
        for batch in units.chunks(BATCH) {
            let batch = batch.par_iter().filter(|unit| listing.view.to.has(**unit));
            put(batch.map(|unit| self.let_in_by(*unit)).collect())?;
        }
        Ok(())
    }

    fn opened_by(&self, from: usize) -> Vec<u8> {
        let map = &self.report.listing.map;
        let Some(class) = map.units().get(from).map(|unit| unit.class) else { return Vec::new() };
        let alone;
        let row = match self.shared.get(class.index()) {
            Some(shared) if map.size(class) > 1 => shared.get_or_init(|| self.row(from)),
            _ => {
                alone = self.row(from);
                &alone
            }
        };
        let mut text = Vec::new();
        let source = self.ends.get(from).map_or(&[][..], Vec::as_slice);
        self.report.listing.each_target(from, &row.targets, |to, permit| {
            if let (Some(to), Some(permit)) = (self.ends.get(to), row.permits.get(permit as usize)) {
                connection(&mut text, source, to, permit);
            }
        });
        for ((_, permit), outside) in row.targets.outside.iter().zip(&row.outside) {
            if let Some(permit) = row.permits.get(*permit as usize) {
                connection(&mut text, source, outside, permit);
            }
        }
        text
    }

    fn row(&self, unit: usize) -> Row {
        let listing = &self.report.listing;
        let targets =
            listing.map.units().get(unit).map(|unit| listing.targets(unit.class)).unwrap_or_default();
        let permits = targets.permits.iter().map(|permit| permit_text(permit, listing.view.denied)).collect();
        let outside = targets.outside.iter().map(|(addresses, _)| bytes(&End::outside(addresses))).collect();
        Row { targets, permits, outside }
    }

    fn let_in_by(&self, to: usize) -> Vec<u8> {
        let listing = &self.report.listing;
        let mut text = Vec::new();
        let (Some(unit), Some(target)) = (listing.map.units().get(to), self.ends.get(to)) else {
            return text;
        };
        for (addresses, permit) in listing.outside(unit.class, Direction::Ingress) {
            let permit = permit_text(&permit, listing.view.denied);
            connection(&mut text, &bytes(&End::outside(&addresses)), target, &permit);
        }
        text
    }
}

fn connection(text: &mut Vec<u8>, from: &[u8], to: &[u8], permit: &[u8]) {
    for part in [b",\n{\"from\":", from, b",\"to\":", to, permit, b"}"] {
        text.extend_from_slice(part);
    }
}

/// `,"allowed":[...]`, and `,"maybe":[...]` if a fact is missing; `,"denied":[...]` in a report of what is denied.
fn permit_text(permit: &Permit, denied: bool) -> Vec<u8> {
    let mut text = Vec::new();
    text.extend_from_slice(if denied { b",\"denied\":" } else { b",\"allowed\":" });
    append(&mut text, &json::allowed(permit));
    if !permit.maybe.is_empty() {
        text.extend_from_slice(b",\"maybe\":");
        append(&mut text, &json::plain(&permit.maybe));
    }
    text
}

fn bytes(value: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::new();
    append(&mut text, value);
    text
}
