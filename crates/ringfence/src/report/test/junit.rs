//! `test` as JUnit XML. In: a judged matrix. Out: a suite for each table, a case for each row.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use ringfence_analysis::matrix::Finding;

use super::{Tested, explanation};

/// Writes the report.
pub(crate) fn write(tested: &Tested<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut report = Report::new("ringfence");
    report.add_test_suites(suites(tested));
    let xml = report.to_string().map_err(io::Error::other)?;
    out.write_all(xml.as_bytes())
}

/// A suite for each table, and one for what is wrong with the file.
pub(crate) fn suites(tested: &Tested<'_>) -> Vec<TestSuite> {
    let mut suites: Vec<(usize, TestSuite)> = Vec::new();
    for row in tested.rows() {
        let status = match row.finding {
            Finding::Judged(judged) if judged.pass => TestCaseStatus::success(),
            Finding::Judged(judged) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(row.complaint());
                status.set_description(explanation(judged, row.stories, tested.cluster));
                status
            }
            Finding::Undecided { why, .. } => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(why.as_str());
                status
            }
            Finding::Unreadable(_) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
                status.set_message(row.complaint());
                status
            }
        };
        let mut case = TestCase::new(row.title(), status);
        case.set_classname(tested.name);
        case.extra.insert("file".into(), tested.name.into());
        case.extra.insert("line".into(), row.row.line.to_string().into());
        match suites.iter_mut().find(|(table, _)| *table == row.table_number) {
            Some((_, suite)) => {
                suite.add_test_case(case);
            }
            None => {
                let mut suite = TestSuite::new(row.table.heading.as_deref().unwrap_or(tested.name));
                suite.add_test_case(case);
                suites.push((row.table_number, suite));
            }
        }
    }
    let mut suites: Vec<TestSuite> = suites.into_iter().map(|(_, suite)| suite).collect();
    if !tested.matrix.faults.is_empty() {
        let mut suite = TestSuite::new(tested.name);
        for fault in &tested.matrix.faults {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(fault.problem.message.as_str());
            let mut case = TestCase::new(format!("line {}", fault.line), status);
            case.set_classname(tested.name);
            suite.add_test_case(case);
        }
        suites.push(suite);
    }
    suites
}
