//! A document that cannot be read.

use super::reading::{self, Sort};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF001",
    name: "unreadable-document",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a document is not YAML or JSON, or a template that nobody has rendered",
    what: "Reports texts and documents that cannot be read: a mistake in their YAML or JSON, a template with its `{{ }}` still \
           in it, a text that is too large. The other documents are checked all the same. A file of some other tool that has \
           nothing of a manifest in it is not reported here. Comments in an unreadable document suppress nothing.",
    why: "What is in the document is not checked, and `kubectl apply` would not take it.",
    bad: Example::new(
        "
apiVersion: v1
kind: Namespace
metadata:
  name: shop
   labels: {team: shop}
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {team: shop}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for diagnostic in context.diagnostics {
        if reading::sort(context, diagnostic) == Sort::Unreadable {
            reading::repeat(diagnostic, findings);
        }
    }
}
