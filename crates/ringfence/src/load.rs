//! From paths to something that answers questions. In: paths and options. Out: the compiled cluster; what is wrong
//! with the input has been printed by then.

use std::path::PathBuf;

use ringfence_manifest::Options;
use ringfence_model::{
    diagnostic::{Diagnostic, Severity},
    origin::{Origin, Sources},
};
use ringfence_policy::Compiled;

use crate::{
    args::LoadArgs,
    context::{Context, Failure},
    input::{self, Gathered},
};

/// A cluster, and whether all of its input could be used.
pub(crate) struct Loaded {
    /// The cluster, ready for questions.
    pub(crate) compiled: Compiled,
    /// Whether some input was left out because of errors: then the exit code is 2.
    pub(crate) failed: bool,
}

/// Reads paths (`-` is standard input) as one cluster.
///
/// # Errors
/// If nothing at all could be read.
pub(crate) fn load(paths: &[PathBuf], args: &LoadArgs, context: &Context) -> Result<Loaded, Failure> {
    from_gathered(input::gather(paths), args, context)
}

/// The same for input that has been gathered already.
///
/// # Errors
/// If there is nothing at all.
pub(crate) fn from_gathered(
    gathered: Gathered,
    args: &LoadArgs,
    context: &Context,
) -> Result<Loaded, Failure> {
    let gathered = not_empty(gathered, context)?;
    let (loaded, objects) = or_empty(gathered, args, context);
    if objects == 0 { Err(no_objects()) } else { Ok(loaded) }
}

/// Input that has some text.
///
/// # Errors
/// If there is none: the last reason why, after the others have been printed.
pub(crate) fn not_empty(mut gathered: Gathered, context: &Context) -> Result<Gathered, Failure> {
    if !gathered.inputs.is_empty() {
        return Ok(gathered);
    }
    let last = gathered.problems.pop();
    context.show(&gathered.problems, &Sources::default());
    Err(Box::new(last.unwrap_or_else(|| {
        Diagnostic::error("no-input", Origin::NONE, "no input could be read")
            .with_help("give files or directories of manifests, or `-` for standard input")
    })))
}

/// Texts without anything that is about a cluster.
pub(crate) fn no_objects() -> Failure {
    let failure = Diagnostic::error("no-objects", Origin::NONE, "the input holds no Kubernetes objects");
    Box::new(failure.with_help(
        "give the manifests of workloads and policies, rendered: for example `helm template . | ringfence ... -`",
    ))
}

/// The same, also for no input, which is an empty cluster; and the number of objects.
pub(crate) fn or_empty(gathered: Gathered, args: &LoadArgs, context: &Context) -> (Loaded, usize) {
    let Gathered { inputs, problems } = gathered;
    context.show(&problems, &Sources::default());
    let read = ringfence_manifest::read(inputs, &options(args));
    context.show(&read.diagnostics, &read.cluster.sources);
    if !read.ignored.is_empty() {
        context.show([&ignored_note(&read.ignored)], &Sources::default());
    }
    let mut problems = problems.iter().chain(&read.diagnostics);
    let failed = problems.any(|found| found.severity == Severity::Error);
    (Loaded { compiled: Compiled::new(read.cluster), failed }, read.objects)
}

fn options(args: &LoadArgs) -> Options {
    Options {
        namespace: args.namespace.clone(),
        pod_cidrs: args.pod_cidr.clone(),
        service_cidrs: args.service_cidr.clone(),
        profile: args.profile.unwrap_or_default(),
        details: false,
    }
}

fn ignored_note(ignored: &std::collections::BTreeMap<String, usize>) -> Diagnostic {
    let count: usize = ignored.values().sum();
    let kinds: Vec<String> = ignored.iter().map(|(kind, count)| format!("{kind} ({count})")).collect();
    let objects = if count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
    let message = format!("{objects} of kinds that do not matter here: {}", kinds.join(", "));
    Diagnostic::note("ignored-kinds", Origin::NONE, message)
}
