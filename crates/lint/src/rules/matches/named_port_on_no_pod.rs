//! A port by a name that no pod has.

use std::collections::BTreeSet;

use ringfence_analysis::nearest::nearest;
use ringfence_manifest::edit::{Value, replace_scalar};
use ringfence_model::{label::Labels, port::PortSpec, service::TargetPort, verdict::Direction};

use super::{
    listening::{Listening, aimed},
    repair, words,
};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::is_slip,
};

pub(super) static RULE: Rule = Rule {
    code: "RF106",
    name: "named-port-on-no-pod",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule names a port by a name that no destination pod declares",
    what: "Reports a named port that no pod at the destination declares with the rule's protocol. Names are resolved by each \
           destination pod: the subject for ingress, the peers for egress. It is a warning if the peers of an egress rule are \
           whole namespaces, and if another port of the rule is one that pods have. Silent if the rule leads to no known pod, or to addresses.",
    why: "An unknown name is no port: the entry lets nothing through. Names of Service ports do not count, only those of \
          container ports.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec:
  containers:
    - name: api
      image: api
      ports: [{name: http-web, containerPort: 8080}]
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
        - port: http
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
      ports: [{name: http-web, containerPort: 8080}]
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
        - port: http-web
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let listening = Listening::new(context);
    for aimed in aimed(context) {
        let PortSpec::Named(name) = &aimed.port.ports else { continue };
        let pods = listening.kinds(&aimed.pods);
        let declared = || pods.iter().flat_map(|pod| &pod.ports);
        let named = |protocol| aimed.port.protocol.is_none_or(|wanted| wanted == protocol);
        if declared().any(|port| port.name.as_ref() == Some(name) && named(port.protocol)) {
            continue;
        }
        let protocol = aimed.port.protocol.map_or(String::new(), |protocol| format!("{protocol} "));
        let finding = findings.report(
            aimed.origin(context),
            format!(
                "port `{name}` in the {} rules of `{}` is no port of any pod",
                words::direction(aimed.rule.direction),
                aimed.part.subject.meta.full_name()
            ),
        );
        let who = match aimed.rule.direction {
            Direction::Ingress => "no selected pod",
            Direction::Egress => "no pod of the peers",
        };
        finding.label(format!("{who} declares a {protocol}port `{name}`"));
        let names: BTreeSet<&str> =
            declared().filter(|port| named(port.protocol)).filter_map(|port| port.name.as_deref()).collect();
        let service = pods.iter().find_map(|pod| {
            let services = context.cluster.services.iter().filter(|one| one.namespace == pod.namespace);
            let selects = |labels: &Labels| !labels.is_empty() && pod.labels.contains_all(labels);
            let mut behind = services.filter(|one| one.selector.as_ref().is_some_and(selects));
            behind.find_map(|one| {
                Some((
                    one,
                    one.ports.iter().find(|port| port.name.as_ref() == Some(name) && named(port.protocol))?,
                ))
            })
        });
        let other = declared().find(|port| port.name.as_ref() == Some(name));
        let alike = nearest(name, names.iter().copied());
        if let Some((service, port)) = service {
            let target = match &port.target {
                TargetPort::Number(number) => number.to_string(),
                TargetPort::Name(name) => name.to_string(),
            };
            finding.help(format!(
                "`{name}` is the name of a port of Service `{}`, which leads to the pods' port `{target}`: write `{target}`",
                service.name
            ));
            finding.related(port.origin, "the Service's port");
            let value = match &port.target {
                TargetPort::Number(number) => Value::Int(i64::from(*number)),
                TargetPort::Name(name) => Value::from(&**name),
            };
            if let Some(claim) = repair::more_peers(aimed.rule.action) {
                let edits = replace_scalar(&context.places, aimed.origin(context), &value);
                finding.fix("write the pods' port", edits, claim);
            }
        } else if let Some(other) = other {
            finding
                .help(format!("`{name}` is a {} port there: set the `protocol` of the rule", other.protocol));
        } else if alike.is_empty() && names.is_empty() {
            finding.help("the pods there name no ports: write the number, or name the container's port");
        } else if alike.is_empty() {
            finding.help(format!("the ports there are called {}", words::names(names)));
        } else {
            finding.help(format!("did you mean {}?", words::either(alike.iter().map(String::as_str))));
            if let ([only], Some(claim)) = (alike.as_slice(), repair::more_peers(aimed.rule.action))
                && is_slip(name, only)
                // `http` beside `https` is no slip.
                && !aimed.is_beside_a_good_one(&listening, &pods)
            {
                let edits =
                    replace_scalar(&context.places, aimed.origin(context), &Value::from(only.as_str()));
                finding.fix("write the pods' port", edits, claim);
            }
        }
        if !aimed.is_chosen_by_labels() || aimed.is_beside_a_good_one(&listening, &pods) {
            finding.severity(Severity::Warning);
        }
    }
}
