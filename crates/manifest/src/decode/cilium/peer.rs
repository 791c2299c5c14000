//! One entry of a peer list of a Cilium rule. In: its node and the list's name. Out: a peer.

use ringfence_model::{
    Text,
    cilium::{CiliumPeer, Entity, FqdnMatch, ServiceRef},
    label::Selector,
};

use crate::{
    decode::{
        cidr,
        cursor::{Decoder, Map, quoted},
        names,
        selector::{self, Keys},
    },
    tree::Node,
};

/// A peer. `namespace` is the policy's.
pub(super) fn decode(
    d: &mut Decoder<'_>,
    item: &Node<'_>,
    field: &str,
    namespace: Option<&str>,
) -> Option<CiliumPeer> {
    let origin = d.origin(item);
    match field {
        "fromEndpoints" | "toEndpoints" => {
            let place = format!("an item of `{field}`");
            Some(CiliumPeer::Endpoints(selector::read(d, item, &place, Keys::Sourced), origin))
        }
        "fromEntities" | "toEntities" => {
            d.choice(item, "entity", &Entity::NAMES).map(|entity| CiliumPeer::Entity(entity, origin))
        }
        "fromCIDR" | "toCIDR" => {
            let cidr = cidr::cidr(d, item, "the CIDR")?;
            Some(CiliumPeer::Cidr { cidr, except: Vec::new(), origin })
        }
        "fromCIDRSet" | "toCIDRSet" => cidr_set(d, item),
        "fromNodes" | "toNodes" => {
            let selector = selector::read(d, item, &format!("an item of `{field}`"), Keys::Sourced);
            Some(CiliumPeer::Nodes(without_sources(d, selector), origin))
        }
        "toServices" => service(d, item, namespace),
        "toFQDNs" => Some(CiliumPeer::Fqdn(fqdn(d, item, "an item of `toFQDNs`")?, origin)),
        _ => {
            let name = if field == "fromGroups" { "fromGroups" } else { "toGroups" };
            d.strict_map(item, &format!("an item of `{field}`"), &["aws"])?;
            Some(CiliumPeer::Unresolved(name, origin))
        }
    }
}

/// Node labels have one source, so that a prefix says nothing.
fn without_sources(d: &mut Decoder<'_>, mut selector: Selector) -> Selector {
    for requirement in &mut selector.requirements {
        if let Some((_, key)) = requirement.key.clone().split_once(':') {
            requirement.key = d.intern(key);
        }
    }
    selector
}

fn cidr_set(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<CiliumPeer> {
    const KINDS: [&str; 3] = ["cidr", "cidrGroupRef", "cidrGroupSelector"];
    let map = d.strict_map(item, "a CIDR rule", &["cidr", "cidrGroupRef", "cidrGroupSelector", "except"])?;
    let origin = d.origin(item);
    if KINDS.iter().filter(|field| map.has(field)).count() != 1 {
        let allowed = format!("exactly one of {}", quoted(KINDS));
        d.error(item, "peer-fields", "this CIDR rule must name one set of addresses", allowed);
        return None;
    }
    let except = d.list(&map, "except");
    if let Some(node) = map.get("cidr") {
        let cidr = cidr::cidr(d, node, "`cidr`");
        let except = cidr::except(d, except, cidr, false);
        return Some(CiliumPeer::Cidr { cidr: cidr?, except, origin });
    }
    cidr::except(d, except, None, false);
    let name = match map.get("cidrGroupRef") {
        Some(node) => {
            d.name(node, "`cidrGroupRef`", names::dns_subdomain)?;
            "cidrGroupRef"
        }
        None => {
            map.get("cidrGroupSelector").map(|node| selector::selector(d, node, "`cidrGroupSelector`"));
            "cidrGroupSelector"
        }
    };
    Some(CiliumPeer::Unresolved(name, origin))
}

fn service(d: &mut Decoder<'_>, item: &Node<'_>, namespace: Option<&str>) -> Option<CiliumPeer> {
    const KINDS: [&str; 2] = ["k8sService", "k8sServiceSelector"];
    let map = d.strict_map(item, "an item of `toServices`", &KINDS)?;
    let origin = d.origin(item);
    match (map.get("k8sService"), map.get("k8sServiceSelector")) {
        (Some(node), None) => {
            let map = d.strict_map(node, "`k8sService`", &["serviceName", "namespace"])?;
            let Some(name) = d.text_field(&map, "serviceName") else {
                d.missing(&map, "`k8sService`", "serviceName");
                return None;
            };
            let namespace = service_namespace(d, &map, namespace);
            Some(CiliumPeer::Service(ServiceRef::Named { namespace, name }, origin))
        }
        (None, Some(node)) => {
            let map = d.strict_map(node, "`k8sServiceSelector`", &["selector", "namespace"])?;
            let Some(selector) = map.get("selector") else {
                d.missing(&map, "`k8sServiceSelector`", "selector");
                return None;
            };
            let selector = selector::read(d, selector, "`selector`", Keys::Sourced);
            let selector = without_sources(d, selector);
            let namespace = d.text_field(&map, "namespace");
            Some(CiliumPeer::Service(ServiceRef::Selected { namespace, selector }, origin))
        }
        _ => {
            let allowed = format!("exactly one of {}", quoted(KINDS));
            d.error(item, "peer-fields", "this item of `toServices` must have one field", allowed);
            None
        }
    }
}

fn service_namespace(d: &mut Decoder<'_>, map: &Map<'_, '_>, policy: Option<&str>) -> Text {
    if let Some(namespace) = d.text_field(map, "namespace") {
        return namespace;
    }
    if policy.is_none() {
        let message = "a Service without `namespace` in a cluster-wide policy";
        d.warning(map.node, "no-effect", message, "it selects no Service: add `namespace`");
    }
    d.intern(policy.unwrap_or_default())
}

/// A DNS name or pattern.
pub(super) fn fqdn(d: &mut Decoder<'_>, item: &Node<'_>, place: &str) -> Option<FqdnMatch> {
    const KINDS: [&str; 2] = ["matchName", "matchPattern"];
    let map = d.strict_map(item, place, &KINDS)?;
    let (field, node) = match (map.get("matchName"), map.get("matchPattern")) {
        (Some(node), None) => ("matchName", node),
        (None, Some(node)) => ("matchPattern", node),
        _ => {
            let allowed = format!("exactly one of {}", quoted(KINDS));
            d.error(item, "peer-fields", format!("{place} must have one field"), allowed);
            return None;
        }
    };
    let text = d.string(node, &format!("`{field}`"))?;
    let is_pattern = field == "matchPattern";
    if !is_dns(text, is_pattern) {
        let characters = if is_pattern {
            "letters, digits, `-`, `_`, `.` and `*`"
        } else {
            "letters, digits, `-`, `_` and `.`"
        };
        let message = format!("`{text}` is not a DNS {}", if is_pattern { "pattern" } else { "name" });
        d.error(node, "invalid-name", message, format!("at most 255 {characters}, not two dots in a row"));
        return None;
    }
    let text = d.intern(text);
    Some(if is_pattern { FqdnMatch::Pattern(text) } else { FqdnMatch::Name(text) })
}

fn is_dns(text: &str, is_pattern: bool) -> bool {
    let is_inner = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (is_pattern && byte == b'*')
    };
    let text_without_dot = text.strip_suffix('.').unwrap_or(text);
    text.len() <= 255
        && text_without_dot.split('.').all(|label| !label.is_empty() && label.bytes().all(is_inner))
}
