//! Names of ports beside addresses, which have no pod to look the name up in.

use ringfence_model::{port::PortSpec, tier::Action, verdict::Direction};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk,
};

pub(super) static RULE: Rule = Rule {
    code: "RF709",
    name: "named-port-not-honoured",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a port's name beside a block of addresses matches nothing",
    what: "Reports egress rules to addresses whose ports are all given by names, and with the profile `aws` ingress rules \
           from addresses too.",
    why: "A name is looked up among the container ports of the pod that is connected to. An address has none: CNIs leave \
          the peer or the whole rule out. The Amazon VPC CNI does so in both directions.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: worker, namespace: shop}
spec:
  podSelector: {matchLabels: {app: worker}}
  policyTypes: [Egress]
  egress:
    - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
      ports: [{port: https}]
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: worker, namespace: shop}
spec:
  podSelector: {matchLabels: {app: worker}}
  policyTypes: [Egress]
  egress:
    - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
      ports: [{port: 443}]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let cni = context.facts().cni.as_ref();
    let both = cni.and_then(|cni| cni.dialect.named_port_with_block).is_some_and(|fact| !fact.value);
    for rule in walk::rules(context.cluster).filter(|rule| rule.action == Action::Accept) {
        if rule.blocks().is_empty() || (rule.direction == Direction::Ingress && !both) {
            continue;
        }
        let ports = rule.ports();
        if !ports.iter().all(|entry| matches!(entry.ports, PortSpec::Named(_))) {
            continue;
        }
        let Some(entry) = ports.first() else { continue };
        let PortSpec::Named(name) = &entry.ports else { continue };
        let at = context.places.value(entry.origin, &["port".into()]).unwrap_or(entry.origin);
        let message =
            format!("`{}` allows no address: `{name}` is a name of a pod's port", rule.meta.full_name());
        let finding = findings.report(at, message);
        finding
            .label("there is no pod at an address to look the name up in")
            .help("write the number of the port");
        if let Some(cni) = cni.filter(|_| both) {
            finding.related(cni.evidence.origin, "this shows the CNI");
        }
    }
}
