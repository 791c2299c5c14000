//! A selector on a label that changes with the replica or the release.

use ringfence_model::label::{Operator, Requirement};

use super::words;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::Place,
};

pub(super) static RULE: Rule = Rule {
    code: "RF108",
    name: "selector-on-changing-label",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a selector asks for a label that changes with each rollout, run or release",
    what: "Reports selectors on values of labels that controllers set (`pod-template-hash`, `controller-revision-hash`, \
           `pod-template-generation`, `batch.kubernetes.io/job-name` and `controller-uid`), and on versions \
           (`app.kubernetes.io/version`, `helm.sh/chart`, a `chart` with a version). A selector on one replica of a StatefulSet \
           (`statefulset.kubernetes.io/pod-name`, `apps.kubernetes.io/pod-index`) is only worth knowing. Silent for `Exists` \
           and `DoesNotExist`.",
    why: "With the next rollout, run or release the label has another value, and the policy silently means nobody.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: api
      pod-template-hash: 5d8c7f9b6d
  policyTypes: [Ingress]
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: api
  policyTypes: [Ingress]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for place in context.selections().parts.iter().flat_map(|part| part.places()) {
        for requirement in place.pod.iter().flat_map(|pod| &pod.requirements) {
            let Some((when, severity)) = changes(requirement) else { continue };
            let finding = findings.report(
                requirement.origin,
                format!("`{}` selects by `{}`, which changes", place.meta.full_name(), requirement.key),
            );
            finding
                .label(format!("{} holds {when}", words::requirement(requirement)))
                .help("select by labels that stay: `app.kubernetes.io/name`, `app.kubernetes.io/instance`, `app`")
                .severity(severity);
        }
    }
}

/// Labels that controllers put on pods when they make them, which no template shows.
const MADE: [&str; 10] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "batch.kubernetes.io/job-name",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
];

/// Whether a place asks for a label that only pods at run time have: the input cannot show that nobody has it.
pub(super) fn asks_at_run_time(place: &Place<'_>) -> bool {
    place.pod.iter().flat_map(|pod| &pod.requirements).any(|one| MADE.contains(&&*one.key))
}

/// How long a value of the label holds, if it does not stay, and how bad that is.
fn changes(requirement: &Requirement) -> Option<(&'static str, Severity)> {
    if !matches!(requirement.operator, Operator::In | Operator::NotIn) {
        return None;
    }
    let versioned = || requirement.values.iter().any(|value| is_version(value));
    Some(match &*requirement.key {
        "pod-template-hash" | "controller-revision-hash" | "pod-template-generation" => {
            ("until the next rollout", Severity::Warning)
        }
        "batch.kubernetes.io/job-name"
        | "job-name"
        | "batch.kubernetes.io/controller-uid"
        | "controller-uid"
        | "batch.kubernetes.io/job-completion-index" => ("for one run of the job", Severity::Warning),
        "helm.sh/chart" => ("for one version of the chart", Severity::Warning),
        "chart" if versioned() => ("for one version of the chart", Severity::Warning),
        "app.kubernetes.io/version" => ("until the next release", Severity::Warning),
        "statefulset.kubernetes.io/pod-name" | "apps.kubernetes.io/pod-index" => {
            ("for one replica, whatever part it plays", Severity::Info)
        }
        _ => return None,
    })
}

/// Whether a value ends with something like `1.2.3`.
fn is_version(value: &str) -> bool {
    let last = value.rsplit('-').next().unwrap_or(value).trim_start_matches('v');
    last.contains('.')
        && last.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}
