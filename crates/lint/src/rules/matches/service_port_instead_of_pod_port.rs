//! A Service's port where the pods' port is needed.

use ringfence_manifest::edit::{Value, replace_scalar};
use ringfence_model::{
    flow::{Endpoint, Flow},
    port::{PortSpec, Protocol},
    tier::Action,
    verdict::{Direction, Outcome},
    workload::{Pod, PodId},
};

use super::{
    listening::{Aimed, Listening, aimed},
    words,
};
use crate::{
    context::Context,
    finding::{Claim, Findings},
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF107",
    name: "service-port-instead-of-pod-port",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule lists the port of a Service, and its pods listen on another one",
    what: "Reports a port of a rule that is the port of a Service in front of the destination pods, which leads to another port \
           of them, while nothing says that a pod at the destination listens on the listed one (a declared port, a probe, a \
           Service, an argument, a variable). It is an error if the pods declare the port that the Service leads to, else a \
           warning. Silent if the rule lists both ports, if it leads to addresses too, and for the `aws` profile, where \
           connections are judged before they are translated.",
    why: "A connection to a Service is judged when its destination is a pod already: the port is the pod's. The rule lets \
          nothing through.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec:
  containers:
    - name: api
      image: api
      ports: [{containerPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec:
  selector: {app: api}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  ingress:
    - ports:
        - port: 80
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec:
  containers:
    - name: api
      image: api
      ports: [{containerPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec:
  selector: {app: api}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  ingress:
    - ports:
        - port: 8080
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    if context.cluster.profile.name == "aws" {
        return;
    }
    let listening = Listening::new(context);
    for aimed in aimed(context) {
        let PortSpec::Range(wanted, last) = aimed.port.ports else { continue };
        if wanted != last || aimed.rule.action == Action::Deny {
            continue;
        }
        let pods = listening.kinds(&aimed.pods);
        let protocol = aimed.port.protocol.unwrap_or(Protocol::Tcp);
        let Some(found) = listening.translated(&pods, protocol, wanted) else { continue };
        let spoken_for = pods.iter().any(|pod| listening.listens(pod, aimed.port.protocol, wanted, wanted));
        if spoken_for || aimed.rule_has(protocol, found.target) {
            continue;
        }
        let target = found.target;
        let finding = findings.report(
            aimed.origin(context),
            format!(
                "port {wanted} in the {} rules of `{}` is the port of a Service, not of its pods",
                words::direction(aimed.rule.direction),
                aimed.part.subject.meta.full_name()
            ),
        );
        finding
            .label(format!(
                "Service `{}` leads port {wanted} to port {target} of its pods",
                found.service.name
            ))
            .help(format!("policies see the pods' port: write `port: {target}`"))
            .related(found.port.origin, format!("port {wanted} becomes {target} here"))
            .related(found.pod.origin, format!("nothing here listens on {wanted}"));
        if !found.declared {
            finding.severity(Severity::Warning);
        }
        if let Some(flow) = through(context, &aimed, found.pod, protocol, target) {
            let value = Value::Int(i64::from(target));
            let edits = replace_scalar(&context.places, aimed.origin(context), &value);
            finding.fix("write the pods' port", edits, Claim::Moves(vec![flow], Vec::new()));
        }
    }
}

/// A connection that the rule is meant for.
fn through(
    context: &Context<'_>,
    aimed: &Aimed<'_, '_>,
    backend: &Pod,
    protocol: Protocol,
    port: u16,
) -> Option<Flow> {
    let cluster = context.cluster;
    let to = aimed.pods.iter().find(|id| cluster.pod(*id).is_some_and(|pod| std::ptr::eq(pod, backend)))?;
    let client =
        |id: &PodId| cluster.pod(*id).is_some_and(|pod| pod.workload != backend.workload && !pod.finished);
    let family = cluster.families().first().copied()?;
    let flow = |from: Endpoint, port: u16| Flow {
        from,
        to: Endpoint::Pod(to),
        family,
        protocol,
        port,
        request: None,
    };
    let from = match (aimed.rule.direction, &aimed.rule.peers) {
        (Direction::Ingress, Some(_)) => aimed.rule.places().find_map(|place| place.pods.iter().find(client)),
        (Direction::Ingress, None) => (0..).map(PodId).take(cluster.pods.len()).find(client),
        (Direction::Egress, _) => aimed.part.subject.pods.iter().find(client),
    };
    if let Some(from) = from {
        return Some(flow(Endpoint::Pod(from), port));
    }
    // Peers that are addresses: somebody whom the rule lets in at the Service's port.
    let PortSpec::Range(wanted, _) = aimed.port.ports else { return None };
    let outside = context.internet(family).ranges().next().map(|range| Endpoint::Address(range.first))?;
    let let_in = context.compiled.outcome(&flow(outside.clone(), wanted)) == Outcome::Allow;
    (aimed.rule.direction == Direction::Ingress && let_in).then(|| flow(outside, port))
}
