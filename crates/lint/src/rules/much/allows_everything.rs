//! A rule that opens a direction to every peer on every port.

use std::collections::BTreeSet;

use ringfence_model::{network_policy::PolicyMeta, verdict::Direction};

use super::{
    entries::Entries,
    everything::{Everything, everything},
};
use crate::{
    allow::{Body, By, field},
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
           allows everything in its direction. That is an error if the name of the policy says that it denies, and it \
           denies nothing; it is only worth knowing of egress, which is often left open on purpose, if the name says that \
           everything is allowed, and if something leads to the pods from outside. Silent about `egress: [{}]` in a policy that closes ingress, which says that \
           egress is not its matter, about a policy that denies something beside it, and where `default-deny-undone` \
           says more.",
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
    let open: BTreeSet<(&PolicyMeta, Direction)> =
        all.iter().map(|rule| (&**rule.allow.meta, rule.allow.direction)).collect();
    let mut entries: Option<Entries> = None;
    for rule in all.iter().filter(|rule| rule.undoes.is_empty()) {
        let allow = &rule.allow;
        let name = allow.meta.full_name();
        let what = match allow.direction {
            Direction::Ingress => "lets everything in",
            Direction::Egress => "lets everything out",
        };
        let (ingress, egress) = match allow.body {
            Body::Network(policy, _) => (policy.isolates_ingress, policy.isolates_egress),
            Body::Cilium(_, spec, _) => (spec.isolates_ingress, spec.isolates_egress),
            Body::Tier(..) => (false, false),
        };
        let closed = |isolates: bool, direction| isolates && !open.contains(&(&**allow.meta, direction));
        let closes = closed(ingress, Direction::Ingress) || closed(egress, Direction::Egress);
        if allow.direction == Direction::Egress && closes {
            continue;
        }
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
        let entries = entries.get_or_insert_with(|| Entries::new(context));
        let excused = allow.whole_namespace().is_none() && entries.excuse(allow.direction, &rule.subject);
        if intent::says_open(allow.meta) || excused || allow.direction == Direction::Egress {
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
