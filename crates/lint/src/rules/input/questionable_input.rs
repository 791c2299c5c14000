//! Something in a manifest that probably does not say what was meant.

use super::reading::{self, Sort};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF003",
    name: "questionable-input",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "something that the API server takes, but that probably does not say what was meant",
    what: "Reports what can be read but looks like a slip: a field of a workload or Service with a misspelt name, a value given \
           twice, an empty rule, bits of an address behind its prefix length. A kustomization, which is not applied here, and \
           policies of kinds that are not read (those of Calico, for example) are worth an info: whatever is said about the \
           cluster is said as if they did not exist.",
    why: "The API server drops or ignores what it does not know, and the object does something else than it seems to.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-all, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Ingress]
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-all, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for diagnostic in context.diagnostics {
        match reading::sort(context, diagnostic) {
            Sort::Questionable => {
                reading::repeat(diagnostic, findings);
            }
            Sort::WorthKnowing => {
                reading::repeat(diagnostic, findings).severity(Severity::Info);
            }
            Sort::Unreadable | Sort::Rejected | Sort::Elsewhere => {}
        }
    }
}
