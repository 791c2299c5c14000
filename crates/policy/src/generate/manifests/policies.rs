//! Manifests of NetworkPolicies and of the policies of the Admin and Baseline tiers. In: a cluster. Out: their objects.

use ringfence_model::{
    cluster::Cluster,
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule, PolicyKind},
    port::{PortMatch, PortSpec, Protocol},
    tier::{Action, TierPeer, TierPolicy, TierRule, TierSubject},
};

use super::{Yaml, policy, selector};

/// All of them.
pub(super) fn all(cluster: &Cluster) -> Vec<Yaml> {
    let network = cluster.network_policies.iter().map(network_policy);
    network.chain(cluster.tier_policies.iter().map(tier_policy)).collect()
}

fn network_policy(one: &NetworkPolicy) -> Yaml {
    let types = [(one.isolates_ingress, "Ingress"), (one.isolates_egress, "Egress")];
    let types = types.into_iter().filter(|(isolates, _)| *isolates);
    let spec = Yaml::one("podSelector", selector(&one.subject))
        .with("policyTypes", Yaml::list(types, |(_, name)| name.into()))
        .with_any("ingress", Yaml::list(&one.ingress, |rule| network_rule(rule, "from")))
        .with_any("egress", Yaml::list(&one.egress, |rule| network_rule(rule, "to")));
    policy("networking.k8s.io/v1", &one.meta).with("spec", spec)
}

fn network_rule(rule: &NetworkRule, side: &str) -> Yaml {
    let peer = |peer: &NetworkPeer| match peer {
        NetworkPeer::Pods { namespace, pod, .. } => Yaml::Map(Vec::new())
            .with_some("namespaceSelector", namespace.as_ref().map(selector))
            .with_some("podSelector", pod.as_ref().map(selector)),
        NetworkPeer::IpBlock { cidr, except, .. } => Yaml::one(
            "ipBlock",
            Yaml::one("cidr", cidr.to_string())
                .with_any("except", Yaml::list(except, |net| net.to_string().into())),
        ),
    };
    let port = |entry: &PortMatch| {
        let object = Yaml::one("protocol", entry.protocol.unwrap_or(Protocol::Tcp).as_str());
        match &entry.ports {
            PortSpec::All => object,
            PortSpec::Named(name) => object.with("port", name),
            PortSpec::Range(first, last) if first == last => object.with("port", *first),
            PortSpec::Range(first, last) => object.with("port", *first).with("endPort", *last),
        }
    };
    Yaml::Map(Vec::new())
        .with_any(side, Yaml::list(&rule.peers, peer))
        .with_any("ports", Yaml::list(&rule.ports, port))
}

fn tier_policy(one: &TierPolicy) -> Yaml {
    let new = one.meta.kind == PolicyKind::ClusterNetworkPolicy;
    let version = if new { "v1alpha2" } else { "v1alpha1" };
    let mut spec = Yaml::Map(Vec::new());
    if new {
        spec = spec.with("tier", one.tier.as_str());
    }
    if one.meta.kind != PolicyKind::BaselineAdminNetworkPolicy {
        spec = spec.with("priority", one.priority);
    }
    let subject = match &one.subject {
        TierSubject::Namespaces(namespace) => Yaml::one("namespaces", selector(namespace)),
        TierSubject::Pods { namespace, pod } => Yaml::one(
            "pods",
            Yaml::one("namespaceSelector", selector(namespace)).with("podSelector", selector(pod)),
        ),
    };
    let spec = spec
        .with("subject", subject)
        .with_any("ingress", Yaml::list(&one.ingress, |rule| tier_rule(rule, "from", new)))
        .with_any("egress", Yaml::list(&one.egress, |rule| tier_rule(rule, "to", new)));
    policy(&format!("policy.networking.k8s.io/{version}"), &one.meta).with("spec", spec)
}

fn tier_rule(rule: &TierRule, side: &str, new: bool) -> Yaml {
    let action = match rule.action {
        Action::Accept if !new => "Allow",
        action => action.as_str(),
    };
    let (key, port): (_, fn(&PortMatch) -> Yaml) =
        if new { ("protocols", new_port) } else { ("ports", old_port) };
    Yaml::Map(Vec::new())
        .with_some("name", rule.name.as_ref())
        .with("action", action)
        .with(side, Yaml::list(&rule.peers, tier_peer))
        .with_any(key, Yaml::list(&rule.ports, port))
}

fn tier_peer(peer: &TierPeer) -> Yaml {
    match peer {
        TierPeer::Namespaces(namespace, _) => Yaml::one("namespaces", selector(namespace)),
        TierPeer::Pods { namespace, pod, .. } => Yaml::one(
            "pods",
            Yaml::one("namespaceSelector", selector(namespace)).with("podSelector", selector(pod)),
        ),
        TierPeer::Nodes(nodes, _) => Yaml::one("nodes", selector(nodes)),
        TierPeer::Networks(networks, _) => {
            Yaml::one("networks", Yaml::list(networks, |net| net.to_string().into()))
        }
        TierPeer::DomainNames(names, _) => Yaml::one("domainNames", Yaml::list(names, Yaml::from)),
        TierPeer::Unknown(_) => Yaml::one("somethingNew", Yaml::Map(Vec::new())),
    }
}

/// An entry of `ports` (v1alpha1).
fn old_port(entry: &PortMatch) -> Yaml {
    let protocol = entry.protocol.unwrap_or(Protocol::Tcp).as_str();
    match &entry.ports {
        PortSpec::Named(name) => Yaml::one("namedPort", name),
        PortSpec::Range(first, last) if first == last => {
            Yaml::one("portNumber", Yaml::one("protocol", protocol).with("port", *first))
        }
        PortSpec::Range(first, last) => old_range(protocol, *first, *last),
        PortSpec::All => old_range(protocol, 1, u16::MAX),
    }
}

fn old_range(protocol: &str, first: u16, last: u16) -> Yaml {
    Yaml::one("portRange", Yaml::one("protocol", protocol).with("start", first).with("end", last))
}

/// An entry of `protocols` (v1alpha2).
fn new_port(entry: &PortMatch) -> Yaml {
    let (first, last) = match &entry.ports {
        PortSpec::Named(name) => return Yaml::one("destinationNamedPort", name),
        PortSpec::Range(first, last) => (*first, *last),
        PortSpec::All => (1, u16::MAX),
    };
    let port = if first == last {
        Yaml::one("number", first)
    } else {
        Yaml::one("range", Yaml::one("start", first).with("end", last))
    };
    let protocol = entry.protocol.unwrap_or(Protocol::Tcp).as_str().to_ascii_lowercase();
    Yaml::one(&protocol, Yaml::one("destinationPort", port))
}
