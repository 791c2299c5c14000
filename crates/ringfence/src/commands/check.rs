//! `check`. In: manifests and settings. Out: what the rules of the linter find.

use ringfence_lint::{Input, Settings, Severity, check};
use ringfence_model::{
    diagnostic::{Diagnostic, Severity as Level},
    origin::{Origin, Sources},
};

use crate::{
    args::check::{CheckArgs, Format},
    context::{Context, Failure},
    exit::Exit,
    input, output,
    report::check::{json, text},
};

/// Checks the input.
pub(crate) fn run(args: &CheckArgs, context: &Context) -> Result<Exit, Failure> {
    let gathered = input::gather(&args.input.paths);
    context.show(&gathered.problems, &Sources::default());
    let unreadable = gathered.problems.iter().any(|problem| problem.severity == Level::Error);
    let mut settings =
        Settings { select: args.select.clone(), ignore: args.ignore.clone(), ..Settings::default() };
    let load = &args.input.load;
    settings.cluster.namespace.clone_from(&load.namespace);
    settings.cluster.pod_cidrs.clone_from(&load.pod_cidr);
    settings.cluster.service_cidrs.clone_from(&load.service_cidr);
    settings.cluster.profile = Some(load.profile);
    let input = Input::read(gathered.inputs, &settings);
    let sources = &input.compiled.cluster().sources;
    context.show(&input.diagnostics, sources);
    if input.objects == 0 {
        let failure =
            Diagnostic::error("no-objects", Origin::NONE, "the input holds no Kubernetes objects").with_help(
                "give the manifests of workloads and policies, rendered: for example `helm template . | ringfence check -`",
            );
        return Err(Box::new(failure));
    }
    let checked = check(&input, &settings);
    match args.format {
        Format::Text => output::styled(context, |out| text::write(&checked, sources, out))?,
        Format::Json => output::plain(|out| json::write(&checked, sources, out))?,
    }
    let exit = if checked.count(Severity::Error) > 0 { Exit::Finding } else { Exit::Fine };
    Ok(exit.after(unreadable))
}
