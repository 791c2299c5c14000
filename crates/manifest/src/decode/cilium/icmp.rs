//! `icmps` of a Cilium rule. In: the rule's mapping. Out: ICMP types.

use ringfence_model::{address::Family, cilium::IcmpMatch, port::Protocol};

use crate::{
    decode::cursor::{Decoder, Map},
    scalar::Scalar,
    tree::Node,
};

const FAMILIES: [(&str, Family); 2] = [("IPv4", Family::V4), ("IPv6", Family::V6)];
const MOST_FIELDS: usize = 40;

/// The names of ICMP types that Cilium knows.
const V4_TYPES: [(&str, u8); 14] = [
    ("EchoReply", 0),
    ("DestinationUnreachable", 3),
    ("Redirect", 5),
    ("Echo", 8),
    ("EchoRequest", 8),
    ("RouterAdvertisement", 9),
    ("RouterSelection", 10),
    ("TimeExceeded", 11),
    ("ParameterProblem", 12),
    ("Timestamp", 13),
    ("TimestampReply", 14),
    ("Photuris", 40),
    ("ExtendedEchoRequest", 42),
    ("ExtendedEchoReply", 43),
];

/// The names of ICMPv6 types that Cilium knows.
const V6_TYPES: [(&str, u8); 27] = [
    ("DestinationUnreachable", 1),
    ("PacketTooBig", 2),
    ("TimeExceeded", 3),
    ("ParameterProblem", 4),
    ("EchoRequest", 128),
    ("EchoReply", 129),
    ("MulticastListenerQuery", 130),
    ("MulticastListenerReport", 131),
    ("MulticastListenerDone", 132),
    ("RouterSolicitation", 133),
    ("RouterAdvertisement", 134),
    ("NeighborSolicitation", 135),
    ("NeighborAdvertisement", 136),
    ("RedirectMessage", 137),
    ("RouterRenumbering", 138),
    ("ICMPNodeInformationQuery", 139),
    ("ICMPNodeInformationResponse", 140),
    ("InverseNeighborDiscoverySolicitation", 141),
    ("InverseNeighborDiscoveryAdvertisement", 142),
    ("HomeAgentAddressDiscoveryRequest", 144),
    ("HomeAgentAddressDiscoveryReply", 145),
    ("MobilePrefixSolicitation", 146),
    ("MobilePrefixAdvertisement", 147),
    ("DuplicateAddressRequestCodeSuffix", 157),
    ("DuplicateAddressConfirmationCodeSuffix", 158),
    ("ExtendedEchoRequest", 160),
    ("ExtendedEchoReply", 161),
];

/// The ICMP types of a rule.
pub(super) fn decode(d: &mut Decoder<'_>, rule: &Map<'_, '_>) -> Vec<IcmpMatch> {
    let mut matches = Vec::new();
    for item in d.list(rule, "icmps") {
        let Some(map) = d.strict_map(item, "an item of `icmps`", &["fields"]) else { continue };
        d.at_most(&map, "fields", MOST_FIELDS);
        for item in d.list(&map, "fields") {
            matches.extend(field(d, item));
        }
    }
    matches
}

fn field(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<IcmpMatch> {
    let map = d.strict_map(item, "an ICMP field", &["family", "type"])?;
    let family = match map.get("family") {
        Some(node) => d.choice(node, "address family", &FAMILIES)?,
        None => Family::V4,
    };
    let Some(node) = map.get("type") else {
        d.missing(&map, "this ICMP field", "type");
        return None;
    };
    let kind = match node.scalar() {
        Some(Scalar::Str(text)) => match text.parse::<u8>() {
            Ok(number) => Some(number),
            Err(_) if family == Family::V4 => d.choice(node, "ICMP type", &V4_TYPES),
            Err(_) => d.choice(node, "ICMPv6 type", &V6_TYPES),
        },
        _ => d.integer(node, "the ICMP type", 0, 255).and_then(|number| u8::try_from(number).ok()),
    };
    let protocol = match family {
        Family::V4 => Protocol::Icmp,
        Family::V6 => Protocol::Icmpv6,
    };
    Some(IcmpMatch { protocol, kind: kind?, origin: d.origin(item) })
}
