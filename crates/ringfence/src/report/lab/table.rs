//! The grid as a table of short texts. In: a report. Out: numbered labels, and rows of cells: a sign for every pair of units,
//! or, if there are too many of them, the open pairs of every two namespaces.

use std::collections::BTreeMap;

use super::{LabReport, grid::State};

/// More units than this are summed up by namespace.
const MOST_UNITS: usize = 40;

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableCell {
    /// A sign, or numbers.
    pub(super) text: String,
    /// What it says.
    pub(super) state: State,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The names; rows and columns are positions in this list.
    pub(super) labels: Vec<String>,
    /// The columns.
    pub(super) columns: Vec<usize>,
    /// The rows, each with a cell for every column.
    pub(super) rows: Vec<(usize, Vec<TableCell>)>,
    /// Whether the labels are namespaces.
    pub(super) summed: bool,
}

impl Table {
    /// The table of a report.
    pub(super) fn of(report: &LabReport<'_>) -> Self {
        let units = report.ends.shown();
        if is_summed(report) { by_namespace(report, units) } else { by_unit(report, units) }
    }
}

/// Whether there are too many units to list them one by one.
pub(super) fn is_summed(report: &LabReport<'_>) -> bool {
    report.ends.shown() > MOST_UNITS
}

/// The part of the legend that a table needs.
pub(super) fn shown(table: &Table) -> impl Iterator<Item = (State, &'static str)> {
    let has = |state| table.rows.iter().flat_map(|(_, cells)| cells).any(|cell| cell.state == state);
    let signs = !table.summed;
    State::LEGEND.into_iter().filter(move |(state, _)| signs && has(*state))
}

fn by_unit(report: &LabReport<'_>, units: usize) -> Table {
    let label = |unit: &super::ends::Unit| match unit.members {
        0 | 1 => unit.name.clone(),
        _ if unit.name.ends_with(')') => unit.name.clone(),
        members => format!("{} x{members}", unit.name),
    };
    let columns: Vec<usize> = report.grid.targets().into_iter().filter(|at| *at < units).collect();
    let cell = |from: usize, to: usize| {
        let state = report.grid.state(from, to);
        TableCell { text: state.sign().to_string(), state }
    };
    let row = |from: usize| (from, columns.iter().map(|to| cell(from, *to)).collect());
    Table {
        labels: report.ends.units.iter().take(units).map(label).collect(),
        rows: report.grid.sources().into_iter().map(row).collect(),
        columns,
        summed: false,
    }
}

/// What was tried between two namespaces.
#[derive(Clone, Copy, Default)]
struct Sum {
    open: usize,
    tried: usize,
    differ: bool,
}

fn by_namespace(report: &LabReport<'_>, units: usize) -> Table {
    let mut labels: Vec<String> = Vec::new();
    let groups: Vec<usize> = report
        .ends
        .units
        .iter()
        .take(units)
        .map(|unit| {
            labels.iter().position(|label| **label == *unit.group).unwrap_or_else(|| {
                labels.push(unit.group.to_string());
                labels.len() - 1
            })
        })
        .collect();
    let mut sums: BTreeMap<(usize, usize), Sum> = BTreeMap::new();
    for (from, to, cell) in report.grid.cells() {
        let (Some(from), Some(to)) = (groups.get(from), groups.get(to)) else { continue };
        let sum = sums.entry((*from, *to)).or_default();
        sum.tried += 1;
        sum.open += usize::from(cell.is_open());
        sum.differ |= cell.state() == State::Differs;
    }
    let mut columns: Vec<usize> = sums.keys().map(|(_, to)| *to).collect();
    columns.sort_unstable();
    columns.dedup();
    let mut sources: Vec<usize> = sums.keys().map(|(from, _)| *from).collect();
    sources.dedup();
    let cell = |from: usize, to: usize| {
        let Some(sum) = sums.get(&(from, to)) else {
            return TableCell { text: String::new(), state: State::Untried };
        };
        let state = match sum {
            Sum { differ: true, .. } => State::Differs,
            Sum { open: 0, .. } => State::None,
            Sum { open, tried, .. } if open == tried => State::All,
            Sum { .. } => State::Some,
        };
        let mark = if sum.differ { "!" } else { "" };
        TableCell { text: format!("{}/{}{mark}", sum.open, sum.tried), state }
    };
    let row = |from: usize| (from, columns.iter().map(|to| cell(from, *to)).collect());
    let rows = sources.into_iter().map(row).collect();
    Table { labels, columns, rows, summed: true }
}
