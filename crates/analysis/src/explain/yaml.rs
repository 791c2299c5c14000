//! Policies as YAML. In: policies of the model. Out: manifests as a person would write them, ready to apply.

use std::fmt::Write as _;

use ringfence_model::{
    label::{Operator, Selector},
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule, PolicyKind},
    port::{PortMatch, PortSpec, Protocol},
    tier::{Action, TierPeer, TierPolicy, TierRule, TierSubject},
};

/// Text that grows by indented lines.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.0, "{:width$}{text}", "", width = depth * 2);
    }

    fn selector(&mut self, depth: usize, key: &str, selector: &Selector) {
        if selector.is_empty() {
            self.line(depth, &format!("{key}: {{}}"));
            return;
        }
        self.line(depth, &format!("{key}:"));
        // The dash of a list item is part of the key's line: what is below it lies two columns further in.
        let depth = depth + if key.starts_with("- ") { 2 } else { 1 };
        let (equal, other): (Vec<_>, Vec<_>) =
            selector.requirements.iter().partition(|r| r.operator == Operator::In && r.values.len() == 1);
        if !equal.is_empty() {
            self.line(depth, "matchLabels:");
            for requirement in equal {
                let value = requirement.values.first().map_or("", |value| value);
                self.line(depth + 1, &format!("{}: {}", scalar(&requirement.key), scalar(value)));
            }
        }
        if !other.is_empty() {
            self.line(depth, "matchExpressions:");
            for requirement in other {
                self.line(depth + 1, &format!("- key: {}", scalar(&requirement.key)));
                self.line(depth + 2, &format!("operator: {}", requirement.operator.as_str()));
                if !requirement.values.is_empty() {
                    let values: Vec<String> = requirement.values.iter().map(|value| scalar(value)).collect();
                    self.line(depth + 2, &format!("values: [{}]", values.join(", ")));
                }
            }
        }
    }
}

/// A NetworkPolicy.
#[must_use]
pub fn network_policy(policy: &NetworkPolicy) -> String {
    let mut out = Lines::default();
    out.line(0, "apiVersion: networking.k8s.io/v1");
    out.line(0, "kind: NetworkPolicy");
    out.line(0, "metadata:");
    out.line(1, &format!("name: {}", scalar(&policy.meta.name)));
    if let Some(namespace) = &policy.meta.namespace {
        out.line(1, &format!("namespace: {}", scalar(namespace)));
    }
    out.line(0, "spec:");
    out.selector(1, "podSelector", &policy.subject);
    out.line(1, "policyTypes:");
    for (isolates, name) in [(policy.isolates_ingress, "Ingress"), (policy.isolates_egress, "Egress")] {
        if isolates {
            out.line(2, &format!("- {name}"));
        }
    }
    network_rules(&mut out, "ingress", "from", &policy.ingress);
    network_rules(&mut out, "egress", "to", &policy.egress);
    out.0
}

fn network_rules(out: &mut Lines, direction: &str, peers: &str, rules: &[NetworkRule]) {
    if rules.is_empty() {
        return;
    }
    out.line(1, &format!("{direction}:"));
    for rule in rules {
        // Without peers the ports begin the item; without both it is `{}`, everything.
        let mut lead = "- ";
        if !rule.peers.is_empty() {
            out.line(2, &format!("{lead}{peers}:"));
            rule.peers.iter().for_each(|peer| network_peer(out, peer));
            lead = "  ";
        }
        if !rule.ports.is_empty() {
            out.line(2, &format!("{lead}ports:"));
            rule.ports.iter().for_each(|port| network_port(out, port));
        } else if rule.peers.is_empty() {
            out.line(2, "- {}");
        }
    }
}

fn network_peer(out: &mut Lines, peer: &NetworkPeer) {
    match peer {
        NetworkPeer::Pods { namespace, pod, .. } => {
            let both = [("namespaceSelector", namespace), ("podSelector", pod)];
            let given = both.into_iter().filter_map(|(key, selector)| Some((key, selector.as_ref()?)));
            for (at, (key, selector)) in given.enumerate() {
                match at {
                    0 => out.selector(4, &format!("- {key}"), selector),
                    _ => out.selector(5, key, selector),
                }
            }
        }
        NetworkPeer::IpBlock { cidr, except, .. } => {
            out.line(4, "- ipBlock:");
            out.line(6, &format!("cidr: {}", scalar(&cidr.to_string())));
            if !except.is_empty() {
                out.line(6, "except:");
                except.iter().for_each(|net| out.line(7, &format!("- {}", scalar(&net.to_string()))));
            }
        }
    }
}

fn network_port(out: &mut Lines, port: &PortMatch) {
    out.line(4, &format!("- protocol: {}", port.protocol.unwrap_or(Protocol::Tcp)));
    match &port.ports {
        PortSpec::All => {}
        PortSpec::Range(first, last) => {
            out.line(5, &format!("port: {first}"));
            if first != last {
                out.line(5, &format!("endPort: {last}"));
            }
        }
        PortSpec::Named(name) => out.line(5, &format!("port: {}", scalar(name))),
    }
}

/// An AdminNetworkPolicy (v1alpha1) if the policy is of that kind, else a ClusterNetworkPolicy (v1alpha2).
#[must_use]
pub fn tier_policy(policy: &TierPolicy) -> String {
    let old = policy.meta.kind == PolicyKind::AdminNetworkPolicy;
    let mut out = Lines::default();
    out.line(
        0,
        &format!("apiVersion: policy.networking.k8s.io/{}", if old { "v1alpha1" } else { "v1alpha2" }),
    );
    out.line(0, &format!("kind: {}", policy.meta.kind.as_str()));
    out.line(0, "metadata:");
    out.line(1, &format!("name: {}", scalar(&policy.meta.name)));
    out.line(0, "spec:");
    if !old {
        out.line(1, &format!("tier: {}", policy.tier.as_str()));
    }
    out.line(1, &format!("priority: {}", policy.priority));
    out.line(1, "subject:");
    match &policy.subject {
        TierSubject::Namespaces(selector) => out.selector(2, "namespaces", selector),
        TierSubject::Pods { namespace, pod } => {
            out.line(2, "pods:");
            out.selector(3, "namespaceSelector", namespace);
            out.selector(3, "podSelector", pod);
        }
    }
    for (direction, peers, rules) in [("ingress", "from", &policy.ingress), ("egress", "to", &policy.egress)]
    {
        if !rules.is_empty() {
            out.line(1, &format!("{direction}:"));
            rules.iter().for_each(|rule| tier_rule(&mut out, peers, rule, old));
        }
    }
    out.0
}

fn tier_rule(out: &mut Lines, peers: &str, rule: &TierRule, old: bool) {
    let action = if old && rule.action == Action::Accept { "Allow" } else { rule.action.as_str() };
    out.line(2, &format!("- action: {action}"));
    out.line(3, &format!("{peers}:"));
    for peer in &rule.peers {
        match peer {
            TierPeer::Namespaces(selector, _) => out.selector(4, "- namespaces", selector),
            TierPeer::Pods { namespace, pod, .. } => {
                out.line(4, "- pods:");
                out.selector(6, "namespaceSelector", namespace);
                out.selector(6, "podSelector", pod);
            }
            TierPeer::Nodes(selector, _) => out.selector(4, "- nodes", selector),
            TierPeer::Networks(nets, _) => {
                out.line(4, "- networks:");
                nets.iter().for_each(|net| out.line(6, &format!("- {}", scalar(&net.to_string()))));
            }
            TierPeer::DomainNames(names, _) => {
                out.line(4, "- domainNames:");
                names.iter().for_each(|name| out.line(6, &format!("- {}", scalar(name))));
            }
            // Nothing that this program writes has a peer that it does not know.
            TierPeer::Unknown(_) => {}
        }
    }
    if rule.ports.is_empty() {
        return;
    }
    out.line(3, if old { "ports:" } else { "protocols:" });
    for port in &rule.ports {
        if old { old_port(out, port) } else { new_port(out, port) }
    }
}

fn old_port(out: &mut Lines, port: &PortMatch) {
    let protocol = port.protocol.unwrap_or(Protocol::Tcp);
    match &port.ports {
        PortSpec::Named(name) => out.line(4, &format!("- namedPort: {}", scalar(name))),
        PortSpec::Range(first, last) if first == last => {
            out.line(4, "- portNumber:");
            out.line(6, &format!("protocol: {protocol}"));
            out.line(6, &format!("port: {first}"));
        }
        PortSpec::All | PortSpec::Range(..) => {
            let (first, last) =
                if let PortSpec::Range(first, last) = port.ports { (first, last) } else { (1, u16::MAX) };
            out.line(4, "- portRange:");
            out.line(6, &format!("protocol: {protocol}"));
            out.line(6, &format!("start: {first}"));
            out.line(6, &format!("end: {last}"));
        }
    }
}

fn new_port(out: &mut Lines, port: &PortMatch) {
    if let PortSpec::Named(name) = &port.ports {
        out.line(4, &format!("- destinationNamedPort: {}", scalar(name)));
        return;
    }
    out.line(4, &format!("- {}:", port.protocol.unwrap_or(Protocol::Tcp).as_str().to_ascii_lowercase()));
    out.line(6, "destinationPort:");
    match port.ports {
        PortSpec::Range(first, last) if first == last => out.line(7, &format!("number: {first}")),
        PortSpec::Range(first, last) => {
            out.line(7, "range:");
            out.line(8, &format!("start: {first}"));
            out.line(8, &format!("end: {last}"));
        }
        // `tcp: {}` is refused by the API: all ports are a range.
        PortSpec::All | PortSpec::Named(_) => {
            out.line(7, "range:");
            out.line(8, "start: 1");
            out.line(8, "end: 65535");
        }
    }
}

/// A string that no YAML reader takes for anything else.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_net = text.contains('/') && text.parse::<ringfence_model::IpNet>().is_ok() && !text.contains(':');
    if is_net || (begins && text.chars().all(word) && !reserved.iter().any(|r| text.eq_ignore_ascii_case(r)))
    {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_that_look_like_something_else_are_quoted() {
        for plain in ["app.kubernetes.io/name", "web-1", "10.0.0.0/8"] {
            assert_eq!(scalar(plain), plain);
        }
        for quoted in ["", "true", "No", "1", "1.5", "8080", "::/0", "null", "a: b"] {
            assert_eq!(scalar(quoted), format!("\"{quoted}\""));
        }
    }
}
