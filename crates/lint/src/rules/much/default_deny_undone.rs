//! A default deny that another policy makes void.

use super::everything::{Everything, everything};
use crate::{
    allow::field,
    context::Context,
    finding::Findings,
    intent, naming,
    rule::{Example, Rule, Severity},
};
use ringfence_model::verdict::Direction;

pub(super) static RULE: Rule = Rule {
    code: "RF402",
    name: "default-deny-undone",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a policy allows everything that a default deny of the namespace denies",
    what: "Reports a rule that allows every peer on every port to pods that a default deny of their namespace closes in \
           that direction: all of them (error), or some (warning; only worth knowing if the policy's name says that it \
           opens them, or for egress). The engine confirms that everything passes: silent if a policy of the Admin \
           tier or a Cilium denial still closes them.",
    why: "Policies only add. A default deny has no effect on a pod for which any other policy allows everything, and \
          nothing about the default deny tells.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: shop
spec:
  podSelector: {}
  policyTypes:
    - Ingress
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: monitoring
  namespace: shop
spec:
  podSelector: {}
  ingress:
    - {}
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: shop
spec:
  podSelector: {}
  policyTypes:
    - Ingress
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: monitoring
  namespace: shop
spec:
  podSelector: {}
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: monitoring
      ports:
        - port: 9090
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for rule in everything(context).iter().filter(|rule| !rule.undoes.is_empty()) {
        report(context, rule, findings);
    }
}

fn report(context: &Context<'_>, rule: &Everything<'_>, findings: &mut Findings) {
    let Everything { allow, breadth, subject, undoes } = rule;
    let name = allow.meta.full_name();
    let direction = field(allow.direction);
    let mut namespaces: Vec<String> = undoes.iter().map(|deny| format!("`{}`", deny.namespace)).collect();
    namespaces.sort();
    namespaces.dedup();
    let namespaces = naming::listed_names(&namespaces);
    let whole = allow.whole_namespace().is_some();
    let message = if whole {
        format!("`{name}` undoes the default deny of {namespaces}: all {direction} is allowed")
    } else {
        let pods = naming::listed_pods(context.cluster, subject.iter());
        format!("`{name}` takes {pods} out of the default deny of {namespaces}: all {direction} is allowed")
    };
    let finding = findings.report(breadth.at, message);
    finding.label("every peer, every port");
    for deny in undoes {
        finding.related(deny.subject, format!("`{}` denies what no policy allows", deny.meta.full_name()));
    }
    if whole {
        finding.help("remove the rule, or name the peers and the ports that it is for");
    } else {
        let mild = intent::says_open(allow.meta) || allow.direction == Direction::Egress;
        finding.severity(if mild { Severity::Info } else { Severity::Warning });
        finding.help("name the peers and the ports that these pods need");
    }
}
