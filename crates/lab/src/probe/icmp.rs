//! ICMP and ICMPv6 echo (RFC 792, RFC 4443). In: an identifier. Out: an echo request, and what a message that came in says
//! about it: the reply, or an error that quotes it.

use super::bytes::{after_ipv4_header, after_ipv6_header, u8_at, u16_at};

/// What a message says about an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// The reply to the request with this identifier.
    Reply {
        /// The request's identifier.
        identifier: u16,
    },
    /// An error instead.
    Error {
        /// The request's identifier.
        identifier: u16,
        /// The ICMP type of the error.
        kind: u8,
        /// Its code.
        code: u8,
    },
}

/// An ICMP echo request, with its checksum.
pub(crate) fn request_v4(identifier: u16) -> Vec<u8> {
    let mut bytes = request(8, identifier);
    let sum = checksum(&bytes).to_be_bytes();
    if let Some(place) = bytes.get_mut(2..4) {
        place.copy_from_slice(&sum);
    }
    bytes
}

/// An ICMPv6 echo request. The kernel fills in the checksum, which covers addresses.
pub(crate) fn request_v6(identifier: u16) -> Vec<u8> {
    request(128, identifier)
}

fn request(kind: u8, identifier: u16) -> Vec<u8> {
    let mut bytes = vec![kind, 0, 0, 0];
    bytes.extend(identifier.to_be_bytes());
    bytes.extend(1_u16.to_be_bytes());
    bytes.extend(b"ringfence");
    bytes
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        u32::from(u16_at(pair, 0).unwrap_or_else(|| u16::from(u8_at(pair, 0).unwrap_or(0)) << 8))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// Reads an ICMP message, without its IP header.
pub(crate) fn read_v4(message: &[u8]) -> Option<Echo> {
    match u8_at(message, 0)? {
        0 => Some(Echo::Reply { identifier: u16_at(message, 4)? }),
        kind @ (3 | 11 | 12) => {
            let quoted = after_ipv4_header(message.get(8..)?)?;
            (u8_at(quoted, 0)? == 8).then_some(())?;
            Some(Echo::Error { identifier: u16_at(quoted, 4)?, kind, code: u8_at(message, 1)? })
        }
        _ => None,
    }
}

/// Reads an ICMPv6 message.
pub(crate) fn read_v6(message: &[u8]) -> Option<Echo> {
    match u8_at(message, 0)? {
        129 => Some(Echo::Reply { identifier: u16_at(message, 4)? }),
        kind @ 1..=4 => {
            let quoted = after_ipv6_header(message.get(8..)?)?;
            (u8_at(quoted, 0)? == 128).then_some(())?;
            Some(Echo::Error { identifier: u16_at(quoted, 4)?, kind, code: u8_at(message, 1)? })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_sums_to_zero() {
        for identifier in [0, 1, 0x1234, 0xffff] {
            assert_eq!(checksum(&request_v4(identifier)), 0);
        }
        // The example of RFC 1071 section 3.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn replies_and_errors_name_the_request() {
        assert_eq!(read_v4(&[0, 0, 0, 0, 0x12, 0x34, 0, 1]), Some(Echo::Reply { identifier: 0x1234 }));
        assert_eq!(read_v6(&[129, 0, 0, 0, 0x12, 0x34, 0, 1]), Some(Echo::Reply { identifier: 0x1234 }));
        let mut prohibited = vec![3, 13, 0, 0, 0, 0, 0, 0, 0x45];
        prohibited.resize(28, 0);
        prohibited.extend(request_v4(7));
        assert_eq!(read_v4(&prohibited), Some(Echo::Error { identifier: 7, kind: 3, code: 13 }));
        let mut prohibited = vec![1, 1, 0, 0, 0, 0, 0, 0, 0x60];
        prohibited.resize(48, 0);
        prohibited.extend(request_v6(8));
        assert_eq!(read_v6(&prohibited), Some(Echo::Error { identifier: 8, kind: 1, code: 1 }));
    }

    #[test]
    fn requests_of_others_and_short_messages_say_nothing() {
        assert_eq!(read_v4(&request_v4(7)), None);
        assert_eq!(read_v6(&request_v6(7)), None);
        for length in 0..8 {
            assert_eq!(read_v4(&vec![3; length]), None);
        }
    }
}
