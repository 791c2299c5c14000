//! Peers and ports as two rules: another hyphen too many.

use ringfence_manifest::edit::join_items;
use ringfence_model::{tier::Action, verdict::Direction};

use super::words;
use crate::{
    context::Context,
    finding::{Claim, Findings},
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF115",
    name: "peers-and-ports-torn-apart",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule with peers and no ports, followed by one with ports and no peers",
    what: "Reports a rule that names pods by labels and no ports, directly followed by one that names ports and no peers, if these \
           two are all rules of the direction. Rules are alternatives: the first opens every port to those peers, the second \
           those ports to everyone.",
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
        for direction in [Direction::Ingress, Direction::Egress] {
            let mut rules =
                part.rules.iter().filter(|rule| rule.direction == direction && rule.action == Action::Accept);
            let (Some(first), Some(second), None) = (rules.next(), rules.next(), rules.next()) else {
                continue;
            };
            let named = first.only_pods() && first.places().all(|place| place.asks_pods());
            if !named || !first.ports.is_empty() || second.peers.is_some() || second.ports.is_empty() {
                continue;
            }
            let (side, field) = match direction {
                Direction::Ingress => ("from everyone", "from"),
                Direction::Egress => ("to everyone", "to"),
            };
            findings
                .report(
                    second.origin,
                    format!(
                        "the {} rules of `{}` are alternatives: one has no ports, the other has no peers",
                        words::direction(direction),
                        part.subject.meta.full_name()
                    ),
                )
                .label(format!("opens these ports {side}"))
                .help(format!("to open these ports for the peers above only, remove the hyphen before `ports` so that it belongs to the rule with `{field}`"))
                .related(first.origin, "opens every port for these peers")
                .fix(
                    "make one rule of the two",
                    join_items(&context.places, first.origin, second.origin),
                    Claim::Cuts(Vec::new()),
                );
        }
    }
}
