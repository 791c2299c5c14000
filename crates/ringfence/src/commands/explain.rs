//! `explain`. In: two ends, a port, a cluster. Out: the verdict and its whole derivation, and for what is denied the rules
//! that are missing.

use ringfence_analysis::{
    explain::{audit_notes, repair, stories},
    question::{Ask, Problem, Question, answer},
};
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};
use ringfence_policy::Compiled;

use crate::{
    args::explain::{ExplainArgs, Format},
    context::{Context, Failure},
    exit::Exit,
    load, output,
    report::explain::{Explained, json, md, text},
};

/// Answers the question.
pub(crate) fn run(args: &ExplainArgs, context: &Context) -> Result<Exit, Failure> {
    let loaded = load::load(&args.input.paths, &args.input.load, context)?;
    let cluster = loaded.compiled.cluster();
    let ask = Ask {
        from: &args.from,
        to: &args.to,
        port: args.port.as_deref(),
        request: args.request.as_deref(),
        namespace: args.input.load.namespace.as_deref(),
    };
    let question = Question::resolve(&ask, cluster).map_err(failure)?;
    let mut answer = answer(&question, cluster, &loaded.compiled).map_err(failure)?;
    let audit = audit_notes(&answer, cluster, Compiled::with_audit);
    answer.notes.extend(audit);
    let stories = stories(&question, &answer, cluster);
    let repair = repair(&question, &answer, cluster, Compiled::new);
    let explained = Explained {
        question: &question,
        answer: &answer,
        stories: &stories,
        repair: repair.as_ref(),
        cluster,
    };
    match args.format {
        Format::Text => output::styled(context, |out| text::write(&explained, out))?,
        Format::Json => output::plain(|out| json::write(&explained, out))?,
        Format::Md => output::plain(|out| md::write(&explained, out))?,
    }
    Ok(Exit::Fine.after(loaded.failed))
}

/// A question that cannot be asked, as a diagnostic.
fn failure(problem: Problem) -> Failure {
    let failure = Diagnostic::error("question", Origin::NONE, problem.message);
    Box::new(match problem.help {
        Some(help) => failure.with_help(help),
        None => failure,
    })
}
