//! A rule that opens a direction to every peer on every port.

use ringfence_model::verdict::Direction;

use super::everything::{Everything, everything};
use crate::{
    allow::{By, field},
    context::Context,
    finding::Findings,
    intent,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF401",
    name: "allows-everything",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule allows every peer on every port",
    what: "Reports a rule without peers and without ports (`ingress: [{}]`, `- {}`), and one whose peers are everybody: it \
           allows everything in its direction. That is an error if the name of the policy says that it denies, and \
           only worth knowing if the name says that everything is allowed, or if the rule opens egress in a policy \
           that is about ingress. Silent about a policy that denies something beside it, and where \
           `default-deny-undone` says more.",
    why: "The policy does nothing in that direction but to allow what other policies would have denied. An empty rule is \
          easily taken for its opposite, an empty list: `ingress: []` allows nothing, `ingress: [{}]` everything.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: deny-all
  namespace: shop
spec:
  podSelector: {}
  policyTypes:
    - Ingress
  ingress:
    - {}
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: deny-all
  namespace: shop
spec:
  podSelector: {}
  policyTypes:
    - Ingress
  ingress: []
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let all = everything(context);
    for rule in all.iter().filter(|rule| rule.undoes.is_empty()) {
        let allow = &rule.allow;
        let name = allow.meta.full_name();
        let what = match allow.direction {
            Direction::Ingress => "lets everything in",
            Direction::Egress => "lets everything out",
        };
        let opens = |direction| {
            all.iter().any(|other| other.allow.meta == allow.meta && other.allow.direction == direction)
        };
        let closes = match allow.body {
            crate::allow::Body::Network(policy, _) => {
                (policy.isolates_ingress && !opens(Direction::Ingress))
                    || (policy.isolates_egress && !opens(Direction::Egress))
            }
            _ => false,
        };
        let lies = intent::says_closed(allow.meta) && !closes;
        let message =
            if lies { format!("`{name}` denies nothing: it {what}") } else { format!("`{name}` {what}") };
        let finding = findings.report(rule.breadth.at, message);
        finding.label(label(rule));
        if lies {
            finding
                .severity(Severity::Error)
                .help(format!("to deny everything, give it no rule: `{}: []`", field(allow.direction)));
            continue;
        }
        let by_the_way = allow.direction == Direction::Egress && closes;
        if intent::says_open(allow.meta) || by_the_way {
            finding.severity(Severity::Info);
        }
        finding.help(match allow.direction {
            Direction::Ingress => "name who may connect, and on which ports",
            Direction::Egress => "name what they may connect to, and on which ports",
        });
    }
}

fn label(rule: &Everything<'_>) -> &'static str {
    match rule.breadth.by {
        By::NoPeers => "names no peers and no ports: every peer, every port",
        By::Selector | By::Network => "every peer, and the rule names no ports",
    }
}
