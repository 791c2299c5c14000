//! NetworkPolicies as YAML. In: policies. Out: one file per namespace.

use std::fmt::Write as _;

use crate::{
    File,
    layout::Layout,
    manifests::put,
    policies::{Peer, Policy, Port, Rule, Selector},
};

/// The files of the policies.
pub(crate) fn files(layout: &Layout, policies: &[Policy]) -> Vec<File> {
    let mut texts: Vec<String> = vec![String::new(); layout.namespaces.len().max(1)];
    for policy in policies {
        let namespace =
            layout.namespaces.get(policy.namespace).map_or("default", |namespace| &namespace.name);
        if let Some(text) = texts.get_mut(policy.namespace) {
            write_policy(text, namespace, policy);
        }
    }
    let mut files = Vec::new();
    for (at, text) in texts.into_iter().enumerate().filter(|(_, text)| !text.is_empty()) {
        let namespace = layout.namespaces.get(at).map_or("default", |namespace| &namespace.name);
        files.push(File { name: format!("namespaces/{namespace}/network-policies.yaml"), text });
    }
    files
}

fn write_policy(out: &mut String, namespace: &str, policy: &Policy) {
    put!(out, "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n");
    put!(out, "  name: {}\n  namespace: {namespace}\nspec:\n", policy.name);
    write_selector(out, 2, "podSelector", &policy.subject);
    put!(out, "  policyTypes:\n");
    for (direction, rules) in [("Ingress", &policy.ingress), ("Egress", &policy.egress)] {
        if rules.is_some() {
            put!(out, "  - {direction}\n");
        }
    }
    for (list, peers, rules) in [("ingress", "from", &policy.ingress), ("egress", "to", &policy.egress)] {
        let rules = rules.as_deref().unwrap_or_default();
        if !rules.is_empty() {
            put!(out, "  {list}:\n");
        }
        for rule in rules {
            write_rule(out, peers, rule);
        }
    }
}

fn write_rule(out: &mut String, peers: &str, rule: &Rule) {
    let mut lead = "  - ";
    if !rule.peers.is_empty() {
        put!(out, "{lead}{peers}:\n");
        lead = "    ";
        for peer in &rule.peers {
            write_peer(out, peer);
        }
    }
    if !rule.ports.is_empty() {
        put!(out, "{lead}ports:\n");
    }
    for port in &rule.ports {
        match port {
            Port::Number(protocol, number) => put!(out, "    - protocol: {protocol}\n      port: {number}\n"),
            Port::Named(protocol, name) => put!(out, "    - protocol: {protocol}\n      port: {name}\n"),
            Port::Range(protocol, first, last) => {
                put!(out, "    - protocol: {protocol}\n      port: {first}\n      endPort: {last}\n");
            }
        }
    }
}

fn write_peer(out: &mut String, peer: &Peer) {
    // The first line of an entry of a list starts with a dash: written indented, then marked.
    let start = out.len();
    match peer {
        Peer::Pods { namespace, pod } => {
            for (name, selector) in [("namespaceSelector", namespace), ("podSelector", pod)] {
                if let Some(selector) = selector {
                    write_selector(out, 6, name, selector);
                }
            }
        }
        Peer::Block { cidr, except } => {
            put!(out, "      ipBlock:\n        cidr: {cidr}\n");
            if !except.is_empty() {
                put!(out, "        except:\n");
            }
            for cidr in except {
                put!(out, "        - {cidr}\n");
            }
        }
    }
    if out.len() > start {
        out.replace_range(start + 4..start + 5, "-");
    }
}

/// A selector field, indented.
pub(crate) fn write_selector(out: &mut String, indent: usize, name: &str, selector: &Selector) {
    if selector.labels.is_empty() && selector.expressions.is_empty() {
        put!(out, "{:indent$}{name}: {{}}\n", "");
        return;
    }
    put!(out, "{:indent$}{name}:\n", "");
    if !selector.labels.is_empty() {
        put!(out, "{:indent$}  matchLabels:\n", "");
    }
    for (key, value) in &selector.labels {
        put!(out, "{:indent$}    {key}: {value}\n", "");
    }
    if !selector.expressions.is_empty() {
        put!(out, "{:indent$}  matchExpressions:\n", "");
    }
    for (key, operator, values) in &selector.expressions {
        put!(out, "{:indent$}  - key: {key}\n{:indent$}    operator: {operator}\n", "", "");
        if !values.is_empty() {
            put!(out, "{:indent$}    values:\n", "");
        }
        for value in values {
            put!(out, "{:indent$}    - {value}\n", "");
        }
    }
}
