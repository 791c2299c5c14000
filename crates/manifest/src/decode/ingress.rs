//! `networking.k8s.io/v1` Ingress and the shape it had before. In: the object's mapping. Out: an entry point.

use ringfence_model::{
    Text,
    service::{Backend, BackendPort, EntryPoint, EntryPointKind},
};

use crate::{
    decode::{
        cursor::{Decoder, Map},
        meta::{self, Meta, Rules},
        names,
        port::{self, NumberOrName},
    },
    tree::Node,
};

/// An Ingress.
pub(crate) fn decode(d: &mut Decoder<'_>, root: &Map<'_, '_>, namespace: &str) -> Option<EntryPoint> {
    let rules = Rules {
        kind: "Ingress",
        namespace: Some(namespace),
        grammar: names::dns_subdomain,
        generated: false,
    };
    let meta = meta::meta(d, root, rules)?;
    d.near(root, "this Ingress", &["metadata", "spec", "status"]);
    let annotated = meta::annotations(d, root).get("kubernetes.io/ingress.class").cloned();
    let Meta { name, namespace, origin, .. } = meta;
    let namespace = namespace.unwrap_or_default();
    let mut entry = EntryPoint {
        kind: EntryPointKind::Ingress,
        namespace,
        name,
        class: annotated,
        hosts: Vec::new(),
        parents: Vec::new(),
        backends: Vec::new(),
        origin,
    };
    let Some(spec) = root.get("spec").and_then(|node| d.map(node, "`spec`")) else { return Some(entry) };
    d.near(&spec, "the spec of this Ingress", &["rules", "defaultBackend", "backend", "ingressClassName"]);
    if let Some(class) = d.text_field(&spec, "ingressClassName") {
        entry.class = Some(class);
    }
    for field in ["defaultBackend", "backend"] {
        if let Some(node) = spec.get(field) {
            let found = backend(d, node, &entry.namespace);
            add(&mut entry, found);
        }
    }
    for item in d.list(&spec, "rules") {
        rule(d, item, &mut entry);
    }
    Some(entry)
}

fn rule(d: &mut Decoder<'_>, item: &Node<'_>, entry: &mut EntryPoint) {
    let Some(rule) = d.map(item, "a rule") else { return };
    if let Some(host) = d.text_field(&rule, "host")
        && !entry.hosts.contains(&host)
    {
        entry.hosts.push(host);
    }
    let Some(http) = rule.get("http").and_then(|node| d.map(node, "`http`")) else { return };
    for item in d.list(&http, "paths") {
        let Some(path) = d.map(item, "a path") else { continue };
        match path.get("backend") {
            Some(node) => {
                let found = backend(d, node, &entry.namespace);
                add(entry, found);
            }
            None => d.missing(&path, "this path", "backend"),
        }
    }
}

fn add(entry: &mut EntryPoint, backend: Option<Backend>) {
    entry.backends.extend(backend.filter(|backend| !entry.backends.contains(backend)));
}

fn backend(d: &mut Decoder<'_>, node: &Node<'_>, namespace: &Text) -> Option<Backend> {
    let map = d.map(node, "a backend")?;
    // A `resource` backend (a bucket, say) leads to no pod.
    let (service, port) = match map.get("service") {
        Some(node) => {
            let service = d.map(node, "`service`")?;
            let port = service.get("port").and_then(|node| d.map(node, "`port`"));
            let port = port.and_then(|port| match (port.get("number"), port.get("name")) {
                (Some(node), _) => port::number(d, node, "`number`").map(BackendPort::Number),
                (None, Some(_)) => d.text_field(&port, "name").map(BackendPort::Name),
                (None, None) => None,
            });
            (d.text_field(&service, "name")?, port)
        }
        None => {
            let port = map.get("servicePort").and_then(|node| port::number_or_name(d, node, "`servicePort`"));
            let port = port.map(|port| match port {
                NumberOrName::Number(number) => BackendPort::Number(number),
                NumberOrName::Name(name) => BackendPort::Name(name),
            });
            (d.text_field(&map, "serviceName")?, port)
        }
    };
    Some(Backend { namespace: namespace.clone(), service, port })
}
