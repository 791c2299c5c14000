//! A packet as a program sees it. In: addresses, a protocol, the head of the transport header, conntrack's view. Out: a plain
//! value.

use std::net::IpAddr;

/// ICMP's protocol number.
pub const ICMP: u8 = 1;
/// TCP's protocol number.
pub const TCP: u8 = 6;
/// UDP's protocol number.
pub const UDP: u8 = 17;
/// ICMPv6's protocol number.
pub const ICMPV6: u8 = 58;
/// SCTP's protocol number.
pub const SCTP: u8 = 132;

/// Bits of a connection's state, as [`Statement::State`](crate::nft::Statement::State) has them.
pub mod state {
    /// The packet belongs to no valid connection.
    pub const INVALID: u32 = 1;
    /// Both directions were seen.
    pub const ESTABLISHED: u32 = 2;
    /// Started by another connection, or an ICMP error about it.
    pub const RELATED: u32 = 4;
    /// The first packet, or a repetition of it.
    pub const NEW: u32 = 8;
    /// Taken out of tracking (`notrack`).
    pub const UNTRACKED: u32 = 64;
}

/// What conntrack says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracked {
    /// It belongs to a connection.
    Connection {
        /// Bits of [`state`].
        state: u32,
        /// Whether it runs against the connection's first packet.
        reply: bool,
        /// The connection's mark.
        mark: u32,
    },
    /// It has no connection because it is not a valid packet of any.
    Invalid,
    /// It has no connection because tracking was switched off for it.
    Untracked,
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where from. Its family is the packet's.
    pub source: IpAddr,
    /// Where to, of the same family.
    pub destination: IpAddr,
    /// The number of the transport protocol, after IPv6's extension headers.
    pub protocol: u8,
    /// The first four bytes of the transport header, whatever the protocol; nothing for a later fragment or a packet
    /// that is too short.
    pub transport: Option<[u8; 4]>,
    /// What conntrack says.
    pub tracked: Tracked,
}

impl Packet {
    /// The first packet of a connection of a protocol with ports, with the mark 0.
    #[must_use]
    pub fn new(source: IpAddr, destination: IpAddr, protocol: u8, source_port: u16, port: u16) -> Self {
        let ([a, b], [c, d]) = (source_port.to_be_bytes(), port.to_be_bytes());
        let tracked = Tracked::Connection { state: state::NEW, reply: false, mark: 0 };
        Self { source, destination, protocol, transport: Some([a, b, c, d]), tracked }
    }

    /// The first packet of a connection of ICMP or ICMPv6, whichever the addresses are of; `checksum` is what a rule reads
    /// that takes it for a packet with ports.
    #[must_use]
    pub fn icmp(source: IpAddr, destination: IpAddr, kind: u8, code: u8, checksum: u16) -> Self {
        let protocol = if source.is_ipv4() { ICMP } else { ICMPV6 };
        Self::new(source, destination, protocol, u16::from_be_bytes([kind, code]), checksum)
    }

    /// The same packet with another view of conntrack.
    #[must_use]
    pub fn tracked(self, tracked: Tracked) -> Self {
        Self { tracked, ..self }
    }

    /// The answer to it on an established connection with this mark: addresses and ports swapped.
    #[must_use]
    pub fn reply(self, mark: u32) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            transport: self.transport.map(|[a, b, c, d]| [c, d, a, b]),
            tracked: Tracked::Connection { state: state::ESTABLISHED, reply: true, mark },
        }
    }

    /// Bytes 0 and 1 of the transport header.
    pub(super) fn source_port(&self) -> Option<u16> {
        self.transport.map(|[a, b, ..]| u16::from_be_bytes([a, b]))
    }

    /// Bytes 2 and 3 of the transport header.
    pub(super) fn destination_port(&self) -> Option<u16> {
        self.transport.map(|[.., c, d]| u16::from_be_bytes([c, d]))
    }

    /// The type of a packet of ICMP in IPv4 or of ICMPv6 in IPv6 (`protocol`).
    pub(super) fn icmp_type(&self, protocol: u8) -> Option<u8> {
        let family = if protocol == ICMP { self.source.is_ipv4() } else { self.source.is_ipv6() };
        if self.protocol == protocol && family { self.transport.map(|[kind, ..]| kind) } else { None }
    }
}
