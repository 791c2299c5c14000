//! `toPorts` of a Cilium rule, with its conditions of layer 7. In: an entry of it. Out: ports and conditions.

use ringfence_model::{
    Text,
    cilium::{CiliumPortRule, HttpMatch, L7Match},
    port::{PortMatch, PortSpec, Protocol},
};

use crate::{
    decode::cursor::{Decoder, Map, quoted},
    scalar::Scalar,
    tree::{Kind, Node},
};

use super::{peer, rule::Section};

const FIELDS: [&str; 6] = ["ports", "rules", "serverNames", "listener", "terminatingTLS", "originatingTLS"];
const MOST_PORTS: usize = 40;

/// An entry of `toPorts`.
pub(super) struct PortRule {
    /// What it says.
    pub(super) rule: CiliumPortRule,
    /// Whether it only names protocols that no verdict is about (VRRP, IGMP).
    pub(super) foreign: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum L4 {
    Any,
    Of(Protocol),
    /// VRRP or IGMP: no flow has them.
    Foreign,
}

const PROTOCOLS: [(&str, L4); 7] = [
    ("ANY", L4::Any),
    ("TCP", L4::Of(Protocol::Tcp)),
    ("UDP", L4::Of(Protocol::Udp)),
    ("SCTP", L4::Of(Protocol::Sctp)),
    ("VRRP", L4::Foreign),
    ("IGMP", L4::Foreign),
    ("", L4::Any),
];

/// An entry of `toPorts`.
pub(super) fn decode(
    d: &mut Decoder<'_>,
    item: &Node<'_>,
    section: Section,
    on_nodes: bool,
) -> Option<PortRule> {
    let fields: &[&str] = if section.denies() { &["ports"] } else { &FIELDS };
    let map = d.strict_map(item, "an entry of `toPorts`", fields)?;
    d.at_most(&map, "ports", MOST_PORTS);
    let given = d.list(&map, "ports");
    let mut foreign = !given.is_empty();
    let mut ports = Vec::new();
    for item in given {
        match port(d, item) {
            Some(Some(port)) => {
                foreign = false;
                ports.push(port);
            }
            Some(None) => {}
            None => foreign = false,
        }
    }
    let l7 = if section.denies() { Vec::new() } else { layer7(d, &map, &ports, section, on_nodes) };
    if given.is_empty() && l7.is_empty() {
        let at = map.entry("ports").map_or(item, |(key, _)| key);
        d.warning(at, "empty-list", "this entry of `toPorts` names no port", "it is read as every port");
    }
    for field in ["listener", "terminatingTLS", "originatingTLS"] {
        if let Some((key, node)) = map.entry(field).filter(|_| map.has(field)) {
            d.map(node, &format!("`{field}`"));
            d.note(key, "not-judged", format!("`{field}` does not change verdicts"));
        }
    }
    Some(PortRule { rule: CiliumPortRule { ports, l7, origin: d.origin(item) }, foreign })
}

/// A port. `Some(None)` is one of a protocol that no verdict is about.
fn port(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<Option<PortMatch>> {
    let map = d.strict_map(item, "an entry of `ports`", &["port", "endPort", "protocol"])?;
    let protocol = match map.get("protocol") {
        Some(node) => d.choice(node, "protocol", &PROTOCOLS),
        None => Some(L4::Any),
    };
    let protocol = match protocol? {
        L4::Foreign => return Some(None),
        L4::Any => None,
        L4::Of(protocol) => Some(protocol),
    };
    let Some(node) = map.get("port") else {
        d.missing(&map, "this entry of `ports`", "port");
        return None;
    };
    let end = match map.get("endPort") {
        Some(node) => Some((node, d.integer(node, "`endPort`", 0, 65535)?)).filter(|(_, end)| *end > 0),
        None => None,
    };
    let text = d.string(node, "`port`")?;
    let ports = match number(text) {
        Some(0) => PortSpec::All,
        Some(first) => {
            let last = end.map_or(Some(first), |(_, end)| u16::try_from(end).ok())?;
            if let Some((node, _)) = end
                && last < first
            {
                let message = format!("`endPort` {last} is less than `port` {first}");
                d.error(node, "end-port", message, format!("{first} to 65535"));
                return None;
            }
            PortSpec::Range(first, last)
        }
        None if is_service_name(text) => {
            if let Some((node, _)) = end {
                let message = format!("`endPort` with the named port `{text}`");
                d.error(node, "end-port", message, "a range needs a number in `port`");
            }
            // Cilium compares port names without regard to case.
            PortSpec::Named(d.intern(&text.to_ascii_lowercase()))
        }
        None => {
            let allowed =
                "a number from 0 to 65535 in quotes (0 is every port), or the name of a container port";
            d.error(node, "invalid-port", format!("`port` `{text}` is not a port"), allowed);
            return None;
        }
    };
    Some(Some(PortMatch { protocol, ports, origin: d.origin(item) }))
}

fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// RFC 6335, letters of either case.
fn is_service_name(text: &str) -> bool {
    crate::decode::names::port_name(&text.to_ascii_lowercase()).is_none()
}

/// The conditions of layer 7.
fn layer7(
    d: &mut Decoder<'_>,
    map: &Map<'_, '_>,
    ports: &[PortMatch],
    section: Section,
    on_nodes: bool,
) -> Vec<L7Match> {
    let names = d.list(map, "serverNames");
    for name in names {
        d.string(name, "a server name");
    }
    let mut l7 = rules(d, map, ports, section, on_nodes);
    if l7.is_empty() && !names.is_empty() {
        l7.push(L7Match::Other(d.intern("serverNames")));
    }
    l7
}

fn rules(
    d: &mut Decoder<'_>,
    map: &Map<'_, '_>,
    ports: &[PortMatch],
    section: Section,
    on_nodes: bool,
) -> Vec<L7Match> {
    const KINDS: [&str; 4] = ["http", "dns", "kafka", "l7proto"];
    let Some(node) = map.get("rules") else { return Vec::new() };
    let Some(rules) = d.strict_map(node, "`rules`", &["http", "dns", "kafka", "l7proto", "l7"]) else {
        return Vec::new();
    };
    let at = map.entry("rules").map_or(node, |(key, _)| key);
    let mut given = KINDS.iter().filter(|field| rules.has(field));
    let (Some(kind), None) = (given.next(), given.next()) else {
        let allowed = format!("exactly one of {}", quoted(KINDS));
        d.error(at, "conflicting-fields", "`rules` must be about one protocol", allowed);
        return Vec::new();
    };
    let mut l7 = Vec::new();
    match *kind {
        "http" => {
            for item in d.list(&rules, "http") {
                l7.extend(http(d, item).map(L7Match::Http));
            }
        }
        "dns" => {
            for item in d.list(&rules, "dns") {
                l7.extend(peer::fqdn(d, item, "an item of `dns`").map(L7Match::Dns));
            }
        }
        "kafka" => {
            if !d.list(&rules, "kafka").is_empty() {
                l7.push(L7Match::Other(d.intern("kafka")));
            }
        }
        _ => {
            d.list(&rules, "l7");
            l7.extend(d.text_field(&rules, "l7proto").map(L7Match::Other));
        }
    }
    let is_dns = *kind == "dns";
    if is_dns && section.is_ingress() {
        d.error(at, "not-supported", "DNS rules for ingress", "Cilium has DNS rules for egress only");
    } else if on_nodes {
        d.error(
            at,
            "not-supported",
            "rules of layer 7 in a policy for nodes",
            "Cilium does not support them",
        );
    } else if map.get("ports").is_none_or(|node| matches!(&node.kind, Kind::Seq(items) if items.is_empty())) {
        d.error(at, "missing-field", "`rules` without `ports`", "name the ports that the rules are about");
    } else if let Some(port) = ports.iter().find(|port| port.ports == PortSpec::All) {
        refuse_port(d, port, "rules of layer 7 for every port", "name the ports that the rules are about");
    } else if let Some(port) = ports.iter().find(|port| !is_dns && port.protocol != Some(Protocol::Tcp)) {
        refuse_port(
            d,
            port,
            format!("`{kind}` rules for a port that is not TCP only"),
            "add `protocol: TCP`",
        );
    }
    l7
}

fn refuse_port(d: &mut Decoder<'_>, port: &PortMatch, message: impl Into<String>, allowed: &str) {
    let diagnostic = ringfence_model::diagnostic::Diagnostic::error("not-supported", port.origin, message);
    d.push(diagnostic.with_label(allowed));
}

fn http(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<HttpMatch> {
    let map =
        d.strict_map(item, "an item of `http`", &["method", "path", "host", "headers", "headerMatches"])?;
    let method = regex(d, &map, "method");
    let path = regex(d, &map, "path");
    let host = regex(d, &map, "host");
    let mut headers = Vec::new();
    for item in d.list(&map, "headers") {
        let Some(text) = d.string(item, "a header") else { continue };
        // `X-Token: secret` or `X-Token secret`; a name alone asks for its presence.
        let (name, value) = text.split_once([':', ' ']).unwrap_or((text, ""));
        let value = value.trim();
        headers.push((d.intern(name.trim()), (!value.is_empty()).then(|| d.intern(value))));
    }
    for item in d.list(&map, "headerMatches") {
        headers.extend(header_match(d, item));
    }
    Some(HttpMatch { method, path, host, headers })
}

fn regex(d: &mut Decoder<'_>, map: &Map<'_, '_>, field: &str) -> Option<Text> {
    let node = map.get(field)?;
    let text = d.string(node, &format!("`{field}`"))?;
    if let Err(error) = regex_syntax::parse(text) {
        let reason = match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            _ => "it cannot be parsed".to_owned(),
        };
        d.error(node, "invalid-regex", format!("`{text}` is not a regular expression"), reason);
    }
    (!text.is_empty()).then(|| d.intern(text))
}

/// A header with its value. Where a mismatch is only logged or mended, it is no condition.
fn header_match(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<(Text, Option<Text>)> {
    const ACTIONS: [(&str, ()); 4] = [("LOG", ()), ("ADD", ()), ("DELETE", ()), ("REPLACE", ())];
    let map = d.strict_map(item, "an item of `headerMatches`", &["name", "value", "secret", "mismatch"])?;
    let Some(name) = d.text_field(&map, "name") else {
        d.missing(&map, "this item of `headerMatches`", "name");
        return None;
    };
    let value = d.text_field(&map, "value");
    if let Some(node) = map.get("mismatch").filter(|node| !matches!(node.scalar(), Some(Scalar::Str("")))) {
        d.choice(node, "action", &ACTIONS);
        return None;
    }
    Some((name, value))
}
