//! Numbers in packets. In: bytes and a place. Out: the number there in network order, or nothing past the end.

/// The byte at a place.
pub(crate) fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// The 16-bit number at a place.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|number| u16::from_be_bytes(*number))
}

/// The 32-bit number at a place.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|number| u32::from_be_bytes(*number))
}

/// What follows an IPv4 header: raw IPv4 sockets and quotes in ICMP errors begin with one.
pub(crate) fn after_ipv4_header(packet: &[u8]) -> Option<&[u8]> {
    let words = u8_at(packet, 0)?;
    (words >> 4 == 4).then_some(())?;
    packet.get(usize::from(words & 0xf) * 4..)
}

/// What follows an IPv6 header without extensions: quotes in ICMPv6 errors begin with one.
pub(crate) fn after_ipv6_header(packet: &[u8]) -> Option<&[u8]> {
    (u8_at(packet, 0)? >> 4 == 6).then_some(())?;
    packet.get(40..)
}
