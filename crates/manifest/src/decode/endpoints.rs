//! `discovery.k8s.io/v1` EndpointSlice and `v1` Endpoints. In: the object's mapping. Out: endpoint slices.

use ringfence_model::{
    Text,
    service::{EndpointSlice, SliceEndpoint},
};

use crate::{
    decode::{
        cidr,
        cursor::{Decoder, Map},
        meta::{self, Meta, Rules},
        names, port,
    },
    tree::Node,
};

/// The label that names an EndpointSlice's Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// An EndpointSlice.
pub(crate) fn slice(d: &mut Decoder<'_>, root: &Map<'_, '_>, namespace: &str) -> Option<EndpointSlice> {
    let rules = Rules {
        kind: "EndpointSlice",
        namespace: Some(namespace),
        grammar: names::dns_subdomain,
        generated: false,
    };
    let meta = meta::meta(d, root, rules)?;
    d.near(root, "this EndpointSlice", &["metadata", "addressType", "endpoints", "ports"]);
    let endpoints = d.list(root, "endpoints").iter().filter_map(|item| endpoint(d, item)).collect();
    let ports = d.list(root, "ports").iter().filter_map(|item| slice_port(d, item)).collect();
    let service = meta.labels.get(SERVICE_NAME).cloned();
    let Meta { name, namespace, origin, .. } = meta;
    Some(EndpointSlice { namespace: namespace.unwrap_or_default(), name, service, endpoints, ports, origin })
}

fn endpoint(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<SliceEndpoint> {
    let map = d.map(item, "an endpoint")?;
    // Slices of the address type FQDN hold names, which no flow has.
    let addresses = d.list(&map, "addresses").iter().filter_map(cidr::address).collect();
    let conditions = map.get("conditions").and_then(Map::of);
    let ready = conditions.and_then(|map| d.boolean_field(&map, "ready")).unwrap_or(true);
    let pod = target_pod(d, &map);
    Some(SliceEndpoint { addresses, ready, pod })
}

fn target_pod(d: &mut Decoder<'_>, map: &Map<'_, '_>) -> Option<Text> {
    let target = map.get("targetRef").and_then(Map::of)?;
    (target.get("kind").and_then(Node::text) == Some("Pod")).then(|| d.text_field(&target, "name"))?
}

type SlicePort = (Option<Text>, ringfence_model::port::Protocol, Option<u16>);

fn slice_port(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<SlicePort> {
    let map = d.map(item, "an entry of `ports`")?;
    let protocol = port::protocol(d, &map);
    let number = port::number_field(d, &map, "port");
    Some((d.text_field(&map, "name"), protocol?, number))
}

/// An Endpoints object: one slice for each of its subsets.
pub(crate) fn endpoints(d: &mut Decoder<'_>, root: &Map<'_, '_>, namespace: &str) -> Vec<EndpointSlice> {
    let rules = Rules {
        kind: "Endpoints",
        namespace: Some(namespace),
        grammar: names::dns_subdomain,
        generated: false,
    };
    let Some(meta) = meta::meta(d, root, rules) else { return Vec::new() };
    let mut slices = Vec::new();
    for item in d.list(root, "subsets") {
        let Some(map) = d.map(item, "a subset") else { continue };
        let mut endpoints = Vec::new();
        for (field, ready) in [("addresses", true), ("notReadyAddresses", false)] {
            for item in d.list(&map, field) {
                let Some(item) = d.map(item, "an address") else { continue };
                let addresses = item.get("ip").and_then(cidr::address).into_iter().collect();
                endpoints.push(SliceEndpoint { addresses, ready, pod: target_pod(d, &item) });
            }
        }
        let ports = d.list(&map, "ports").iter().filter_map(|item| slice_port(d, item)).collect();
        slices.push(EndpointSlice {
            namespace: meta.namespace(),
            name: meta.name.clone(),
            service: Some(meta.name.clone()),
            endpoints,
            ports,
            origin: meta.origin,
        });
    }
    slices
}
