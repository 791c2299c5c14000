//! A selector that no labels can meet.

use super::words;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::contradiction,
};

pub(super) static RULE: Rule = Rule {
    code: "RF110",
    name: "selector-that-cannot-match",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "two requirements of a selector exclude each other",
    what: "Reports selectors of pods and of namespaces whose requirements no labels can meet together: a value that is asked for \
           and excluded, two different values of one key, a key that must be there and must not. All requirements of a \
           selector must hold.",
    why: "The selector means nobody, in every cluster.",
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
    matchExpressions:
      - {key: app, operator: In, values: [web, worker]}
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
    matchExpressions:
      - {key: app, operator: In, values: [api, web, worker]}
  policyTypes: [Ingress]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for place in context.selections().parts.iter().flat_map(|part| part.places()) {
        let selectors =
            place.namespace.iter().chain(&place.pod).map(|selector| selector.requirements.iter().collect());
        let all: Vec<Vec<_>> = selectors.chain(std::iter::once(place.derived.clone())).collect();
        for requirements in all {
            let Some((first, second)) = contradiction(requirements) else { continue };
            let finding = findings.report(
                second.origin,
                format!("a selector of `{}` can match nothing", place.meta.full_name()),
            );
            finding
                .label(format!("{} excludes {}", words::requirement(second), words::requirement(first)))
                .help("all requirements of a selector must hold: for one of several values write one `In` with all of them")
                .related(first.origin, "cannot hold beside the other");
        }
    }
}
