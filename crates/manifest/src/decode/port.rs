//! Ports and protocols as objects write them. In: nodes. Out: protocols, numbers, port matches of a NetworkPolicy.

use ringfence_model::{
    Text,
    port::{PortMatch, PortSpec, Protocol},
};

use crate::{
    decode::{
        cursor::{Decoder, Map},
        names,
    },
    scalar::Scalar,
    tree::Node,
};

/// The protocols of the API, spelled in capitals.
pub(crate) const PROTOCOLS: [(&str, Protocol); 3] =
    [("TCP", Protocol::Tcp), ("UDP", Protocol::Udp), ("SCTP", Protocol::Sctp)];

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NumberOrName {
    /// By number.
    Number(u16),
    /// By name.
    Name(Text),
}

/// The `protocol` of a mapping, TCP if absent.
pub(crate) fn protocol(d: &mut Decoder<'_>, map: &Map<'_, '_>) -> Option<Protocol> {
    match map.get("protocol") {
        Some(node) => d.choice(node, "protocol", &PROTOCOLS),
        None => Some(Protocol::Tcp),
    }
}

/// A port number.
pub(crate) fn number(d: &mut Decoder<'_>, node: &Node<'_>, what: &str) -> Option<u16> {
    d.integer(node, what, 1, 65535).and_then(|port| u16::try_from(port).ok())
}

/// A port number field; nothing if it is absent.
pub(crate) fn number_field(d: &mut Decoder<'_>, map: &Map<'_, '_>, field: &str) -> Option<u16> {
    map.get(field).and_then(|node| number(d, node, &format!("`{field}`")))
}

/// A port by number or by name.
pub(crate) fn number_or_name(d: &mut Decoder<'_>, node: &Node<'_>, what: &str) -> Option<NumberOrName> {
    match node.scalar() {
        Some(Scalar::Int(_) | Scalar::Float(_)) => number(d, node, what).map(NumberOrName::Number),
        Some(Scalar::Str(_)) => {
            let name = d.string(node, what)?;
            if let Some(grammar) = names::port_name(name) {
                let allowed = match name.parse::<u16>() {
                    Ok(number) if number > 0 => format!("a number goes without quotes: `{number}`"),
                    _ => format!("a number from 1 to 65535, or a name: {grammar}"),
                };
                d.error(node, "invalid-port", format!("{what} `{name}` is not a port"), allowed);
                return None;
            }
            Some(NumberOrName::Name(d.intern(name)))
        }
        _ => {
            d.error(
                node,
                "wrong-type",
                format!("{what} must be a port number or a port name"),
                "a number from 1 to 65535, or the name of a container port",
            );
            None
        }
    }
}

/// A port name whose grammar the API does not check.
pub(crate) fn any_name(d: &mut Decoder<'_>, node: &Node<'_>) -> Option<Text> {
    let name = d.string(node, "the port name")?;
    if let Some(grammar) = names::port_name(name) {
        d.warning(node, "invalid-port", format!("no container port can be named `{name}`"), grammar);
    }
    Some(d.intern(name))
}

/// An entry of `ports` in a NetworkPolicy rule.
pub(crate) fn network_policy_port(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<PortMatch> {
    let map = d.strict_map(item, "an entry of `ports`", &["protocol", "port", "endPort"])?;
    let protocol = protocol(d, &map);
    let port = map.get("port").map(|node| number_or_name(d, node, "`port`"));
    let end = map.get("endPort").map(|node| (node, number(d, node, "`endPort`")));
    let ports = match (port, end) {
        (None, None) => PortSpec::All,
        (None, Some((node, _))) => {
            d.error(node, "end-port", "`endPort` without `port`", "give `port`, the first port of the range");
            return None;
        }
        (Some(port), None) => match port? {
            NumberOrName::Number(port) => PortSpec::Range(port, port),
            NumberOrName::Name(name) => PortSpec::Named(name),
        },
        (Some(port), Some((node, end))) => match port? {
            NumberOrName::Name(name) => {
                let message = format!("`endPort` with the named port `{name}`");
                d.error(node, "end-port", message, "a range needs a number in `port`");
                return None;
            }
            NumberOrName::Number(first) => {
                let last = end?;
                if last < first {
                    let message = format!("`endPort` {last} is less than `port` {first}");
                    d.error(node, "end-port", message, format!("{first} to 65535"));
                    return None;
                }
                PortSpec::Range(first, last)
            }
        },
    };
    Some(PortMatch { protocol: Some(protocol?), ports, origin: d.origin(item) })
}
