//! SCTP packets (RFC 9260), as far as opening an association and keeping it alive needs them. In: ports, a verification tag
//! and chunks. Out: bytes with the right checksum, and back. The lab speaks SCTP over raw sockets, because kernels without
//! the SCTP module have no SCTP sockets while their firewalls filter and track SCTP all the same.

use crc::{CRC_32_ISCSI, Crc};

use super::bytes::{u8_at, u16_at, u32_at};

/// The IP protocol number.
pub(crate) const PROTOCOL: i32 = 132;

/// Opens an association; carries [`Init`].
pub(crate) const INIT: u8 = 1;
/// Answers an INIT; carries [`Init`] with a cookie.
pub(crate) const INIT_ACK: u8 = 2;
/// Asks whether the other end is there; the answer repeats its content.
pub(crate) const HEARTBEAT: u8 = 4;
/// Answers a HEARTBEAT.
pub(crate) const HEARTBEAT_ACK: u8 = 5;
/// Ends an association at once, or refuses one.
pub(crate) const ABORT: u8 = 6;
/// Returns the cookie of an INIT ACK.
pub(crate) const COOKIE_ECHO: u8 = 10;
/// Completes an association.
pub(crate) const COOKIE_ACK: u8 = 11;

/// The flag of an ABORT whose verification tag is the receiver's own, because the sender knows no other (RFC 9260 8.4).
pub(crate) const TAG_REFLECTED: u8 = 1;

const HEADER: usize = 12;
const STATE_COOKIE: u16 = 7;
const HEARTBEAT_INFO: u16 = 1;

static CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The ports and the tag that every packet begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The sender's port.
    pub(crate) source: u16,
    /// The receiver's port.
    pub(crate) destination: u16,
    /// The tag that the receiver chose; 0 on a packet with INIT.
    pub(crate) tag: u32,
}

impl Header {
    /// Reads the first 8 bytes; as much is quoted by every ICMP error.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        Some(Self { source: u16_at(packet, 0)?, destination: u16_at(packet, 2)?, tag: u32_at(packet, 4)? })
    }

    /// The header of an answer, with the tag that the other end chose.
    pub(crate) fn answer(self, tag: u32) -> Self {
        Self { source: self.destination, destination: self.source, tag }
    }
}

/// One chunk: what it is, its flags, and its content without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    /// Which chunk.
    pub(crate) kind: u8,
    /// Its flags.
    pub(crate) flags: u8,
    /// What follows the chunk's header.
    pub(crate) value: &'a [u8],
}

/// The bytes of a packet with one chunk.
pub(crate) fn packet(header: Header, chunk: Chunk<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 4 + chunk.value.len() + 3);
    bytes.extend(header.source.to_be_bytes());
    bytes.extend(header.destination.to_be_bytes());
    bytes.extend(header.tag.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend([chunk.kind, chunk.flags]);
    bytes.extend(length(4 + chunk.value.len()).to_be_bytes());
    bytes.extend(chunk.value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let sum = CASTAGNOLI.checksum(&bytes).to_le_bytes();
    if let Some(place) = bytes.get_mut(8..HEADER) {
        place.copy_from_slice(&sum);
    }
    bytes
}

/// A length field. The lab's packets are a few dozen bytes.
fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

/// Reads a packet whose checksum is right: its header and its first chunk.
pub(crate) fn read(packet: &[u8]) -> Option<(Header, Chunk<'_>)> {
    let header = Header::read(packet)?;
    let (before, sum, after) = (packet.get(..8)?, packet.get(8..HEADER)?, packet.get(HEADER..)?);
    let mut digest = CASTAGNOLI.digest();
    digest.update(before);
    digest.update(&[0; 4]);
    digest.update(after);
    (digest.finalize().to_le_bytes() == sum).then_some(())?;
    let length = usize::from(u16_at(after, 2)?);
    let chunk = Chunk { kind: u8_at(after, 0)?, flags: u8_at(after, 1)?, value: after.get(4..length)? };
    Some((header, chunk))
}

/// The content of INIT and INIT ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Init<'a> {
    /// The tag that packets to the sender must carry; never 0.
    pub(crate) tag: u32,
    /// The state cookie of an INIT ACK.
    pub(crate) cookie: Option<&'a [u8]>,
}

impl<'a> Init<'a> {
    /// The content as bytes: one stream each way, a small window.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.tag.to_be_bytes());
        bytes.extend(65_536_u32.to_be_bytes());
        bytes.extend(1_u16.to_be_bytes());
        bytes.extend(1_u16.to_be_bytes());
        bytes.extend(self.tag.to_be_bytes());
        if let Some(cookie) = self.cookie {
            bytes.extend(parameter(STATE_COOKIE, cookie));
        }
        bytes
    }

    /// Reads the content. A tag of 0 is an error of the sender (RFC 9260 3.3.2).
    pub(crate) fn read(value: &'a [u8]) -> Option<Self> {
        let tag = u32_at(value, 0).filter(|&tag| tag != 0)?;
        let parameters = value.get(16..)?;
        Some(Self { tag, cookie: find_parameter(parameters, STATE_COOKIE) })
    }
}

/// The content of a HEARTBEAT: something that only the sender understands.
pub(crate) fn heartbeat(info: &[u8]) -> Vec<u8> {
    parameter(HEARTBEAT_INFO, info)
}

/// What [`heartbeat`] put in.
pub(crate) fn heartbeat_info(value: &[u8]) -> Option<&[u8]> {
    find_parameter(value, HEARTBEAT_INFO)
}

/// A parameter, padded but for the last of a chunk, whose padding the packet adds.
fn parameter(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + value.len());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(length(4 + value.len()).to_be_bytes());
    bytes.extend(value);
    bytes
}

fn find_parameter(mut parameters: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (kind, length) = (u16_at(parameters, 0)?, usize::from(u16_at(parameters, 2)?));
        let value = parameters.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        parameters = parameters.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32c() {
        // The check value of the CRC catalogue and the examples of RFC 3720 B.4.
        assert_eq!(CASTAGNOLI.checksum(b"123456789"), 0xe306_9283);
        assert_eq!(CASTAGNOLI.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(CASTAGNOLI.checksum(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(CASTAGNOLI.checksum(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    #[test]
    fn an_init_is_laid_out_as_the_rfc_says() {
        let header = Header { source: 0x1234, destination: 0x5678, tag: 0 };
        let init = Init { tag: 0xdead_beef, cookie: None };
        let bytes = packet(header, Chunk { kind: INIT, flags: 0, value: &init.bytes() });
        assert_eq!(bytes.len(), 32);
        assert_eq!(bytes[..8], [0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0]);
        assert_eq!(bytes[12..20], [1, 0, 0, 20, 0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(bytes[20..], [0, 1, 0, 0, 0, 1, 0, 1, 0xde, 0xad, 0xbe, 0xef]);
        let mut unsummed = bytes.clone();
        unsummed[8..12].fill(0);
        assert_eq!(CASTAGNOLI.checksum(&unsummed), u32::from_le_bytes(bytes[8..12].try_into().unwrap()));
        let (read_header, chunk) = read(&bytes).unwrap();
        assert_eq!(read_header, header);
        assert_eq!(Init::read(chunk.value), Some(init));
    }

    #[test]
    fn a_cookie_of_any_length_survives() {
        for cookie in [&b"ringfence 7 80 "[..], b"a", b"", b"four"] {
            let init = Init { tag: 7, cookie: Some(cookie) };
            let header = Header { source: 1, destination: 2, tag: 3 };
            let bytes = packet(header, Chunk { kind: INIT_ACK, flags: 0, value: &init.bytes() });
            assert_eq!(bytes.len() % 4, 0);
            let (_, chunk) = read(&bytes).unwrap();
            assert_eq!(Init::read(chunk.value).unwrap().cookie, Some(cookie));
        }
    }

    #[test]
    fn a_heartbeat_carries_text() {
        let header = Header { source: 1, destination: 2, tag: 3 };
        let bytes = packet(header, Chunk { kind: HEARTBEAT, flags: 0, value: &heartbeat(b"mark 1 2") });
        assert_eq!(heartbeat_info(read(&bytes).unwrap().1.value), Some(&b"mark 1 2"[..]));
    }

    #[test]
    fn nothing_damaged_or_cut_short_is_read() {
        let header = Header { source: 1, destination: 2, tag: 3 };
        let init = Init { tag: 7, cookie: Some(b"cookie") };
        let bytes = packet(header, Chunk { kind: INIT_ACK, flags: 0, value: &init.bytes() });
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x40;
            assert_eq!(read(&damaged), None, "byte {place}");
            assert_eq!(read(&bytes[..place]), None, "{place} bytes");
        }
        assert_eq!(Init::read(&[0; 16]), None, "a tag of 0");
    }
}
