//! What `diff` found, in every format. In: changes. Out: text for people, programs, or drawings.

mod csv;
mod graph;
mod json;
mod md;
mod text;

use std::{
    io::{self, Write},
    sync::Arc,
};

use ringfence_analysis::diff::{Because, Change, Diff, End, Kind, What};
use ringfence_model::cluster::Cluster;
use ringfence_policy::permit::Permit;
use rustc_hash::FxHashMap;

use crate::{
    args::diff::Format,
    report::{
        blocks::{Block, Facts, Gathering, Lines, Named, Names},
        graph as drawing,
        words::{self, OutsideWords},
    },
};

/// What the formats print.
pub(crate) struct Report {
    diff: Diff,
    names: Names,
    outside: OutsideWords,
}

impl Report {
    /// A report of changes; addresses are put into words as the new state sees them.
    pub(crate) fn new(diff: Diff, new: &Cluster) -> Self {
        let names = Names::of(diff.workloads.iter().map(|key| Named {
            namespace: key.namespace.to_string(),
            name: format!("{}/{}", key.namespace, key.name),
            kind: key.kind.to_string(),
        }));
        Self { diff, names, outside: OutsideWords::of(new) }
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Change> {
        self.diff.changes.iter().filter(move |change| change.kind == kind)
    }

    /// The changes of a kind in blocks.
    fn blocks(&self, kind: Kind) -> Vec<Block> {
        let mut gathering = Gathering::new(&self.names);
        let changes: Vec<&Change> = self.of_kind(kind).collect();
        for run in changes.chunk_by(|a, b| a.from == b.from) {
            let Some(first) = run.first() else { continue };
            let mut lines = Lines::default();
            // Many changes share what there is to say, and saying it takes longer than knowing that.
            let mut said: FxHashMap<[*const (); 3], usize> = FxHashMap::default();
            for change in run {
                let shared = [
                    Arc::as_ptr(&change.before).cast(),
                    Arc::as_ptr(&change.after).cast(),
                    Arc::as_ptr(&change.because).cast(),
                ];
                let slot = *said.entry(shared).or_insert_with(|| {
                    let facts = facts(change);
                    lines.slot(if self.is_long() { Facts { why: Vec::new(), ..facts } } else { facts })
                });
                match &change.to {
                    End::Workload(to) => lines.inside(slot, *to),
                    End::Outside(addresses) => lines.outside(slot, self.outside.say(addresses)),
                }
            }
            match &first.from {
                End::Workload(from) => gathering.add_unit(*from, lines),
                End::Outside(addresses) => gathering.add_outside(&self.outside.say(addresses), lines),
            }
        }
        gathering.finish()
    }

    /// Whether there are so many changes that people cannot read the reasons of all: their places differ, and nothing
    /// could be summed up.
    fn is_long(&self) -> bool {
        const LONG: usize = 2000;
        self.diff.changes.len() > LONG
    }

    /// `2 connections opened, 1 cut, 0 changed`.
    fn summary(&self) -> String {
        if self.diff.changes.is_empty() {
            return "no connection differs".to_owned();
        }
        let opened = self.of_kind(Kind::Opened).count();
        let (cut, changed) = (self.of_kind(Kind::Cut).count(), self.of_kind(Kind::Changed).count());
        let without = if self.is_long() { " (too many to list the reasons here)" } else { "" };
        format!("{} opened, {cut} cut, {changed} changed{without}", words::count(opened, "connection"))
    }

    /// The labels of some workloads.
    fn labels(&self, workloads: &[usize]) -> Vec<String> {
        workloads.iter().map(|at| self.names.label(*at)).collect()
    }
}

/// The headings of the kinds of changes, and the marks of their lines.
const KINDS: [(Kind, &str, &str); 3] =
    [(Kind::Opened, "Opened", "+"), (Kind::Cut, "Cut", "-"), (Kind::Changed, "Changed", "~")];

/// Writes the report.
///
/// # Errors
/// If writing fails.
pub(crate) fn write(report: &Report, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => text::write(report, out),
        Format::Md => md::write(report, out),
        Format::Json => json::write(report, out),
        Format::Csv => csv::write(report, out),
        Format::Dot => out.write_all(drawing::dot::render(&graph::of(report)).as_bytes()),
        Format::Svg => out.write_all(drawing::svg::render(&graph::of(report)).as_bytes()),
    }
}

fn facts(change: &Change) -> Facts {
    let telling = change.because.iter().filter(|because| is_telling(because, &change.because));
    Facts { ports: ports(change), why: telling.map(reason).collect() }
}

/// Whether a reason says what changed. Where a rule came or went, the policies that isolate have been there all the
/// time; where a policy that isolates came or went, that nothing isolates in the other state goes without saying. The
/// formats for programs have all reasons.
fn is_telling(because: &Because, all: &[Because]) -> bool {
    let other = |wanted: fn(&What) -> bool| {
        all.iter().any(|other| {
            other.direction == because.direction && other.state != because.state && wanted(&other.what)
        })
    };
    match because.what {
        What::Isolates(_) => !other(|what| matches!(what, What::Allows(_))),
        What::NotIsolated => !other(|what| matches!(what, What::Isolates(_) | What::Denies(_))),
        What::Allows(_) | What::Denies(_) | What::Unknown => true,
    }
}

/// What changed about the ports: only one state if there is nothing in the other.
fn ports(change: &Change) -> Vec<String> {
    let Change { before, after, .. } = change;
    if before.is_empty() {
        words::permit(after)
    } else if after.is_empty() {
        words::permit(before)
    } else {
        let joined = |permit: &Permit| words::permit(permit).join(" and ");
        vec![format!("was {}", joined(before)), format!("is {}", joined(after))]
    }
}

/// `before, ingress: NetworkPolicy shop/default-deny isolates (policies/shop.yaml:12)`.
fn reason(because: &Because) -> String {
    let Because { state, direction, what, place } = because;
    let place = place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
    format!("{}, {}: {}{place}", state.as_str(), direction.as_str(), what.words())
}
