//! A port that no pod at the destination listens on.

use std::collections::BTreeSet;

use ringfence_model::{
    origin::Origin,
    port::{PortSpec, Protocol},
    tier::Action,
    verdict::Direction,
};

use super::{
    listening::{Aimed, Listening, aimed},
    words,
};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

/// How many more ports of a rule are pointed at.
const POINTED: usize = 3;

pub(super) static RULE: Rule = Rule {
    code: "RF109",
    name: "port-nobody-listens-on",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule lists a port that none of the destination pods declares",
    what: "Reports a port of a rule if all pods at the destination declare ports, and nothing says that one of them listens on \
           this one: no declared port, no probe, no Service, no argument, no variable. To declare ports is optional, so it is \
           never an error, and only worth knowing if another port of the rule is one that they listen on. Silent for pods that declare no ports, for peers and subjects that are not chosen by labels, for ports \
           of sidecars that are injected later, and for ports that another rule of the linter explains.",
    why: "The rule most likely has the wrong number, and the connection that it is written for stays shut.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec:
  containers:
    - name: db
      image: postgres
      ports: [{containerPort: 5432}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: db
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: db}
  ingress:
    - from: [{podSelector: {}}]
      ports:
        - port: 3306
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec:
  containers:
    - name: db
      image: postgres
      ports: [{containerPort: 5432}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: db
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: db}
  ingress:
    - from: [{podSelector: {}}]
      ports:
        - port: 5432
",
    ),
    check,
};

/// Ports of the proxies that service meshes inject into pods (Istio 15000 to 15099, Linkerd 4140 to 4191).
fn is_of_a_sidecar(port: u16) -> bool {
    (15_000..=15_099).contains(&port) || (4_140..=4_191).contains(&port)
}

fn check(context: &Context<'_>, findings: &mut Findings) {
    let listening = Listening::new(context);
    // A list of ports that nobody listens on is one mistake.
    let mut by_rule: Vec<(Origin, Vec<Aimed<'_, '_>>)> = Vec::new();
    for aimed in aimed(context) {
        if !is_unheard(context, &listening, &aimed) {
            continue;
        }
        match by_rule.last_mut() {
            Some((rule, ports)) if *rule == aimed.rule.origin => ports.push(aimed),
            _ => by_rule.push((aimed.rule.origin, vec![aimed])),
        }
    }
    for (_, ports) in &by_rule {
        report(context, &listening, ports, findings);
    }
}

/// Whether pods that say on which ports they listen do not listen on this one.
fn is_unheard<'a>(context: &Context<'a>, listening: &Listening<'a>, aimed: &Aimed<'_, 'a>) -> bool {
    let PortSpec::Range(first, last) = aimed.port.ports else { return false };
    if aimed.rule.action != Action::Accept || !aimed.is_chosen_by_labels() || is_of_a_sidecar(first) {
        return false;
    }
    let pods = listening.kinds(&aimed.pods);
    let quiet = pods
        .iter()
        .any(|pod| pod.ports.is_empty() || listening.listens(pod, aimed.port.protocol, first, last));
    let protocol = aimed.port.protocol.unwrap_or(Protocol::Tcp);
    let of_a_service = first == last && listening.translated(&pods, protocol, first).is_some();
    // With the `aws` profile a Service's port is a port that connections have.
    let explained = of_a_service
        && (context.cluster.profile.name == "aws"
            || pods.iter().all(|pod| !listening.listens(pod, aimed.port.protocol, first, last)));
    !quiet && !explained
}

/// Reports the ports of one rule, at the first of them.
fn report<'a>(
    context: &Context<'a>,
    listening: &Listening<'a>,
    ports: &[Aimed<'_, 'a>],
    findings: &mut Findings,
) {
    let Some((aimed, more)) = ports.split_first() else { return };
    let PortSpec::Range(first, last) = aimed.port.ports else { return };
    let pods = listening.kinds(&aimed.pods);
    let protocol = aimed.port.protocol.unwrap_or(Protocol::Tcp);
    let range = if first == last { first.to_string() } else { format!("{first} to {last}") };
    let others = match more.len() {
        0 => String::new(),
        1 => ", nor on another one".to_owned(),
        count => format!(", nor on {count} others"),
    };
    let known: BTreeSet<String> = pods
        .iter()
        .flat_map(|pod| &pod.ports)
        .map(|port| match &port.name {
            Some(name) => format!("{}/{} ({name})", port.port, port.protocol),
            None => format!("{}/{}", port.port, port.protocol),
        })
        .collect();
    let finding = findings.report(
        aimed.origin(context),
        format!(
            "no pod listens on {protocol} port {range}{others}, which the {} rules of `{}` open",
            words::direction(aimed.rule.direction),
            aimed.part.subject.meta.full_name()
        ),
    );
    let who = match aimed.rule.direction {
        Direction::Ingress => "the selected pods",
        Direction::Egress => "the pods of the peers",
    };
    finding.label(format!("{who} declare {}", words::names(known.iter().map(String::as_str))));
    let elsewhere = pods.iter().flat_map(|pod| &pod.ports).find(|port| {
        (first..=last).contains(&port.port)
            && aimed.port.protocol.is_some_and(|wanted| wanted != port.protocol)
    });
    match elsewhere {
        Some(other) => {
            finding.help(format!("it is a {} port: set `protocol: {}`", other.protocol, other.protocol))
        }
        None => finding.help("correct the port, or declare it in the pods so that others know it"),
    };
    if aimed.is_beside_a_good_one(listening, &pods) {
        finding.severity(Severity::Info);
    }
    for other in more.iter().take(POINTED) {
        finding.related(other.origin(context), "nor on this one");
    }
    if let Some(pod) = pods.first() {
        finding.related(pod.origin, "one of these pods");
    }
}
