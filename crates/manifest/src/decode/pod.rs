//! `v1` Pod, and the pod templates of workloads. In: mappings. Out: what policies see of a pod.

use std::net::IpAddr;

use ringfence_model::{Text, workload::ContainerPort};

use crate::{
    decode::{
        cidr,
        cursor::{Decoder, Map},
        details::{self, Draft},
        meta::{self, Meta, Rules},
        names, port,
    },
    tree::Node,
};

/// A pod as its manifest says, before it has found its workload.
#[derive(Clone, Debug)]
pub(crate) struct PodObject {
    /// Name, namespace, labels, owner.
    pub(crate) meta: Meta,
    /// What its spec says.
    pub(crate) spec: PodSpec,
    /// Its own addresses, or its node's if it uses the node's network.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether its condition Ready is not false.
    pub(crate) ready: bool,
    /// Whether its phase is Succeeded or Failed.
    pub(crate) finished: bool,
}

/// What the spec of a pod or of a template says.
#[derive(Clone, Debug)]
pub(crate) struct PodSpec {
    /// Declared ports, sorted, without repeats.
    pub(crate) ports: Vec<ContainerPort>,
    /// Whether it uses its node's network.
    pub(crate) host_network: bool,
    /// Its node.
    pub(crate) node: Option<Text>,
    /// Its service account.
    pub(crate) service_account: Text,
    /// What its containers are and do, if someone asked.
    pub(crate) details: Option<Draft>,
}

/// A Pod.
pub(crate) fn decode(d: &mut Decoder<'_>, root: &Map<'_, '_>, namespace: &str) -> Option<PodObject> {
    let rules =
        Rules { kind: "Pod", namespace: Some(namespace), grammar: names::dns_subdomain, generated: true };
    let meta = meta::meta(d, root, rules)?;
    d.near(root, "this Pod", &["metadata", "spec", "status"]);
    let mut spec = spec(d, root.get("spec"), "a pod");
    if d.details {
        spec.details = Some(details::decode(d, root));
    }
    let status = root.get("status").and_then(Map::of);
    let mut pod = PodObject { meta, spec, addresses: Vec::new(), ready: true, finished: false };
    if let Some(status) = status {
        pod.addresses = addresses(&status, pod.spec.host_network);
        pod.finished = matches!(status.get("phase").and_then(Node::text), Some("Succeeded" | "Failed"));
        pod.ready = is_ready(&status);
    }
    Some(pod)
}

fn addresses(status: &Map<'_, '_>, host_network: bool) -> Vec<IpAddr> {
    let read = |list: &str, alone: &str| {
        let listed = status.get(list).map_or(&[] as &[Node<'_>], |node| match &node.kind {
            crate::tree::Kind::Seq(items) => items,
            _ => &[],
        });
        let ips = listed.iter().filter_map(Map::of).filter_map(|map| map.get("ip").and_then(cidr::address));
        let mut found: Vec<IpAddr> = ips.chain(status.get(alone).and_then(cidr::address)).collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    if host_network {
        let host = read("hostIPs", "hostIP");
        if !host.is_empty() {
            return host;
        }
    }
    read("podIPs", "podIP")
}

fn is_ready(status: &Map<'_, '_>) -> bool {
    let Some(crate::tree::Kind::Seq(conditions)) = status.get("conditions").map(|node| &node.kind) else {
        return true;
    };
    let mut ready = conditions.iter().filter_map(Map::of);
    let ready = ready.find(|condition| condition.get("type").and_then(Node::text) == Some("Ready"));
    ready.and_then(|condition| condition.get("status").and_then(Node::text)) != Some("False")
}

/// The spec of a pod, or of a template. An absent one has nothing in it.
pub(crate) fn spec(d: &mut Decoder<'_>, node: Option<&Node<'_>>, place: &str) -> PodSpec {
    let mut spec = PodSpec {
        ports: Vec::new(),
        host_network: false,
        node: None,
        service_account: d.intern("default"),
        details: None,
    };
    let Some(map) = node.and_then(|node| d.map(node, &format!("the spec of {place}"))) else { return spec };
    d.near(
        &map,
        &format!("the spec of {place}"),
        &["containers", "initContainers", "hostNetwork", "nodeName"],
    );
    spec.host_network = d.boolean_field(&map, "hostNetwork").unwrap_or(false);
    spec.node = d.text_field(&map, "nodeName");
    let account = d.text_field(&map, "serviceAccountName").or_else(|| d.text_field(&map, "serviceAccount"));
    if let Some(account) = account {
        spec.service_account = account;
    }
    for item in d.list(&map, "containers") {
        container(d, item, &mut spec.ports);
    }
    for item in d.list(&map, "initContainers") {
        // An init container that restarts is a sidecar: it runs as long as the pod.
        let policy = Map::of(item).and_then(|map| map.get("restartPolicy")).and_then(Node::text);
        if policy == Some("Always") {
            container(d, item, &mut spec.ports);
        }
    }
    spec.ports.sort_unstable();
    spec.ports.dedup();
    spec
}

fn container(d: &mut Decoder<'_>, item: &Node<'_>, ports: &mut Vec<ContainerPort>) {
    let Some(map) = d.map(item, "a container") else { return };
    for item in d.list(&map, "ports") {
        ports.extend(container_port(d, item));
    }
}

fn container_port(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<ContainerPort> {
    let map = d.map(item, "an entry of `ports`")?;
    d.near(&map, "a container port", &["name", "containerPort", "protocol"]);
    let protocol = port::protocol(d, &map);
    let name = match map.get("name") {
        Some(node) => Some(d.name(node, "the port name", names::port_name)?),
        None => None,
    };
    let Some(number) = map.get("containerPort") else {
        d.missing(&map, "this container port", "containerPort");
        return None;
    };
    let port = port::number(d, number, "`containerPort`");
    Some(ContainerPort { name, protocol: protocol?, port: port? })
}
