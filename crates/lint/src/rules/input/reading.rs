//! What the reader says, and which rule says it again. In: a diagnostic of the reader. Out: the sort of finding that it is.

use ringfence_model::diagnostic::{Diagnostic, Severity as Level};

use crate::{context::Context, finding::Findings};

/// What becomes of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A document that nobody can read: RF001.
    Unreadable,
    /// An object that the API server would reject: RF002.
    Rejected,
    /// Something that probably does not say what was meant: RF003.
    Questionable,
    /// Something worth knowing: RF003, milder.
    WorthKnowing,
    /// A rule of its own says it better, or it is no fault.
    Elsewhere,
}

/// The codes of documents that have no meaning as a whole.
const UNREADABLE: [&str; 3] = ["syntax", "helm-template", "too-large"];

/// An object that is in the input twice.
pub(crate) const REPEATED: &str = "repeated-object";
/// An object in an API version that is gone.
pub(crate) const REMOVED: &str = "removed-api-version";

/// Whether because of this a text or a document could not be read at all, so that what is in it is not checked.
#[must_use]
pub fn is_unreadable(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Level::Error && UNREADABLE.contains(&diagnostic.code)
}

/// The one place that says which rule a diagnostic goes to.
pub(crate) fn sort(context: &Context<'_>, diagnostic: &Diagnostic) -> Sort {
    match (diagnostic.code, diagnostic.severity) {
        _ if is_unreadable(diagnostic) => Sort::Unreadable,
        // `object-given-twice` and `removed-api-version`.
        (REPEATED | REMOVED, _) => Sort::Elsewhere,
        // `policy-types-omit-rules`; what has no effect for want of `policyTypes` is another matter.
        ("no-effect", _) if omits_direction(context, diagnostic) => Sort::Elsewhere,
        // Nobody's fault: the verdicts lack something.
        ("foreign-policy" | "kustomization", _) => Sort::WorthKnowing,
        (_, Level::Error) => Sort::Rejected,
        (_, Level::Warning) => Sort::Questionable,
        (_, Level::Note) => Sort::Elsewhere,
    }
}

fn omits_direction(context: &Context<'_>, diagnostic: &Diagnostic) -> bool {
    let types = context.places.root_value(diagnostic.origin, &["spec".into(), "policyTypes".into()]);
    types.is_some()
}

/// Reports a diagnostic as it is.
pub(crate) fn repeat<'f>(
    diagnostic: &Diagnostic,
    findings: &'f mut Findings,
) -> &'f mut crate::finding::Finding {
    let finding = findings.report(diagnostic.origin, diagnostic.message.clone());
    finding.label.clone_from(&diagnostic.label);
    finding.help.clone_from(&diagnostic.help);
    finding.related.clone_from(&diagnostic.related);
    finding
}
