//! The head of a packet. In: the bytes from the IP header on, however few. Out: what they say.

use std::net::IpAddr;

use etherparse::{Ipv6ExtensionSlice, LaxIpSlice};
use ringfence_model::observed::TcpFlags;

use crate::interpret::{ICMP, ICMPV6, SCTP, TCP, UDP};

/// What a packet's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: Option<u8>,
    pub(super) ports: Option<(u16, u16)>,
    pub(super) icmp: Option<(u8, u8)>,
    pub(super) tcp_flags: Option<TcpFlags>,
}

/// Reads a head; nothing if it is not even an IP header.
pub(super) fn head(bytes: &[u8]) -> Option<Head> {
    let (ip, stopped) = LaxIpSlice::from_slice(bytes).ok()?;
    let payload = ip.payload();
    // What lies behind an extension header that is cut off is not known.
    let protocol = stopped.is_none().then_some(payload.ip_number.0);
    let mut head = Head {
        source: ip.source_addr(),
        destination: ip.destination_addr(),
        protocol,
        ports: None,
        icmp: None,
        tcp_flags: None,
    };
    if is_later_fragment(&ip) {
        return Some(head);
    }
    match (protocol, payload.payload) {
        (Some(TCP | UDP | SCTP), [a, b, c, d, ..]) => {
            head.ports = Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])));
        }
        (Some(ICMP | ICMPV6), [kind, code, ..]) => head.icmp = Some((*kind, *code)),
        _ => {}
    }
    if protocol == Some(TCP) {
        head.tcp_flags = payload.payload.get(13).copied().map(TcpFlags);
    }
    Some(head)
}

/// Whether the bytes behind the IP header are not the beginning of the transport header.
fn is_later_fragment(ip: &LaxIpSlice<'_>) -> bool {
    match ip {
        LaxIpSlice::Ipv4(ip) => ip.header().fragments_offset().value() != 0,
        LaxIpSlice::Ipv6(ip) => ip.extensions().clone().into_iter().any(|extension| {
            matches!(extension, Ipv6ExtensionSlice::Fragment(fragment) if fragment.fragment_offset().value() != 0)
        }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    pub(in super::super) fn udp() -> Vec<u8> {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(4000, 53);
        builder.write(&mut bytes, b"question").unwrap();
        bytes
    }

    fn syn6() -> Vec<u8> {
        let (a, b) = (
            "fd00::1".parse::<std::net::Ipv6Addr>().unwrap(),
            "fd00::2".parse::<std::net::Ipv6Addr>().unwrap(),
        );
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv6(a.octets(), b.octets(), 64).tcp(4000, 443, 1, 1000).syn();
        builder.write(&mut bytes, &[]).unwrap();
        bytes
    }

    #[test]
    fn protocols() {
        let found = head(&udp()).unwrap();
        assert_eq!((found.source, found.destination), ([10, 0, 0, 1].into(), [10, 0, 0, 2].into()));
        assert_eq!((found.protocol, found.ports, found.tcp_flags), (Some(UDP), Some((4000, 53)), None));
        let found = head(&syn6()).unwrap();
        assert_eq!(found.source, "fd00::1".parse::<IpAddr>().unwrap());
        assert_eq!((found.protocol, found.ports), (Some(TCP), Some((4000, 443))));
        assert_eq!(found.tcp_flags, Some(TcpFlags(TcpFlags::SYN)));
        let mut ping = Vec::new();
        let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).icmpv4_echo_request(1, 2);
        builder.write(&mut ping, &[]).unwrap();
        let found = head(&ping).unwrap();
        assert_eq!((found.protocol, found.icmp, found.ports), (Some(ICMP), Some((8, 0)), None));
    }

    #[test]
    fn as_much_as_there_is() {
        let (four, six) = (udp(), syn6());
        for len in 0..four.len() {
            let found = head(&four[..len]);
            assert_eq!(found.is_some(), len >= 20, "{len}");
            assert_eq!(found.is_some_and(|head| head.ports.is_some()), len >= 24, "{len}");
        }
        for len in 0..six.len() {
            let found = head(&six[..len]);
            assert_eq!(found.is_some(), len >= 40, "{len}");
            assert_eq!(found.is_some_and(|head| head.ports.is_some()), len >= 44, "{len}");
            assert_eq!(found.is_some_and(|head| head.tcp_flags.is_some()), len >= 54, "{len}");
        }
    }

    #[test]
    fn later_fragments_have_no_ports() {
        let mut bytes = udp();
        bytes[6..8].copy_from_slice(&[0x20, 0]);
        assert_eq!(head(&bytes).unwrap().ports, Some((4000, 53)), "the first fragment");
        bytes[6..8].copy_from_slice(&[0, 9]);
        let found = head(&bytes).unwrap();
        assert_eq!((found.protocol, found.ports), (Some(UDP), None));

        // An IPv6 fragment header before UDP: next header, reserved, offset and flags, identification.
        let six = syn6();
        let with = |offset: [u8; 2]| {
            let mut bytes = six[..40].to_vec();
            bytes[6] = 44;
            bytes.extend([UDP, 0, offset[0], offset[1], 0, 0, 0, 1, 0x0f, 0xa0, 0, 53]);
            head(&bytes).unwrap()
        };
        assert_eq!((with([0, 1]).protocol, with([0, 1]).ports), (Some(UDP), Some((4000, 53))));
        assert_eq!((with([0, 9]).protocol, with([0, 9]).ports), (Some(UDP), None));
        // Cut off within the extension header.
        let mut bytes = six[..40].to_vec();
        bytes[6] = 44;
        bytes.extend([UDP, 0]);
        assert_eq!(head(&bytes).unwrap().protocol, None);
    }
}
