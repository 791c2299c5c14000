//! Peers and ports as two rules: another hyphen too many.

use ringfence_manifest::edit::join_items;
use ringfence_model::verdict::Direction;

use super::words;
use crate::{
    context::Context,
    finding::{Claim, Findings},
    rule::{Example, Rule, Severity},
    selection::torn_ports,
};

pub(super) static RULE: Rule = Rule {
    code: "RF115",
    name: "peers-and-ports-torn-apart",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule with peers and no ports, beside one with ports and no peers",
    what: "Reports a rule that names pods by labels and no ports, beside one that names ports and no peers, if these two are all \
           rules of the direction. Rules are alternatives: one opens every port to those peers, the other those ports to everyone.",
    why: "A hyphen before `ports` makes one rule two, and both let in far more than the one that was meant.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app: web
    - ports:
        - port: 8080
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
    matchLabels: {app: api}
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app: web
      ports:
        - port: 8080
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for part in &context.selections().parts {
        for torn in torn_ports(part) {
            let (side, field) = match torn.ports.direction {
                Direction::Ingress => ("from everyone", "from"),
                Direction::Egress => ("to everyone", "to"),
            };
            let hyphen = if torn.first.peers.is_some() { "ports" } else { field };
            findings
                .report(
                    torn.ports.origin,
                    format!(
                        "the {} rules of `{}` are alternatives: one has no ports, the other has no peers",
                        words::direction(torn.ports.direction),
                        part.subject.meta.full_name()
                    ),
                )
                .label(format!("opens these ports {side}"))
                .help(format!(
                    "to open these ports for those peers only, remove the hyphen before `{hyphen}`, so that `{field}` and \
                     `ports` are one rule"
                ))
                .related(torn.peers.origin, "opens every port for these peers")
                .fix(
                    "make one rule of the two",
                    join_items(&context.places, torn.first.origin, torn.second.origin),
                    Claim::Cuts(Vec::new()),
                );
        }
    }
}
