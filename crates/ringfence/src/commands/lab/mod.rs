//! `lab`. In: manifests, perhaps a matrix. Out: the cluster in network namespaces with its policies enforced, what packets find,
//! and whether the engine says the same; for labs that stay up the commands that use them.

mod builtin;
mod exec;
mod flows;
mod list;
mod progress;
mod stay;

use std::sync::Arc;

use ringfence_analysis::matrix::Matrix;
use ringfence_dataplane::compile::{self, Refusal};
use ringfence_lab::{
    control::{Board, ControlError, Directory},
    judge,
    namespace::{self, NamespaceError},
    plan,
    run::{EVERYTHING, RunError, Running, Settings},
    trial::Trial,
};
use ringfence_model::{cluster::Cluster, diagnostic::Diagnostic, origin::Origin};

use crate::{
    args::lab::{Action, BuildArgs, Format, LabArgs},
    commands::test::{self, Checked},
    context::{Context, Failure},
    exit::Exit,
    input, load, matrix_file, output,
    report::lab::{LabReport, changes::Found},
};
use progress::Progress;
use stay::Staying;

/// Builds a lab, or uses one that runs.
pub(crate) fn run(args: &LabArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.action {
        Some(Action::Exec(args)) => exec::run(args),
        Some(Action::Flows(args)) => flows::run(args, context),
        Some(Action::List(args)) => list::run(args, context),
        None => build(args, context),
    }
}

fn build(args: &LabArgs, context: &Context) -> Result<Exit, Failure> {
    // The user's directory is found before the user is root of a namespace.
    let stays = args.shell || args.watch;
    let directory = if stays { Some(Directory::of_user().map_err(|error| control(&error))?) } else { None };
    let file = args.test.as_deref().map(matrix_file::read).transpose()?;
    enter()?;
    let mut gathered = input::gather(&args.paths);
    if let Some(matrix) = &args.test {
        test::leave_out(&mut gathered, matrix);
    }
    let loaded = load::from_gathered(gathered, &args.load, context)?;
    if loaded.compiled.cluster().pods.iter().all(|pod| pod.finished) {
        // Agreement about nothing would let a pipeline pass that was given the policies alone.
        let failure = Diagnostic::error(
            "no-pods",
            Origin::NONE,
            "the input shows no pod or workload that runs: nothing can be tried",
        )
        .with_help("give the manifests of the workloads beside the policies");
        return Err(Box::new(failure));
    }
    let namespace = args.load.namespace.as_deref();
    let board = Board::default();
    let mut settings = settings(args.build, file.as_ref().map(|file| &file.matrix));
    let records = board.clone();
    settings.on_record = Some(Arc::new(move |node, record| records.record(node, record)));

    let progress = Progress::new(context);
    let tell = |at| progress.tell(at);
    let mut running =
        Running::start(loaded.compiled.cluster(), settings, &tell).map_err(|error| failure(&error))?;
    board.show(running.lab(), running.listener_names());
    let mut trials = running.trials(&running.scope());
    if let Some(file) = &file {
        add(&mut trials, of_matrix(&running, &file.matrix, namespace));
    }
    let outcomes = running.run(trials, &tell).map_err(|error| failure(&error))?;
    progress.finish();

    let cluster = running.lab().cluster();
    let checked = file.as_ref().map(|file| {
        let report = judge::report(&file.matrix, running.compiled(), namespace, &outcomes.tried);
        Checked::new(file, report, cluster)
    });
    let faulty = checked.as_ref().is_some_and(|checked| checked.show_problems(context));
    let tested = checked.as_ref().map(Checked::tested);
    let report = LabReport::new(&outcomes, cluster, tested.as_ref());
    let write = |out: &mut dyn std::io::Write| report.write(args.format, out);
    if args.format == Format::Text {
        output::styled(context, write)?;
    } else {
        output::plain(write)?;
    }
    let exit = if report.is_fine() { Exit::Fine } else { Exit::Finding };
    let exit = exit.after(loaded.failed || faulty);
    if let Some(directory) = directory {
        let found = Found::of(&outcomes, cluster);
        Staying { args, context, board: &board, progress: &progress, found }.stay(running, &directory)?;
    }
    Ok(exit)
}

/// Judges a matrix with packets of a lab that is up only for it.
pub(crate) fn test_matrix(
    matrix: &Matrix,
    cluster: &Cluster,
    namespace: Option<&str>,
    context: &Context,
) -> Result<(ringfence_analysis::matrix::Report, Cluster), Failure> {
    let progress = Progress::new(context);
    let tell = |at| progress.tell(at);
    let settings = settings(BuildArgs::default(), Some(matrix));
    let mut running = Running::start(cluster, settings, &tell).map_err(|error| failure(&error))?;
    let (report, _) =
        judge::matrix(&mut running, matrix, namespace, &tell).map_err(|error| failure(&error))?;
    progress.finish();
    Ok((report, running.lab().cluster().clone()))
}

/// Leaves the machine's network; to be done before anything starts a thread.
pub(crate) fn enter() -> Result<(), Failure> {
    namespace::enter().map(drop).map_err(|error| namespaces(&error))
}

fn of_matrix(running: &Running, matrix: &Matrix, namespace: Option<&str>) -> Vec<Trial> {
    running.flow_trials(&judge::questions(matrix, running.compiled(), namespace))
}

/// Adds the trials that are not among those that are there.
fn add(trials: &mut Vec<Trial>, more: Vec<Trial>) {
    let known: std::collections::BTreeSet<_> = trials.iter().filter_map(Trial::flow).collect();
    trials.extend(more.into_iter().filter(|trial| trial.flow().is_none_or(|flow| !known.contains(&flow))));
}

/// How a lab is built: as the user says, with the addresses outside that a matrix names.
pub(crate) fn settings(build: BuildArgs, matrix: Option<&Matrix>) -> Settings {
    let rows = matrix.iter().flat_map(|matrix| &matrix.tables).flat_map(|table| &table.rows);
    let cases: Vec<_> = rows.filter_map(|row| row.case.as_ref().ok()).collect();
    let ends = || cases.iter().flat_map(|case| [&case.from, &case.to]).map(|end| end.trim());
    let is_name = |end: &&str| {
        end.contains('.') && !end.contains(['/', ':']) && end.parse::<std::net::IpAddr>().is_err()
    };
    Settings {
        plan: plan::Options {
            nodes: build.nodes.map(usize::from),
            dual_stack: build.dual_stack,
            addresses: ends().filter_map(|end| end.parse().ok()).collect(),
            names: ends().filter(is_name).map(str::to_owned).collect(),
        },
        program: compile::Options {
            refusal: if build.drop { Refusal::Drop } else { Refusal::Reject },
            log_allowed: build.log_allowed.then_some(EVERYTHING),
            ..compile::Options::default()
        },
        ..Settings::default()
    }
}

fn failure(error: &RunError) -> Failure {
    match error {
        RunError::Namespace(error) => namespaces(error),
        RunError::Lab(ringfence_lab::lab::LabError::Namespace(error)) => namespaces(error),
        _ => Box::new(Diagnostic::error("lab", Origin::NONE, error.to_string())),
    }
}

fn namespaces(error: &NamespaceError) -> Failure {
    Box::new(Diagnostic::error("namespaces", Origin::NONE, error.to_string()))
}

fn control(error: &ControlError) -> Failure {
    Box::new(Diagnostic::error("lab", Origin::NONE, error.to_string()))
}
