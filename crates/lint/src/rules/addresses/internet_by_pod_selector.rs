//! A selector of every pod of the cluster where the internet was meant.

use std::collections::BTreeSet;

use ringfence_model::{
    cilium::{CiliumPeer, Entity},
    network_policy::NetworkPeer,
    origin::Origin,
    port::{PortMatch, PortSpec, Protocol},
    service::TargetPort,
    tier::{Action, TierPeer},
    verdict::Direction,
};
use ringfence_policy::compiled::Choice;

use super::outside::{self, Share, share};
use crate::{
    allow::is_every_endpoint,
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, AnyRule, representatives},
};

pub(super) static RULE: Rule = Rule {
    code: "RF205",
    name: "internet-by-pod-selector",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "selectors choose pods, never the internet, however empty they are",
    what: "Reports egress rules to every pod of every namespace on the ports of the web (80 and 443 alone), where no pod \
           of the input declares such a port and no Service leads to one, and the engine lets the policy's pods open no \
           such connection to the internet. It keeps silent if no pod of the input declares any port, unless a comment \
           beside the rule speaks of the internet.",
    why: "`namespaceSelector: {}` is every namespace of the cluster and nothing outside of it. The connections that were \
          meant stay shut, and every pod of the cluster is open on that port.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: frontend, namespace: shop, labels: {tier: frontend}}
spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: frontend, namespace: shop}
spec:
  podSelector: {matchLabels: {tier: frontend}}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - namespaceSelector: {}
          podSelector: {}
      ports:
        - port: 443  # HTTPS for the CDN
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: frontend, namespace: shop, labels: {tier: frontend}}
spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: frontend, namespace: shop}
spec:
  podSelector: {matchLabels: {tier: frontend}}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16]
      ports:
        - port: 443  # HTTPS for the CDN
",
    ),
    check,
};

/// Words of comments that mean addresses outside the cluster.
const OUTSIDE: [&str; 6] = ["internet", "external", "outside", "cdn", "public", "third-party"];

fn check(context: &Context<'_>, findings: &mut Findings) {
    let declared = context.cluster.pods.iter().any(|pod| !pod.ports.is_empty());
    let served = served(context);
    let everywhere = outside::internet(context);
    let accepting = walk::rules(context.cluster)
        .filter(|rule| rule.direction == Direction::Egress && rule.action == Action::Accept);
    for rule in accepting {
        let Some((_, at)) = rule.peers().into_iter().find(|(peer, _)| is_every_pod(peer)) else { continue };
        let Some(ports) = web(&rule) else { continue };
        if !rule.blocks().is_empty() {
            continue;
        }
        let said = says_outside(context, rule.origin);
        if !said && (!declared || ports.iter().any(|port| served.contains(port))) {
            continue;
        }
        let pods = representatives(context, &rule.subject(context));
        let open = pods.iter().any(|pod| {
            ports
                .iter()
                .any(|port| share(context, *pod, Direction::Egress, *port, &everywhere) != Share::None)
        });
        if open || (pods.is_empty() && !said) {
            continue;
        }
        let list: Vec<String> = ports.iter().map(|(_, port)| port.to_string()).collect();
        let message = format!(
            "`{}` opens every pod of the cluster on port {}, and nothing outside of it",
            rule.meta.full_name(),
            list.join(", ")
        );
        findings.report(at, message).label("this chooses pods of the cluster, never the internet").help(
            "if the internet is meant, write an `ipBlock` of `0.0.0.0/0` with the cluster's and private networks in \
             `except`; if pods are meant, choose them by their labels",
        );
    }
}

fn is_every_pod(peer: &Choice<'_>) -> bool {
    match peer {
        Choice::NetworkPeer(_, NetworkPeer::Pods { namespace: Some(namespace), pod, .. }) => {
            namespace.is_empty() && pod.as_ref().is_none_or(|pod| pod.is_empty())
        }
        Choice::TierPeer(TierPeer::Namespaces(namespace, _)) => namespace.is_empty(),
        Choice::TierPeer(TierPeer::Pods { namespace, pod, .. }) => namespace.is_empty() && pod.is_empty(),
        Choice::CiliumPeer(_, CiliumPeer::Entity(Entity::Cluster, _)) => true,
        Choice::CiliumPeer(policy, CiliumPeer::Endpoints(selector, _)) => is_every_endpoint(policy, selector),
        _ => false,
    }
}

/// The ports of a rule, if they are of the web alone.
fn web(rule: &AnyRule<'_>) -> Option<Vec<(Protocol, u16)>> {
    let of_web = |entry: &&PortMatch| match (entry.protocol, &entry.ports) {
        (
            protocol @ (None | Some(Protocol::Tcp | Protocol::Udp)),
            PortSpec::Range(port @ (80 | 443), last),
        ) if port == last => Some((protocol.unwrap_or(Protocol::Tcp), *port)),
        _ => None,
    };
    let ports: Option<Vec<_>> = rule.ports().iter().map(of_web).collect();
    ports.filter(|ports| !ports.is_empty())
}

/// The ports that pods declare and Services lead to.
fn served(context: &Context<'_>) -> BTreeSet<(Protocol, u16)> {
    let declared =
        context.cluster.pods.iter().flat_map(|pod| &pod.ports).map(|port| (port.protocol, port.port));
    let led = context.cluster.services.iter().flat_map(|service| &service.ports);
    let led = led.filter_map(|port| match port.target {
        TargetPort::Number(number) => Some((port.protocol, number)),
        TargetPort::Name(_) => None,
    });
    declared.chain(led).collect()
}

/// Whether a comment in the lines of a rule, or right above it, speaks of what is outside.
fn says_outside(context: &Context<'_>, rule: Origin) -> bool {
    let sources = &context.cluster.sources;
    let (Some(source), Some(from)) = (sources.get(rule.source), sources.position(rule)) else { return false };
    let last = source.position(rule.end.saturating_sub(1)).line;
    let comment = |line: u32| {
        let text = source.line(line).to_lowercase();
        text.split_once('#').map(|(_, comment)| comment.to_owned())
    };
    let above = (1..from.line)
        .rev()
        .map_while(|line| source.line(line).trim_start().starts_with('#').then(|| comment(line)).flatten());
    let own = (from.line..=last).filter_map(comment);
    above.chain(own).any(|text| OUTSIDE.iter().any(|word| text.contains(word)))
}
