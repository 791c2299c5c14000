//! Two peers where one was meant: a hyphen too many.

use ringfence_manifest::edit::join_items;
use ringfence_model::{network_policy::PolicyKind, verdict::Direction};

use super::{repair, words};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::{Peer, Place, RuleView, Torn, torn, torn_rules},
};

pub(super) static RULE: Rule = Rule {
    code: "RF104",
    name: "peers-or-instead-of-and",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "two peers, one of namespaces and one of pods, where one peer of both was meant",
    what: "Reports two neighbouring peers, one with only a namespace selector and one with only a pod selector, if the labels \
           of the second are those of pods in the namespaces of the first; or the same torn into two rules, of which only one has \
           ports. It is an error if the second means no pod by itself \
           (a pod selector alone never leaves the policy's namespace), and a warning if it does. Silent if the input does \
           not show the pods, except for the resolver's labels in `kube-system`, which every distribution has.",
    why: "Peers are alternatives. With the hyphen every pod of those namespaces is let through, not only the one that is \
          named.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: dns, image: coredns}]}
---
apiVersion: v1
kind: Pod
metadata: {name: metrics-server, namespace: kube-system, labels: {k8s-app: metrics-server}}
spec: {containers: [{name: metrics, image: metrics-server}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: production, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-dns
  namespace: production
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
        - podSelector:
            matchLabels:
              k8s-app: kube-dns
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: dns, image: coredns}]}
---
apiVersion: v1
kind: Pod
metadata: {name: metrics-server, namespace: kube-system, labels: {k8s-app: metrics-server}}
spec: {containers: [{name: metrics, image: metrics-server}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: production, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-dns
  namespace: production
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
          podSelector:
            matchLabels:
              k8s-app: kube-dns
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let labels = &context.selections().labels;
    for part in &context.selections().parts {
        for rule in &part.rules {
            let peers = rule.peers.as_deref().unwrap_or_default();
            let place = |at: usize| peers.get(at).and_then(Peer::place);
            for pair in torn(context, labels, rule) {
                if let (Some(first), Some(second)) = (place(pair.first), place(pair.first + 1)) {
                    report(context, rule, &pair, [first, second], findings);
                }
            }
        }
        let only = |at: usize| part.rules.get(at).and_then(|rule| Some((rule, rule.places().next()?)));
        for pair in torn_rules(context, labels, &part.rules) {
            if let (Some(first), Some(second)) = (only(pair.first), only(pair.first + 1)) {
                report_rules(&pair, [first, second], findings);
            }
        }
    }
}

/// What is said of each of two places: the one about namespaces and the one about pods, in the order of the text.
fn said(
    pair: &Torn<'_>,
    direction: Direction,
    [first, second]: [&Place<'_>; 2],
    ports: [&str; 2],
) -> Option<[String; 2]> {
    let (spaces, pods) = if pair.namespaces_first { (first, second) } else { (second, first) };
    let asked = words::selector(pods.pod.as_ref()?);
    let home = pods.home?;
    let which = match direction {
        Direction::Ingress => "lets in",
        Direction::Egress => "opens",
    };
    let [of_spaces, of_pods] = ports;
    let every = format!("this by itself {which} every pod {}{of_spaces}", words::namespaces(spaces));
    let alone = if pair.alone_empty {
        format!("by itself this means pods in `{home}`, and none there has {asked}")
    } else if !of_pods.is_empty() {
        format!("this by itself {which} the pods in `{home}` with {asked}{of_pods}")
    } else if pair.contained {
        format!("by itself this means the pods in `{home}` with {asked}, whom the other one means anyway")
    } else {
        format!("by itself this means the pods in `{home}` with {asked}, too")
    };
    Some(if pair.namespaces_first { [every, alone] } else { [alone, every] })
}

/// What one peer of both would mean: the pods by their labels, and one of them.
fn meant(pair: &Torn<'_>, [first, second]: [&Place<'_>; 2]) -> Option<[String; 2]> {
    let (spaces, pods) = if pair.namespaces_first { (first, second) } else { (second, first) };
    let whom = format!(
        "to mean pods with {} {} only",
        words::selector(pods.pod.as_ref()?),
        words::namespaces(spaces)
    );
    let example = pair.both.first().map(|set| format!("; {} has it there", words::workload(set, None)));
    Some([whom, example.unwrap_or_default()])
}

fn report(
    context: &Context<'_>,
    rule: &RuleView<'_>,
    pair: &Torn<'_>,
    places: [&Place<'_>; 2],
    findings: &mut Findings,
) {
    let [first, second] = places;
    let Some(([other, label], [whom, example])) =
        said(pair, rule.direction, places, ["", ""]).zip(meant(pair, places))
    else {
        return;
    };
    let word = match rule.direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    let finding = findings.report(
        second.origin,
        format!(
            "`{}` has two peers under `{word}` where one was meant: they are alternatives",
            second.meta.full_name()
        ),
    );
    finding.label(label);
    finding.related(first.origin, other);
    finding.help(format!(
        "{whom}, remove the hyphen before `{}` so that both selectors are one peer{example}",
        if pair.namespaces_first { "podSelector" } else { "namespaceSelector" },
    ));
    if !pair.alone_empty {
        finding.severity(Severity::Warning);
    }
    if let Some(claim) = repair::fewer_peers(rule.action)
        && second.meta.kind == PolicyKind::NetworkPolicy
    {
        finding.fix("join the two peers", join_items(&context.places, first.origin, second.origin), claim);
    }
}

fn report_rules(pair: &Torn<'_>, rules: [(&RuleView<'_>, &Place<'_>); 2], findings: &mut Findings) {
    let [(first, first_place), (second, second_place)] = rules;
    let places = [first_place, second_place];
    let on = |rule: &RuleView<'_>| if rule.ports.is_empty() { ", on every port" } else { "" };
    let ports = if pair.namespaces_first { [on(first), on(second)] } else { [on(second), on(first)] };
    let Some(([other, label], [whom, example])) =
        said(pair, first.direction, places, ports).zip(meant(pair, places))
    else {
        return;
    };
    let word = match first.direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    let finding = findings.report(
        second.origin,
        format!(
            "`{}` has two rules where one was meant: they are alternatives, and one of them is for every port",
            second_place.meta.full_name()
        ),
    );
    finding.label(label);
    finding.related(first.origin, other);
    finding.help(format!(
        "{whom}, make one rule of the two: one `{word}`, below it one peer with `namespaceSelector` and `podSelector`, \
         without a hyphen between them, and the `ports` beside `{word}`{example}"
    ));
    if !pair.alone_empty {
        finding.severity(Severity::Warning);
    }
}
