//! Something that holds data or secrets, open to pods that no rule names.

use std::collections::BTreeSet;

use ringfence_model::{cluster::Cluster, origin::Origin, port::Protocol, verdict::Direction};

use super::everything::everything;
use crate::{
    context::Context,
    exposure::Exposed,
    finding::Findings,
    intent, naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF407",
    name: "sensitive-exposed",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a database or a store of secrets is open to pods that no rule names",
    what: "Reports a workload that holds data or secrets when the engine finds that pods which no rule names, or the whole \
           world outside, may open its port: because nothing isolates it, or because a rule is for everybody. Such \
           workloads are recognised by their images and ports (databases, caches, brokers, object stores, etcd, \
           Vault, the dashboard); `sensitive` and `not_sensitive` in the settings add and take away. Jobs with a \
           database's image are its clients.",
    why: "Whoever takes over any pod of the cluster tries the databases first. They are rarely protected well within the \
          cluster, because nobody was expected to reach them.",
    bad: Example::new(
        "
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: postgres
  namespace: data
spec:
  selector: {matchLabels: {app: postgres}}
  template:
    metadata: {labels: {app: postgres}}
    spec:
      containers:
        - name: postgres
          image: docker.io/library/postgres:17
          ports: [{containerPort: 5432}]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example.com/web:1}]}
",
    ),
    good: Example::new(
        "
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: postgres
  namespace: data
spec:
  selector: {matchLabels: {app: postgres}}
  template:
    metadata: {labels: {app: postgres}}
    spec:
      containers:
        - name: postgres
          image: docker.io/library/postgres:17
          ports: [{containerPort: 5432}]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example.com/web:1}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: postgres
  namespace: data
spec:
  podSelector:
    matchLabels: {app: postgres}
  ingress:
    - from:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: shop}
          podSelector:
            matchLabels: {app: web}
      ports:
        - port: 5432
",
    ),
    check,
};

/// Where the rules are written that expose something sensitive: this rule reports them.
pub(super) fn rules(context: &Context<'_>) -> Vec<Origin> {
    context.exposed().iter().flat_map(|exposed| exposed.rules.iter().copied()).collect()
}

fn check(context: &Context<'_>, findings: &mut Findings) {
    // Where a policy allows everything that a default deny denies, or that its name denies, that is the mistake.
    let told: BTreeSet<Origin> = (everything(context).iter())
        .filter(|rule| rule.allow.direction == Direction::Ingress)
        .filter(|rule| {
            (!rule.undoes.is_empty() && rule.allow.whole_namespace().is_some())
                || (rule.undoes.is_empty() && intent::says_closed(rule.allow.meta))
        })
        .map(|rule| rule.breadth.at)
        .collect();
    for one in context.exposed() {
        if one.rules.is_empty() || one.rules.iter().any(|rule| !told.contains(rule)) {
            report(context.cluster, one, findings);
        }
    }
}

fn report(cluster: &Cluster, exposed: &Exposed, findings: &mut Findings) {
    let Exposed { sensitive, strangers, outside, rules } = exposed;
    let Some(workload) = cluster.workload(sensitive.workload) else { return };
    let name = naming::workload(workload);
    let what = sensitive.what;
    let ports = ports(&sensitive.ports);
    let who = naming::workloads(cluster, strangers.iter());
    let of = match (who.is_empty(), outside) {
        (true, _) => "everybody outside the cluster".to_owned(),
        (false, true) => {
            format!("{} that no rule names, and to everybody outside", naming::count(who.len(), "workload"))
        }
        (false, false) => format!("{} that no rule names", naming::count(who.len(), "workload")),
    };
    let written = workload.pods.iter().filter_map(|pod| cluster.pod(*pod)).map(|pod| pod.origin);
    let place = [workload.origin].into_iter().chain(written).find(|origin| origin.is_some());
    let place = place.unwrap_or_default();
    let first = rules.first().copied().unwrap_or(place);
    let finding = findings.report(first, format!("{name} ({what}) is open to {of}"));
    let example = if who.is_empty() {
        String::new()
    } else {
        format!(": {}, for example", naming::listed(cluster, &who))
    };
    if rules.is_empty() {
        finding.label(format!("nothing isolates it for ingress{example}"));
        finding.help(format!(
            "add a NetworkPolicy in `{}` that selects it and lets in only its clients{ports}",
            workload.namespace
        ));
    } else {
        finding.label(format!("this lets everybody in{example}"));
        finding.help(format!("name its clients, by namespace and pod{ports}"));
        finding.related(place, format!("{name}, {what}"));
    }
    for more in rules.iter().skip(1) {
        finding.related(*more, "this lets everybody in too");
    }
}

fn ports(ports: &[(Protocol, u16)]) -> String {
    if ports.is_empty() {
        return String::new();
    }
    let names: Vec<String> = ports.iter().map(|(_, port)| format!("`{port}`")).collect();
    let word = if names.len() == 1 { "port" } else { "ports" };
    format!(", on {word} {}", naming::listed_names(&names))
}
