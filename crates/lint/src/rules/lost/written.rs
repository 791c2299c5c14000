//! Policies as values that can be written into a file. In: a NetworkPolicy of the model. Out: the tree of its manifest, with the
//! fields in the order in which people write them.

use ringfence_manifest::edit::Value;
use ringfence_model::{
    label::{Operator, Requirement, Selector},
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule},
    port::{PortMatch, PortSpec, Protocol},
};

/// The manifest of a policy.
pub(super) fn written(policy: &NetworkPolicy) -> Value {
    let mut metadata = vec![("name", Value::from(&*policy.meta.name))];
    metadata.extend(policy.meta.namespace.as_deref().map(|namespace| ("namespace", Value::from(namespace))));
    let both = [(policy.isolates_ingress, "Ingress"), (policy.isolates_egress, "Egress")];
    let types = both.into_iter().filter(|(isolates, _)| *isolates).map(|(_, name)| Value::from(name));
    let mut spec =
        vec![("podSelector", selector(&policy.subject)), ("policyTypes", Value::Seq(types.collect()))];
    for (field, peers, rules) in [("ingress", "from", &policy.ingress), ("egress", "to", &policy.egress)] {
        if !rules.is_empty() {
            spec.push((field, Value::Seq(rules.iter().map(|known| rule(peers, known)).collect())));
        }
    }
    map(vec![
        ("apiVersion", Value::from("networking.k8s.io/v1")),
        ("kind", Value::from("NetworkPolicy")),
        ("metadata", map(metadata)),
        ("spec", map(spec)),
    ])
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn rule(whom: &str, rule: &NetworkRule) -> Value {
    let mut entries = Vec::new();
    if !rule.peers.is_empty() {
        entries.push((whom, Value::Seq(rule.peers.iter().map(peer).collect())));
    }
    if !rule.ports.is_empty() {
        entries.push(("ports", Value::Seq(rule.ports.iter().map(port).collect())));
    }
    map(entries)
}

fn peer(peer: &NetworkPeer) -> Value {
    match peer {
        NetworkPeer::Pods { namespace, pod, .. } => {
            let both = [("namespaceSelector", namespace), ("podSelector", pod)];
            let given = both.into_iter().filter_map(|(key, known)| Some((key, selector(known.as_ref()?))));
            map(given.collect())
        }
        NetworkPeer::IpBlock { cidr, except, .. } => {
            let mut block = vec![("cidr", Value::Text(cidr.to_string()))];
            if !except.is_empty() {
                let nets = except.iter().map(|net| Value::Text(net.to_string()));
                block.push(("except", Value::Seq(nets.collect())));
            }
            map(vec![("ipBlock", map(block))])
        }
    }
}

fn port(entry: &PortMatch) -> Value {
    let protocol = entry.protocol.unwrap_or(Protocol::Tcp);
    let mut entries = vec![("protocol", Value::Text(protocol.to_string()))];
    match &entry.ports {
        PortSpec::All => {}
        PortSpec::Range(first, last) => {
            entries.push(("port", Value::from(i64::from(*first))));
            if first != last {
                entries.push(("endPort", Value::from(i64::from(*last))));
            }
        }
        PortSpec::Named(name) => entries.push(("port", Value::from(&**name))),
    }
    map(entries)
}

fn selector(known: &Selector) -> Value {
    let is_equal =
        |requirement: &&Requirement| requirement.operator == Operator::In && requirement.values.len() == 1;
    let (equal, other): (Vec<_>, Vec<_>) = known.requirements.iter().partition(is_equal);
    let mut entries = Vec::new();
    if !equal.is_empty() {
        let label = |requirement: &Requirement| {
            let value = requirement.values.first().map_or("", |value| value);
            (requirement.key.to_string(), Value::from(value))
        };
        entries.push(("matchLabels", Value::Map(equal.into_iter().map(label).collect())));
    }
    if !other.is_empty() {
        entries.push(("matchExpressions", Value::Seq(other.into_iter().map(expression).collect())));
    }
    map(entries)
}

fn expression(requirement: &Requirement) -> Value {
    let mut entries = vec![
        ("key", Value::from(&*requirement.key)),
        ("operator", Value::from(requirement.operator.as_str())),
    ];
    if !requirement.values.is_empty() {
        let values = requirement.values.iter().map(|value| Value::from(&**value));
        entries.push(("values", Value::Seq(values.collect())));
    }
    map(entries)
}
