//! `gateway.networking.k8s.io` Gateway and HTTPRoute. In: the object's mapping. Out: entry points.

use ringfence_model::{
    Text,
    service::{Backend, BackendPort, EntryPoint, EntryPointKind},
};

use crate::{
    decode::{
        cursor::{Decoder, Map},
        meta::{self, Meta, Rules},
        names, port,
    },
    tree::Node,
};

fn entry_point(
    d: &mut Decoder<'_>,
    root: &Map<'_, '_>,
    namespace: &str,
    kind: EntryPointKind,
) -> Option<EntryPoint> {
    let name = kind.as_str();
    let rules =
        Rules { kind: name, namespace: Some(namespace), grammar: names::dns_subdomain, generated: false };
    let meta = meta::meta(d, root, rules)?;
    d.near(root, &format!("this {name}"), &["metadata", "spec", "status"]);
    let Meta { name, namespace, origin, .. } = meta;
    Some(EntryPoint {
        kind,
        namespace: namespace.unwrap_or_default(),
        name,
        class: None,
        hosts: Vec::new(),
        parents: Vec::new(),
        backends: Vec::new(),
        origin,
    })
}

fn add_once<T: PartialEq>(list: &mut Vec<T>, item: Option<T>) {
    list.extend(item.filter(|item| !list.contains(item)));
}

/// A Gateway: its class and the host names of its listeners.
pub(crate) fn gateway(d: &mut Decoder<'_>, root: &Map<'_, '_>, namespace: &str) -> Option<EntryPoint> {
    let mut entry = entry_point(d, root, namespace, EntryPointKind::Gateway)?;
    let Some(spec) = root.get("spec").and_then(|node| d.map(node, "`spec`")) else { return Some(entry) };
    d.near(&spec, "the spec of this Gateway", &["gatewayClassName", "listeners"]);
    entry.class = d.text_field(&spec, "gatewayClassName");
    for item in d.list(&spec, "listeners") {
        let Some(listener) = d.map(item, "a listener") else { continue };
        add_once(&mut entry.hosts, d.text_field(&listener, "hostname"));
    }
    Some(entry)
}

/// An HTTPRoute: the Gateways it hangs from and the Services it leads to.
pub(crate) fn route(d: &mut Decoder<'_>, root: &Map<'_, '_>, namespace: &str) -> Option<EntryPoint> {
    let mut entry = entry_point(d, root, namespace, EntryPointKind::HttpRoute)?;
    let Some(spec) = root.get("spec").and_then(|node| d.map(node, "`spec`")) else { return Some(entry) };
    d.near(&spec, "the spec of this HTTPRoute", &["parentRefs", "hostnames", "rules"]);
    for item in d.list(&spec, "hostnames") {
        let host = d.string(item, "a host name").map(|host| d.intern(host));
        add_once(&mut entry.hosts, host);
    }
    for item in d.list(&spec, "parentRefs") {
        let Some(parent) = d.map(item, "a parent reference") else { continue };
        if !is_kind(&parent, "Gateway") {
            continue;
        }
        let namespace = d.text_field(&parent, "namespace").unwrap_or_else(|| entry.namespace.clone());
        let name = d.text_field(&parent, "name");
        add_once(&mut entry.parents, name.map(|name| (namespace, name)));
    }
    for item in d.list(&spec, "rules") {
        let Some(rule) = d.map(item, "a rule") else { continue };
        for item in d.list(&rule, "backendRefs") {
            let found = backend(d, item, &entry.namespace);
            add_once(&mut entry.backends, found);
        }
    }
    Some(entry)
}

/// Whether a reference is to a kind, which is also what it refers to if it names none.
fn is_kind(reference: &Map<'_, '_>, kind: &str) -> bool {
    reference.get("kind").and_then(Node::text).is_none_or(|named| named == kind)
}

fn backend(d: &mut Decoder<'_>, item: &Node<'_>, namespace: &Text) -> Option<Backend> {
    let map = d.map(item, "a backend reference")?;
    if !is_kind(&map, "Service") {
        return None;
    }
    let port = port::number_field(d, &map, "port").map(BackendPort::Number);
    let namespace = d.text_field(&map, "namespace").unwrap_or_else(|| namespace.clone());
    Some(Backend { namespace, service: d.text_field(&map, "name")?, port })
}
