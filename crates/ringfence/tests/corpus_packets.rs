//! The corpus on packets: every section of every file of tests/corpus is brought up as a lab, and every row is asked of the
//! kernel. In: the same files as `corpus`. Out: for each section, whether the kernel does with every connection that a row
//! stands for what the engine says, for the reason that the engine gives, and whether each row that packets can decide comes
//! out as written.
//!
//! The process enters namespaces of its own before any thread starts, so this is a test program with its own `main`. Where
//! namespaces are forbidden the tests are skipped, unless `CI` is set: then they fail.

mod sections;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use libtest_mimic::{Arguments, Failed};
use ringfence_analysis::matrix::{self, Expect, Finding, Matrix, Row};
use ringfence_lab::{
    judge, namespace, plan,
    run::{Running, Settings},
    trial::{Kernel, Outcomes, Tried},
};
use ringfence_model::{cluster::Cluster, flow::Endpoint, verdict::Outcome};
use sections::Section;

/// Rows that come out otherwise on packets, and why: file and section, the row's first four cells, the reason.
const OTHERWISE: &[(&str, &str, &str)] = &[(
    "semantics/host-network.md :: Their named ports are their own",
    "x/app | sys/agent | 9100 | allow",
    "packets show the address of the node that a host-network pod runs on, and an address has no named ports",
)];

/// What all sections together came to.
static TOTAL: Mutex<Total> = Mutex::new(Total::new());

/// What sections came to.
struct Total {
    sections: usize,
    packets: usize,
    rows: usize,
    /// Rows that packets decided, as the corpus says.
    decided: usize,
    /// Rows that no packet can decide (in part), by reason.
    undecided: BTreeMap<String, usize>,
    /// Rows about missing facts and conditions: the kernel is only compared with the engine.
    other: usize,
    probing: Duration,
}

impl Total {
    const fn new() -> Self {
        Self {
            sections: 0,
            packets: 0,
            rows: 0,
            decided: 0,
            undecided: BTreeMap::new(),
            other: 0,
            probing: Duration::ZERO,
        }
    }
}

#[expect(clippy::print_stderr, reason = "says what the tests have covered, which a harness cannot")]
fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = sections::trials(check);
    if !arguments.list
        && let Err(error) = namespace::enter()
    {
        eprintln!("no packet can be sent: {error}");
        let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
        if ci || !error.is_forbidden() {
            return 1.into();
        }
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let total = TOTAL.lock().unwrap_or_else(PoisonError::into_inner);
    if total.sections > 0 {
        let Total { sections, packets, rows, decided, other, probing, .. } = &*total;
        eprintln!("{sections} sections, {packets} packets in {probing:.1?}");
        let undecided: usize = total.undecided.values().sum();
        eprintln!(
            "{rows} rows: {decided} decided by packets, {other} about what packets do not show, {undecided} undecided:"
        );
        for (why, count) in &total.undecided {
            eprintln!("  {count} x {why}");
        }
        for (place, row, why) in OTHERWISE {
            eprintln!("  otherwise: {place}: | {row} |: {why}");
        }
    }
    conclusion.exit_code()
}

/// Brings the section up and lets packets answer all rows.
fn check(name: &str, text: &str, section: &Section) -> Result<(), Failed> {
    let matrix = section.matrix(text);
    let cluster = section.read(name, text).cluster;
    let (addresses, names) = judge::mentioned(&matrix, &cluster, None);
    let plan = plan::Options { addresses, names, ..plan::Options::default() };
    let mut running = Running::start(&cluster, Settings { plan, ..Settings::default() }, &|_| ())?;
    let (report, outcomes) = judge::matrix(&mut running, &matrix, None, &|_| ())?;
    let mut failures = String::new();
    packets(&outcomes, running.lab().cluster(), &mut failures);
    let mut total = TOTAL.lock().unwrap_or_else(PoisonError::into_inner);
    total.sections += 1;
    total.packets += outcomes.tried.len();
    total.probing += outcomes.probing;
    rows(&matrix, &report, (name, &section.title), &mut total, &mut failures);
    if failures.is_empty() { Ok(()) } else { Err(failures.into()) }
}

/// Compares every packet with the engine.
fn packets(outcomes: &Outcomes, cluster: &Cluster, failures: &mut String) {
    if outcomes.lost_records > 0 {
        let _ = writeln!(failures, "{} records of the logs were lost", outcomes.lost_records);
    }
    let end = |end: &Endpoint| match end {
        Endpoint::Pod(id) => cluster
            .pod(*id)
            .map_or_else(|| "no pod".to_owned(), |pod| format!("{}/{}", pod.namespace, pod.name)),
        Endpoint::Address(address) => address.to_string(),
        Endpoint::Name(name) => name.to_string(),
    };
    let called = |tried: &Tried| {
        let Some(flow) = tried.trial.flow() else { return format!("{:?}", tried.trial) };
        let (from, to) = (end(&flow.from), end(&flow.to));
        format!("{from} -> {to} {}/{} {}", flow.port, flow.protocol, flow.family.as_str())
    };
    for tried in outcomes.disagreements() {
        let engine = tried.trial.expected.outcome().map_or("either", Outcome::as_str);
        let kernel = match &tried.kernel {
            Kernel::Denied(how) | Kernel::Undecided(how) => format!(" ({how})"),
            Kernel::Allowed(_) => String::new(),
        };
        let found = tried.kernel.as_str();
        let _ = writeln!(failures, "{}: engine {engine}, kernel {found}{kernel}", called(tried));
    }
    for tried in &outcomes.tried {
        if let Some(denial) = tried.misnamed() {
            let _ = writeln!(failures, "{}: the log of {} says {}", called(tried), denial.node, denial.rule);
        }
    }
}

/// Whether a row is known to come out otherwise.
fn is_otherwise(section: &str, row: &Row) -> bool {
    let cells = row.cells.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(" | ");
    OTHERWISE.iter().any(|(place, known, _)| *place == section && *known == cells)
}

/// Compares every row with what it expects, as far as packets can tell.
fn rows(
    matrix: &Matrix,
    report: &matrix::Report,
    (name, section): (&str, &str),
    total: &mut Total,
    failures: &mut String,
) {
    for (table, findings) in matrix.tables.iter().zip(&report.findings) {
        for (row, finding) in table.rows.iter().zip(findings) {
            total.rows += 1;
            let (judged, case) = match (finding, &row.case) {
                (Finding::Judged(judged), Ok(case)) => (judged, case),
                (Finding::Undecided { why, .. }, _) => {
                    *total.undecided.entry(why.clone()).or_default() += 1;
                    continue;
                }
                _ => {
                    let _ = writeln!(failures, "{name}:{}: the row cannot be judged", row.line);
                    continue;
                }
            };
            if !matches!(case.expect, Expect::Allow | Expect::Deny | Expect::Mixed) {
                total.other += 1;
            } else if judged.pass != is_otherwise(&format!("{name} :: {section}"), row) {
                total.decided += 1;
            } else {
                let (verdict, cells) = (judged.verdict(), row.cells.join(" | "));
                let _ = writeln!(
                    failures,
                    "{name}:{}: packets say {verdict}, but the row says | {cells} |",
                    row.line
                );
            }
        }
    }
}
