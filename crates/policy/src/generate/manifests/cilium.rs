//! Manifests of Cilium policies. In: a cluster. Out: their objects.

use ringfence_model::{
    cilium::{
        CiliumPeer, CiliumPolicy, CiliumPortRule, CiliumRule, CiliumSpec, CiliumSubject, FqdnMatch,
        HttpMatch, L7Match, ServiceRef,
    },
    cluster::Cluster,
    port::{PortMatch, PortSpec, Protocol},
};

use super::{Yaml, policy, selector};

/// All of them.
pub(super) fn all(cluster: &Cluster) -> Vec<Yaml> {
    cluster.cilium_policies.iter().map(cilium_policy).collect()
}

fn cilium_policy(one: &CiliumPolicy) -> Yaml {
    let object = policy("cilium.io/v2", &one.meta);
    match one.specs.as_slice() {
        [only] => object.with("spec", spec(only)),
        several => object.with("specs", Yaml::list(several, spec)),
    }
}

fn spec(one: &CiliumSpec) -> Yaml {
    let spec = match &one.subject {
        CiliumSubject::Endpoints(subject) => Yaml::one("endpointSelector", selector(subject)),
        CiliumSubject::Nodes(subject) => Yaml::one("nodeSelector", selector(subject)),
    };
    let mut default_deny = Yaml::Map(Vec::new());
    if one.isolates_ingress == (one.ingress.is_empty() && one.ingress_deny.is_empty()) {
        default_deny = default_deny.with("ingress", one.isolates_ingress);
    }
    if one.isolates_egress == (one.egress.is_empty() && one.egress_deny.is_empty()) {
        default_deny = default_deny.with("egress", one.isolates_egress);
    }
    spec.with_any("enableDefaultDeny", default_deny)
        .with("ingress", Yaml::list(&one.ingress, |one| rule(one, "from")))
        .with_any("ingressDeny", Yaml::list(&one.ingress_deny, |one| rule(one, "from")))
        .with_any("egress", Yaml::list(&one.egress, |one| rule(one, "to")))
        .with_any("egressDeny", Yaml::list(&one.egress_deny, |one| rule(one, "to")))
}

fn rule(rule: &CiliumRule, side: &str) -> Yaml {
    let mut yaml = Yaml::Map(Vec::new());
    if let Some(peers) = &rule.peers {
        // Peers of one kind stand in one list; a list that lists nobody is one of endpoints.
        let mut lists: Vec<(String, Vec<Yaml>)> = Vec::new();
        let plain = |one: &CiliumPeer| {
            !matches!(one, CiliumPeer::Cidr { except, .. } if !except.is_empty())
                && !matches!(one, CiliumPeer::Unresolved("cidrGroupRef", _))
        };
        let plain = peers.iter().all(plain);
        for one in peers {
            let (key, value) = peer(one, side, plain);
            match lists.iter_mut().find(|(known, _)| *known == key) {
                Some((_, list)) => list.push(value),
                None => lists.push((key, vec![value])),
            }
        }
        if lists.is_empty() {
            lists.push((format!("{side}Endpoints"), Vec::new()));
        }
        for (key, list) in lists {
            yaml = yaml.with(&key, Yaml::List(list));
        }
    }
    let icmps = Yaml::list(&rule.icmps, |icmp| {
        let family = if icmp.protocol == Protocol::Icmpv6 { "IPv6" } else { "IPv4" };
        Yaml::one("family", family).with("type", u16::from(icmp.kind))
    });
    let icmps = if rule.icmps.is_empty() { Vec::new() } else { vec![Yaml::one("fields", icmps)] };
    yaml.with_any(&format!("{side}Requires"), Yaml::list(&rule.requires, selector))
        .with_any("toPorts", Yaml::list(&rule.ports, port_rule))
        .with_any("icmps", Yaml::List(icmps))
}

/// The list that a peer stands in, and its entry. `plain` says that all networks of the rule are without exceptions;
/// else all stand in the list of those that may have some.
fn peer(peer: &CiliumPeer, side: &str, plain: bool) -> (String, Yaml) {
    let (list, entry) = match peer {
        CiliumPeer::Endpoints(endpoints, _) => ("Endpoints", selector(endpoints)),
        CiliumPeer::Entity(entity, _) => ("Entities", entity.as_str().into()),
        CiliumPeer::Cidr { cidr, .. } if plain => ("CIDR", cidr.to_string().into()),
        CiliumPeer::Cidr { cidr, except, .. } => (
            "CIDRSet",
            Yaml::one("cidr", cidr.to_string())
                .with_any("except", Yaml::list(except, |net| net.to_string().into())),
        ),
        CiliumPeer::Service(service, _) => ("Services", service_peer(service)),
        CiliumPeer::Fqdn(name, _) => ("FQDNs", fqdn(name)),
        CiliumPeer::Nodes(nodes, _) => ("Nodes", selector(nodes)),
        CiliumPeer::Unresolved("cidrGroupRef", _) => ("CIDRSet", Yaml::one("cidrGroupRef", "a-group")),
        CiliumPeer::Unresolved(..) => {
            ("Groups", Yaml::one("aws", Yaml::one("securityGroupsIds", Yaml::List(vec!["sg-1".into()]))))
        }
    };
    (format!("{side}{list}"), entry)
}

fn service_peer(service: &ServiceRef) -> Yaml {
    match service {
        ServiceRef::Named { namespace, name } => {
            Yaml::one("k8sService", Yaml::one("serviceName", name).with("namespace", namespace))
        }
        ServiceRef::Selected { namespace, selector: services } => Yaml::one(
            "k8sServiceSelector",
            Yaml::one("selector", selector(services)).with_some("namespace", namespace.as_ref()),
        ),
    }
}

fn fqdn(name: &FqdnMatch) -> Yaml {
    match name {
        FqdnMatch::Name(name) => Yaml::one("matchName", name),
        FqdnMatch::Pattern(pattern) => Yaml::one("matchPattern", pattern),
    }
}

fn port_rule(rule: &CiliumPortRule) -> Yaml {
    let port = |entry: &PortMatch| {
        let protocol = entry.protocol.map_or("ANY", Protocol::as_str);
        let port = match &entry.ports {
            PortSpec::All => Yaml::one("port", "0"),
            PortSpec::Named(name) => Yaml::one("port", name),
            PortSpec::Range(first, last) if first == last => Yaml::one("port", first.to_string()),
            PortSpec::Range(first, last) => Yaml::one("port", first.to_string()).with("endPort", *last),
        };
        port.with("protocol", protocol)
    };
    let mut lists: Vec<(&str, Vec<Yaml>)> = Vec::new();
    for one in &rule.l7 {
        let (key, entry) = match one {
            L7Match::Http(wanted) => ("http", http(wanted)),
            L7Match::Dns(name) => ("dns", fqdn(name)),
            L7Match::Other(_) => ("kafka", Yaml::one("topic", "orders")),
        };
        match lists.iter_mut().find(|(known, _)| *known == key) {
            Some((_, list)) => list.push(entry),
            None => lists.push((key, vec![entry])),
        }
    }
    let rules = Yaml::map(lists.into_iter().map(|(key, list)| (key, Yaml::List(list))));
    Yaml::Map(Vec::new()).with_any("ports", Yaml::list(&rule.ports, port)).with_any("rules", rules)
}

fn http(wanted: &HttpMatch) -> Yaml {
    let mut matches = Vec::new();
    let mut present = Vec::new();
    for (name, value) in &wanted.headers {
        match value {
            // A header with a value has its own field; `headers` asks for presence, or for both in one text.
            Some(value) => matches.push(Yaml::one("name", name).with("value", value)),
            None => present.push(name.into()),
        }
    }
    Yaml::Map(Vec::new())
        .with_some("method", wanted.method.as_ref())
        .with_some("path", wanted.path.as_ref())
        .with_some("host", wanted.host.as_ref())
        .with_any("headers", Yaml::List(present))
        .with_any("headerMatches", Yaml::List(matches))
}
