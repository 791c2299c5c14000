//! `lab` as JUnit XML. In: a report. Out: a suite for every source, a case for every destination that was tried from it; and
//! the suites of a matrix, if there is one.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use ringfence_lab::trial::Tried;

use super::{LabReport, grid::State};
use crate::report::test;

/// Writes the report.
pub(super) fn write(report: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut xml = Report::new("ringfence");
    if let Some(tested) = report.tested {
        xml.add_test_suites(test::junit::suites(tested));
    }
    let mut differ: BTreeMap<(usize, usize), Vec<&Tried>> = BTreeMap::new();
    for tried in report.outcomes.disagreements() {
        if let (Some(from), Some(to)) = (report.ends.source(tried), report.ends.target(tried)) {
            differ.entry((from, to)).or_default().push(tried);
        }
    }
    let mut suite: Option<(usize, TestSuite)> = None;
    for (from, to, cell) in report.grid.cells() {
        if suite.as_ref().is_none_or(|(at, _)| *at != from) {
            xml.add_test_suites(suite.take().map(|(_, done)| done));
        }
        let status = match (cell.state(), differ.get(&(from, to))) {
            (State::Undecided, _) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message("no packet decides it");
                status
            }
            (_, Some(tried)) => failure(report, tried),
            (_, None) => TestCaseStatus::success(),
        };
        let (source, target) = (report.ends.name(from), report.ends.name(to));
        let mut case = TestCase::new(format!("{source} -> {target}"), status);
        case.set_classname("ringfence.lab");
        suite.get_or_insert_with(|| (from, TestSuite::new(source))).1.add_test_case(case);
    }
    xml.add_test_suites(suite.map(|(_, done)| done));
    let text = xml.to_string().map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

fn failure(report: &LabReport<'_>, tried: &[&Tried]) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(format!("kernel and engine disagree on {}", tried.len()));
    let told = tried.iter().map(|one| {
        let mut lines = vec![
            report.trial(one),
            format!("  engine: {} ({})", LabReport::engine(one), report.reasons(one).join("; ")),
            format!("  kernel: {}", report.kernel(one)),
        ];
        lines.extend(LabReport::logged(one).into_iter().map(|rule| format!("  rule: {rule}")));
        lines.extend(report.places(one).into_iter().map(|place| format!("  {place}")));
        lines.join("\n")
    });
    status.set_description(told.collect::<Vec<_>>().join("\n"));
    status
}
