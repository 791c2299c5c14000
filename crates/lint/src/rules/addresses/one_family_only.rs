//! The internet open, or shut, for one of a dual-stack cluster's address families only.

use ringfence_model::{
    IpNet,
    address::Family,
    port::{PortSpec, Protocol},
    tier::Action,
};

use super::outside::{Share, share};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, AnyRule, representatives},
};

pub(super) static RULE: Rule = Rule {
    code: "RF208",
    name: "one-family-only",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule about all IPv4 addresses says nothing about IPv6, or the other way round",
    what: "In a dual-stack cluster, reports rules about all addresses of one family (`0.0.0.0/0` or `::/0`) where the \
           engine finds the internet of the other family the opposite: shut where the rule allows, or open where it \
           denies. A cluster is dual-stack if the input shows pod, node or Service addresses or networks of both \
           families, or if it is stated (`dual-stack`); else the rule keeps silent.",
    why: "Names mostly resolve to addresses of both families, and programs try IPv6 first: connections hang before they \
          fall back. And a denial for IPv4 is no denial for who comes by IPv6.",
    bad: Example {
        settings: "cluster.dual-stack = true",
        manifests: "
apiVersion: v1
kind: Pod
metadata: {name: worker, namespace: shop}
spec: {containers: [{name: worker, image: worker}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: external-apis, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16]
      ports:
        - port: 443
",
    },
    good: Example {
        settings: "cluster.dual-stack = true",
        manifests: "
apiVersion: v1
kind: Pod
metadata: {name: worker, namespace: shop}
spec: {containers: [{name: worker, image: worker}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: external-apis, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16]
        - ipBlock:
            cidr: ::/0
            except: [fc00::/7, fe80::/10]
      ports:
        - port: 443
",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let shown = || context.families().len() == Family::BOTH.len();
    if !context.settings.cluster.dual_stack.unwrap_or_else(shown) {
        return;
    }
    for rule in walk::rules(context.cluster).filter(|rule| rule.action != Action::Pass && !rule.meta.audit) {
        let blocks = rule.blocks();
        let wide = |net: &IpNet| net.prefix_len() == 0;
        let Some(block) = blocks.iter().find(|block| wide(&block.cidr)) else { continue };
        let family = Family::of_net(&block.cidr);
        if blocks.iter().any(|other| Family::of_net(&other.cidr) != family) {
            continue;
        }
        let Some(port) = port(&rule) else { continue };
        let other = if family == Family::V4 { Family::V6 } else { Family::V4 };
        let (own_net, other_net) = (context.internet(family), context.internet(other));
        let (open, shut) =
            if rule.action == Action::Accept { (own_net, other_net) } else { (other_net, own_net) };
        let differs = |pod| {
            let asked = |set| share(context, pod, rule.direction, port, set);
            asked(open) == Share::All && asked(shut) == Share::None
        };
        if !representatives(context, &rule.subject(context)).into_iter().any(differs) {
            continue;
        }
        let counterpart = if other == Family::V4 { "0.0.0.0/0" } else { "::/0" };
        let (does, but) =
            if rule.action == Action::Accept { ("allows", "is shut") } else { ("denies", "is open") };
        let message = format!(
            "`{}` {does} all of {}, and {} {but}",
            rule.meta.full_name(),
            family.as_str(),
            other.as_str()
        );
        findings
            .report(block.place(&context.places), message)
            .label(format!("the cluster is dual-stack; this says nothing about {}", other.as_str()))
            .help(format!(
                "add a peer with `{counterpart}`, with exceptions that match those of `{}`",
                block.cidr
            ));
    }
}

/// A port that the rule is about.
fn port(rule: &AnyRule<'_>) -> Option<(Protocol, u16)> {
    let ports = rule.ports();
    let Some(entry) = ports.first() else { return Some((Protocol::Tcp, 443)) };
    let number = match entry.ports {
        PortSpec::All => 443,
        PortSpec::Range(first, _) => first,
        PortSpec::Named(_) => return None,
    };
    Some((entry.protocol.unwrap_or(Protocol::Tcp), number))
}
