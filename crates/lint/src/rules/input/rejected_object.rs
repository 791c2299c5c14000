//! An object that the API server would reject.

use super::reading::{self, Sort};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF002",
    name: "rejected-object",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "an object that the API server would reject",
    what: "Reports what the API server rejects in policies and in the objects that they are about: unknown fields of a policy, \
           values of a wrong type, ports and addresses that are none, `except` outside of its network, selectors that are not \
           valid. A policy with such a fault has no effect on anything that is said about the cluster here.",
    why: "The object never gets into the cluster; an older version of it stays in force, or none. Tools that switch \
          validation off drop unknown fields without a word: a misspelt `from` then lets everybody in.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
    - form:
        - podSelector:
            matchLabels: {app: web}
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: web}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for diagnostic in context.diagnostics {
        if reading::sort(context, diagnostic) == Sort::Rejected {
            let finding = reading::repeat(diagnostic, findings);
            if finding.help.is_none() {
                finding.help("the API server would reject the object; correct it");
            }
        }
    }
}
