//! A policy whose last review was too long ago.

use super::annotated;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF804",
    name: "review-too-old",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a policy was reviewed last before the day that the settings ask for",
    what: "Reports policies whose last review (see `last-reviewed-missing`) was before the day in the settings \
           (`hygiene.reviewed-since`). It keeps silent if the settings name no day: what is found must not depend on the clock.",
    why: "Policies pile up. A review finds those that nobody needs any more.",
    bad: Example {
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: shop
  annotations:
    last-reviewed: \"2024-11-02\"
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
        settings: "[hygiene]\nreviewed-since = \"2026-01-01\"\n",
    },
    good: Example {
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: shop
  annotations:
    last-reviewed: \"2026-01-24\"
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
        settings: "[hygiene]\nreviewed-since = \"2026-01-01\"\n",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let hygiene = &context.settings.hygiene;
    let Some(since) = &hygiene.reviewed_since else { return };
    for meta in annotated::policies(context.cluster) {
        // Dates of this form compare as texts.
        if let Some(date) =
            annotated::date(meta, &hygiene.last_reviewed).filter(|date| *date < since.as_str())
        {
            findings
                .report(
                    annotated::place(context, meta, &hygiene.last_reviewed),
                    format!("`{}` was reviewed last on {date}", meta.full_name()),
                )
                .label(format!("before {since}"))
                .help("review the policy, then set the date");
        }
    }
}
