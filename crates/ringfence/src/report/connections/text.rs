//! `connections` for people. In: a report. Out: aligned text, 80 columns wide where names allow.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use anstyle::{AnsiColor, Style};
use ringfence_model::{cluster::Cluster, network_policy::NetworkPeer, tier::TierPeer};

use super::{
    Report,
    blocks::{self, Blocks},
};
use crate::report::{
    layout::{WIDTH, beside, pad, wrap},
    words::count,
};
use ringfence_analysis::connections::By;

const HEADING: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const DOUBT: Style = AnsiColor::Yellow.on_default();

/// The left column is no wider than this.
const WIDEST_LEFT: usize = 44;

/// Writes the report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Blocks { blocks, connections } = blocks::of(report);
    let denied = report.listing.view.denied;
    let arrow = if denied { "-x" } else { "->" };
    let lines = || blocks.iter().flat_map(|block| &block.lines);
    let widest = lines().flat_map(|line| &line.targets).map(|target| target.width()).max();
    let left = (widest.unwrap_or(0) + 1).clamp(20, WIDEST_LEFT);
    let right = WIDTH - left - 7;
    for block in &blocks {
        for line in wrap(&block.sources, WIDTH) {
            writeln!(out, "{HEADING}{line}{HEADING:#}")?;
        }
        for line in &block.lines {
            let mut mark = arrow;
            for (target, ports) in beside(wrap(&line.targets, left), wrap(&line.facts.ports, right)) {
                let doubt = ports.trim_end_matches(',').ends_with("unknown");
                let style = if doubt { DOUBT } else { Style::new() };
                if ports.is_empty() {
                    writeln!(out, "  {FAINT}{mark}{FAINT:#} {target}")?;
                } else {
                    writeln!(
                        out,
                        "  {FAINT}{mark}{FAINT:#} {}  {style}{ports}{style:#}",
                        pad(&target, left)
                    )?;
                }
                mark = "  ";
            }
        }
        writeln!(out)?;
    }
    if !report.entries.is_empty() {
        write_entries(report, out)?;
    }
    let things = if report.by == By::Pod { "pod" } else { "workload" };
    let what = if denied { "denied connection" } else { "connection" };
    let units = report.listing.map.units().len();
    writeln!(out, "{} ({} in the input)", count(connections, what), count(units, things))?;
    if lines().flat_map(|line| &line.facts.ports).any(|ports| ports.ends_with("unknown")) {
        writeln!(
            out,
            "{FAINT}unknown: a fact is missing, such as the address or the node of a pod{FAINT:#}"
        )?;
    }
    if let Some(assumption) = assumption(report.listing.map.cluster()) {
        for line in wrap(&assumption, WIDTH) {
            writeln!(out, "{FAINT}{line}{FAINT:#}")?;
        }
    }
    Ok(())
}

fn write_entries(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let names = blocks::names(report);
    writeln!(out, "{HEADING}Entry points{HEADING:#}")?;
    for entry in &report.entries {
        let (title, leads) = blocks::entry(entry, &names);
        writeln!(out, "  {title}")?;
        for (destination, gate) in leads {
            if destination.width().max(WIDEST_LEFT) + gate.width() + 6 <= WIDTH {
                writeln!(out, "    {}  {gate}", pad(&destination, WIDEST_LEFT))?;
            } else {
                writeln!(out, "    {destination}\n        {gate}")?;
            }
        }
    }
    writeln!(out)
}

/// What was assumed about the addresses of pods, if any policy looks at addresses.
fn assumption(cluster: &Cluster) -> Option<Vec<String>> {
    let unknown =
        cluster.pods.iter().any(|pod| !pod.finished && !pod.host_network && pod.addresses.is_empty());
    if !unknown || !cluster.pod_networks().is_empty() {
        return None;
    }
    let rules =
        cluster.network_policies.iter().flat_map(|policy| policy.ingress.iter().chain(&policy.egress));
    let by_block = rules.flat_map(|rule| &rule.peers).any(|peer| matches!(peer, NetworkPeer::IpBlock { .. }));
    let tiers = cluster.tier_policies.iter().flat_map(|policy| &policy.egress);
    let by_network = tiers.flat_map(|rule| &rule.peers).any(|peer| matches!(peer, TierPeer::Networks(..)));
    let pieces = [
        "Assumed: pods whose address the input does not show have a private one (RFC 1918",
        "RFC 4193); --pod-cidr narrows that",
    ];
    (by_block || by_network).then(|| pieces.map(str::to_owned).to_vec())
}
