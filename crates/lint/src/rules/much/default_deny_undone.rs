//! A default deny that another policy makes void.

use std::collections::BTreeMap;

use ringfence_model::{Text, verdict::Direction};

use super::{
    entries::Entries,
    everything::{Everything, everything},
};
use crate::{
    allow::field,
    context::Context,
    finding::{Finding, Findings},
    intent, naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF402",
    name: "default-deny-undone",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a policy allows everything that a default deny of the namespace denies",
    what: "Reports a rule that allows every peer on every port to pods that a default deny of their namespace closes in \
           that direction: all of them (error), or some (warning; only worth knowing, and said once of several, if the policy's name says that it \
           opens them, for egress, and where something leads to the pods from outside). The engine confirms that everything passes: silent if a policy of the Admin \
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
    let mut entries: Option<Entries> = None;
    // Rules that take some pods out with some reason, by what they take them out of.
    let mut mild: BTreeMap<(Direction, Vec<&Text>), Vec<&Everything<'_>>> = BTreeMap::new();
    let all = everything(context);
    // One policy may open both directions.
    let mut wholes: Vec<Vec<&Everything<'_>>> = Vec::new();
    for rule in all.iter().filter(|rule| !rule.undoes.is_empty()) {
        let allow = &rule.allow;
        if allow.whole_namespace().is_some() {
            let same = |rules: &&mut Vec<&Everything<'_>>| {
                rules
                    .iter()
                    .any(|other| other.allow.meta == allow.meta && namespaces(other) == namespaces(rule))
            };
            match wholes.iter_mut().find(same) {
                Some(rules) => rules.push(rule),
                None => wholes.push(vec![rule]),
            }
            continue;
        }
        let entries = entries.get_or_insert_with(|| Entries::new(context));
        let excused = allow.direction == Direction::Egress
            || intent::says_open(allow.meta)
            || entries.excuse(allow.direction, &rule.subject);
        if excused {
            mild.entry((allow.direction, namespaces(rule))).or_default().push(rule);
        } else {
            some(context, &[rule], Severity::Warning, findings);
        }
    }
    for rules in &wholes {
        whole(rules, findings);
    }
    for rules in mild.values() {
        some(context, rules, Severity::Info, findings);
    }
}

/// The namespaces of the default denies that a rule makes void.
fn namespaces<'a>(rule: &Everything<'a>) -> Vec<&'a Text> {
    let mut namespaces: Vec<&Text> = rule.undoes.iter().map(|deny| deny.namespace).collect();
    namespaces.sort();
    namespaces.dedup();
    namespaces
}

fn listed(rule: &Everything<'_>) -> String {
    let names: Vec<String> = namespaces(rule).iter().map(|namespace| format!("`{namespace}`")).collect();
    naming::listed_names(&names)
}

fn point(rule: &Everything<'_>, finding: &mut Finding) {
    for deny in &rule.undoes {
        finding.related(deny.subject, format!("`{}` denies what no policy allows", deny.meta.full_name()));
    }
}

fn whole(rules: &[&Everything<'_>], findings: &mut Findings) {
    let Some((first, rest)) = rules.split_first() else { return };
    let both = rest.iter().any(|rule| rule.allow.direction != first.allow.direction);
    let what = if both {
        "all ingress and all egress are".to_owned()
    } else {
        format!("all {} is", field(first.allow.direction))
    };
    let message = format!(
        "`{}` undoes the default deny of {}: {what} allowed",
        first.allow.meta.full_name(),
        listed(first)
    );
    let finding = findings.report(first.breadth.at, message);
    finding.label("every peer, every port").help(if both {
        "remove the rules, or name the peers and the ports that they are for"
    } else {
        "remove the rule, or name the peers and the ports that it is for"
    });
    for rule in rest {
        finding.related(rule.breadth.at, "every peer, every port");
    }
    for rule in rules {
        point(rule, finding);
    }
    finding.related.dedup();
}

/// Rules that take some pods out of the same default deny.
fn some(context: &Context<'_>, rules: &[&Everything<'_>], severity: Severity, findings: &mut Findings) {
    let Some((first, rest)) = rules.split_first() else { return };
    let direction = field(first.allow.direction);
    let pods = naming::listed_pods(context.cluster, rules.iter().flat_map(|rule| rule.subject.iter()));
    let who = match rest.len() {
        0 => format!("`{}` takes", first.allow.meta.full_name()),
        more => format!("{} policies take", more + 1),
    };
    let message =
        format!("{who} {pods} out of the default deny of {}: all {direction} is allowed", listed(first));
    let finding = findings.report(first.breadth.at, message);
    finding
        .severity(severity)
        .label("every peer, every port")
        .help("name the peers and the ports that these pods need");
    point(first, finding);
    for rule in rest {
        finding.related(rule.breadth.at, format!("`{}` does so too", rule.allow.meta.full_name()));
    }
}
