//! `check` as JUnit XML. In: a report. Out: a suite for each file with findings, a case for each finding, failed where the
//! finding is bad enough to fail; one case that passed where there is nothing.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use super::{Hidden, Place, Report, Reported};

/// Writes the report.
pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut cases: Vec<(&Reported<'_>, Option<&Hidden<'_>>)> = Vec::new();
    cases.extend(report.findings.iter().map(|reported| (reported, None)));
    cases.extend(report.hidden.iter().map(|(reported, reason)| (reported, Some(reason))));
    cases.sort_by_key(|(reported, _)| (reported.finding.origin, reported.finding.rule.code));
    let mut suites: Vec<TestSuite> = Vec::new();
    for (reported, hidden) in cases {
        let Place { file, start, .. } = report.place(reported.finding.origin);
        let name = if file.is_empty() { "the input as a whole" } else { file };
        let mut case = TestCase::new(
            format!("{} (line {})", reported.title(), start.line),
            status(report, reported, hidden),
        );
        case.set_classname(name);
        case.extra.insert("file".into(), name.into());
        case.extra.insert("line".into(), start.line.to_string().into());
        match suites.last_mut().filter(|suite| suite.name.as_str() == name) {
            Some(suite) => {
                suite.add_test_case(case);
            }
            None => {
                let mut suite = TestSuite::new(name);
                suite.add_test_case(case);
                suites.push(suite);
            }
        }
    }
    if !report.problems.is_empty() {
        suites.push(unreadable(report));
    }
    if suites.is_empty() {
        let mut suite = TestSuite::new("ringfence check");
        suite.add_test_case(TestCase::new(report.summary(), TestCaseStatus::success()));
        suites.push(suite);
    }
    let mut junit = Junit::new("ringfence check");
    junit.add_test_suites(suites);
    out.write_all(junit.to_string().map_err(io::Error::other)?.as_bytes())
}

fn status(report: &Report<'_>, reported: &Reported<'_>, hidden: Option<&Hidden<'_>>) -> TestCaseStatus {
    let finding = reported.finding;
    match hidden {
        Some(Hidden::Suppressed(reason)) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(match reason.text.as_str() {
                "" => format!("{} (suppressed)", finding.message),
                reason => format!("{} (suppressed: {reason})", finding.message),
            });
            status
        }
        Some(Hidden::Baseline) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("{} (in the baseline)", finding.message));
            status
        }
        None if report.fails(finding) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(plain(&finding.message));
            status.set_type(finding.severity.as_str());
            status.set_description(plain(&reported.told()));
            status
        }
        None => {
            // A finding that does not fail the run must not fail a pipeline that counts failures.
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("{}: {}", finding.severity, finding.message));
            status.set_description(plain(&reported.told()));
            status
        }
    }
}

/// A text without tabs, which the format leaves out.
fn plain(text: &str) -> String {
    text.replace('\t', " ")
}

/// What could not be read.
fn unreadable(report: &Report<'_>) -> TestSuite {
    let mut suite = TestSuite::new("what could not be read");
    for problem in report.problems {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(problem.message.as_str());
        suite.add_test_case(TestCase::new(problem.code, status));
    }
    suite
}
