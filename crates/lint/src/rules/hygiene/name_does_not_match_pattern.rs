//! A policy with a name that the settings do not allow.

use regex::Regex;

use super::annotated;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    settings::whole,
};

pub(super) static RULE: Rule = Rule {
    code: "RF805",
    name: "name-does-not-match-pattern",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "the name of a policy is not as the settings ask",
    what: "Reports policies whose name, as a whole, does not match the regular expression in the settings \
           (`hygiene.name-pattern`). It keeps silent without one.",
    why: "Names that follow a pattern can be read in a list of a hundred policies.",
    bad: Example {
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: policy1, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
        settings: "[hygiene]\nname-pattern = \"(default|allow|deny)-[a-z0-9-]+\"\n",
    },
    good: Example {
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
        settings: "[hygiene]\nname-pattern = \"(default|allow|deny)-[a-z0-9-]+\"\n",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(pattern) = &context.settings.hygiene.name_pattern else { return };
    // Settings with a pattern that cannot be read are refused.
    let Ok(regex) = Regex::new(&whole(pattern)) else { return };
    for meta in annotated::policies(context.cluster).filter(|meta| !regex.is_match(&meta.name)) {
        findings
            .report(meta.origin, format!("the name of `{}` is not as the settings ask", meta.full_name()))
            .label(format!("does not match `{pattern}`"))
            .help("rename the policy: create the one with the new name, then delete the old one");
    }
}
