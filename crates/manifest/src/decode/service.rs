//! `v1` Service. In: the object's mapping. Out: its ports, its selector and its addresses.

use std::net::IpAddr;

use ringfence_model::{
    address::Family,
    service::{Service, ServicePort, ServiceType, TargetPort},
};

use crate::{
    decode::{
        cidr,
        cursor::{Decoder, Map},
        labels,
        meta::{self, Meta, Rules},
        names,
        port::{self, NumberOrName},
    },
    tree::Node,
};

#[derive(Clone, Copy)]
enum Type {
    ClusterIp,
    NodePort,
    LoadBalancer,
    ExternalName,
}

const TYPES: [(&str, Type); 4] = [
    ("ClusterIP", Type::ClusterIp),
    ("NodePort", Type::NodePort),
    ("LoadBalancer", Type::LoadBalancer),
    ("ExternalName", Type::ExternalName),
];

const FAMILIES: [(&str, Family); 2] = [("IPv4", Family::V4), ("IPv6", Family::V6)];

/// A Service.
pub(crate) fn decode(d: &mut Decoder<'_>, root: &Map<'_, '_>, namespace: &str) -> Option<Service> {
    let rules =
        Rules { kind: "Service", namespace: Some(namespace), grammar: names::service_name, generated: false };
    let meta = meta::meta(d, root, rules)?;
    d.near(root, "this Service", &["metadata", "spec", "status"]);
    let Some(spec) = root.get("spec") else {
        d.missing(root, "this Service", "spec");
        return None;
    };
    let spec = d.map(spec, "`spec`")?;
    d.near(&spec, "the spec of this Service", &["selector", "ports", "type", "clusterIP", "externalName"]);
    let kind = match spec.get("type") {
        Some(node) => d.choice(node, "Service type", &TYPES).unwrap_or(Type::ClusterIp),
        None => Type::ClusterIp,
    };
    let kind = match kind {
        Type::ClusterIp => ServiceType::ClusterIp,
        Type::NodePort => ServiceType::NodePort,
        Type::LoadBalancer => ServiceType::LoadBalancer,
        Type::ExternalName => {
            let Some(name) = d.text_field(&spec, "externalName") else {
                d.missing(&spec, "this Service of the type ExternalName", "externalName");
                return None;
            };
            ServiceType::ExternalName(name)
        }
    };
    let external = matches!(kind, ServiceType::ExternalName(_));
    let headless = !external && spec.get("clusterIP").and_then(Node::text) == Some("None");
    let ports: Vec<ServicePort> =
        d.list(&spec, "ports").iter().filter_map(|item| service_port(d, item)).collect();
    if !spec.has("ports") && !headless && !external {
        d.missing(&spec, "the spec of this Service", "ports");
    }
    let selector = spec.get("selector").map(|node| labels::labels(d, node, "`selector`"));
    let selector = selector.filter(|labels| !labels.is_empty() && !external);
    let families =
        d.list(&spec, "ipFamilies").iter().filter_map(|node| d.choice(node, "address family", &FAMILIES));
    let families = families.collect();
    let Meta { name, namespace, labels, origin, .. } = meta;
    Some(Service {
        namespace: namespace.unwrap_or_default(),
        name,
        labels,
        kind,
        headless,
        selector,
        cluster_ips: cluster_ips(d, &spec),
        external_ips: external_ips(d, root, &spec),
        families,
        publish_not_ready: d.boolean_field(&spec, "publishNotReadyAddresses").unwrap_or(false),
        external_traffic_local: spec.str("externalTrafficPolicy") == Some("Local"),
        ports,
        origin,
    })
}

fn service_port(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<ServicePort> {
    let map = d.map(item, "an entry of `ports`")?;
    d.near(&map, "a Service port", &["name", "port", "protocol", "targetPort", "nodePort"]);
    let name = match map.get("name") {
        Some(node) if node.text() != Some("") => d.name(node, "the port name", names::dns_label),
        _ => None,
    };
    let protocol = port::protocol(d, &map);
    let target = map.get("targetPort").map(|node| port::number_or_name(d, node, "`targetPort`"));
    let node_port = port::number_field(d, &map, "nodePort");
    let Some(number) = map.get("port") else {
        d.missing(&map, "this Service port", "port");
        return None;
    };
    let port = port::number(d, number, "`port`")?;
    let target = match target {
        None => TargetPort::Number(port),
        Some(target) => match target? {
            NumberOrName::Number(number) => TargetPort::Number(number),
            NumberOrName::Name(name) => TargetPort::Name(name),
        },
    };
    Some(ServicePort { name, protocol: protocol?, port, target, node_port, origin: d.origin(item) })
}

fn cluster_ips(d: &mut Decoder<'_>, spec: &Map<'_, '_>) -> Vec<IpAddr> {
    let mut ips = Vec::new();
    for node in d.list(spec, "clusterIPs").iter().chain(spec.get("clusterIP")) {
        if matches!(node.text(), Some("None" | "")) {
            continue;
        }
        match cidr::address(node) {
            Some(ip) if !ips.contains(&ip) => ips.push(ip),
            Some(_) => {}
            None => not_an_address(d, node, "the cluster IP"),
        }
    }
    ips
}

fn external_ips(d: &mut Decoder<'_>, root: &Map<'_, '_>, spec: &Map<'_, '_>) -> Vec<IpAddr> {
    let mut ips = Vec::new();
    for node in d.list(spec, "externalIPs") {
        match cidr::address(node) {
            Some(ip) => ips.push(ip),
            None => not_an_address(d, node, "the external IP"),
        }
    }
    let balancer = root.get("status").and_then(Map::of).and_then(|status| status.get("loadBalancer"));
    if let Some(balancer) = balancer.and_then(Map::of) {
        let items = d.list(&balancer, "ingress").iter().filter_map(Map::of);
        ips.extend(items.filter_map(|item| item.get("ip").and_then(cidr::address)));
    }
    ips
}

fn not_an_address(d: &mut Decoder<'_>, node: &Node<'_>, what: &str) {
    let text = node.text().unwrap_or_default();
    d.error(node, "invalid-address", format!("{what} `{text}` is not an address"), "an IPv4 or IPv6 address");
}
