//! Netlink messages of nfnetlink_log. In: bytes. Out: messages and attributes, as far as they are whole; and the message that
//! sets a group up.
//!
//! Numbers are from linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/nfnetlink_log.h.

/// `NLMSG_ERROR`: an answer; its code is 0 for success.
pub(super) const ERROR: u16 = 2;
/// `NLMSG_DONE`: ends a batch.
pub(super) const DONE: u16 = 3;
/// `NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET`: a logged packet.
pub(super) const PACKET: u16 = 4 << 8;
/// `NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG`
const CONFIG: u16 = 4 << 8 | 1;

/// Attributes of a logged packet.
pub(super) mod attribute {
    /// `NFULA_IFINDEX_INDEV`
    pub(in super::super) const INPUT: u16 = 4;
    /// `NFULA_IFINDEX_OUTDEV`
    pub(in super::super) const OUTPUT: u16 = 5;
    /// `NFULA_PAYLOAD`
    pub(in super::super) const PAYLOAD: u16 = 9;
    /// `NFULA_PREFIX`
    pub(in super::super) const PREFIX: u16 = 10;
    /// `NFULA_SEQ`
    pub(in super::super) const SEQUENCE: u16 = 12;
}

/// A message without its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// Its type.
    pub(super) kind: u16,
    /// What follows the header.
    pub(super) body: &'a [u8],
}

/// The first `N` bytes, and the rest.
fn head<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk::<N>().map(|(head, rest)| (*head, rest))
}

/// The bytes after a part of this length and its padding.
fn after(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(len.next_multiple_of(4)..).unwrap_or_default()
}

/// The messages of a datagram, and nothing in the place of one that is not whole, which is the last.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Option<Message<'_>>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let whole = (|| {
            let (len, rest) = head::<4>(bytes)?;
            let (kind, _) = head::<2>(rest)?;
            let len = usize::try_from(u32::from_ne_bytes(len)).ok()?;
            let body = bytes.get(16..len)?;
            Some((len, Message { kind: u16::from_ne_bytes(kind), body }))
        })();
        bytes = whole.map_or(&[], |(len, _)| after(bytes, len));
        Some(whole.map(|(_, message)| message))
    })
}

/// The attributes of a logged packet, up to one that is not whole.
pub(super) fn attributes(body: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    // Family, version, group.
    let mut bytes = body.get(4..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (len, rest) = head::<2>(bytes)?;
        let (kind, _) = head::<2>(rest)?;
        let len = usize::from(u16::from_ne_bytes(len));
        let value = bytes.get(4..len)?;
        bytes = after(bytes, len);
        // The two highest bits are flags.
        Some((u16::from_ne_bytes(kind) & 0x3fff, value))
    })
}

/// A number in network order, which is all of the value.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// The code of an answer: 0, or an error number as a negative.
pub(super) fn code(body: &[u8]) -> Option<i32> {
    head::<4>(body).map(|(code, _)| i32::from_ne_bytes(code))
}

/// What a group is set up with.
pub(super) struct Setup {
    pub(super) group: u16,
    pub(super) snaplen: u32,
    pub(super) threshold: u32,
    /// Hundredths of a second.
    pub(super) timeout: u32,
    pub(super) batch: u32,
}

/// The message that binds the group to the socket that sends it, numbers its packets, and asks for an answer.
pub(super) fn bind(setup: &Setup) -> Vec<u8> {
    let mut body = Vec::new();
    // NFULA_CFG_CMD: NFULNL_CFG_CMD_BIND
    attribute(&mut body, 1, &[1]);
    // NFULA_CFG_MODE: copy range and NFULNL_COPY_PACKET
    let [a, b, c, d] = setup.snaplen.to_be_bytes();
    attribute(&mut body, 2, &[a, b, c, d, 2, 0]);
    // NFULA_CFG_NLBUFSIZ, NFULA_CFG_TIMEOUT, NFULA_CFG_QTHRESH
    attribute(&mut body, 3, &setup.batch.to_be_bytes());
    attribute(&mut body, 4, &setup.timeout.to_be_bytes());
    attribute(&mut body, 5, &setup.threshold.to_be_bytes());
    // NFULA_CFG_FLAGS: NFULNL_CFG_F_SEQ
    attribute(&mut body, 6, &1_u16.to_be_bytes());
    config(setup.group, &body)
}

/// A message that changes nothing and asks for an answer: whether this process may speak of groups at all.
pub(super) fn may_i(group: u16) -> Vec<u8> {
    config(group, &[])
}

fn config(group: u16, attributes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(20 + attributes.len()).unwrap_or(u32::MAX);
    let mut bytes = len.to_ne_bytes().to_vec();
    bytes.extend(CONFIG.to_ne_bytes());
    // NLM_F_REQUEST and NLM_F_ACK; sequence and port 0; family and version 0.
    bytes.extend(5_u16.to_ne_bytes());
    bytes.extend([0; 10]);
    bytes.extend(group.to_be_bytes());
    bytes.extend(attributes);
    bytes
}

fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    bytes.extend(len.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A message with a header.
    pub(in super::super) fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(16 + body.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// A logged packet with attributes.
    pub(in super::super) fn logged(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![2, 0, 0, 5];
        for (kind, value) in attributes {
            attribute(&mut body, *kind, value);
        }
        message(PACKET, &body)
    }

    #[test]
    fn a_datagram_holds_messages_and_messages_attributes() {
        let mut bytes = logged(&[(10, b"abc\0"), (12 | 0x8000, &[0, 0, 1, 2]), (9, b"xyz")]);
        bytes.extend(message(DONE, &[]));
        let found: Vec<Message<'_>> = messages(&bytes).map(Option::unwrap).collect();
        assert_eq!(found.iter().map(|message| message.kind).collect::<Vec<_>>(), [PACKET, DONE]);
        let attributes: Vec<(u16, &[u8])> = attributes(found[0].body).collect();
        assert_eq!(attributes, [(10, &b"abc\0"[..]), (12, &[0, 0, 1, 2][..]), (9, &b"xyz"[..])]);
        assert_eq!(number(attributes[1].1), Some(258));
        assert_eq!(number(b"123"), None);
    }

    #[test]
    fn what_is_cut_off_is_told() {
        let bytes = logged(&[(10, b"abc\0")]);
        for len in 1..bytes.len() {
            let cut: Vec<_> = messages(&bytes[..len]).collect();
            assert_eq!(cut, [None], "{len}");
        }
        // A length of less than a header must not go on for ever.
        assert_eq!(messages(&[0; 64]).collect::<Vec<_>>(), [None]);
    }

    #[test]
    fn the_message_that_binds() {
        let setup = Setup { group: 5, snaplen: 96, threshold: 64, timeout: 10, batch: 4096 };
        let bytes = bind(&setup);
        let found: Vec<_> = messages(&bytes).collect();
        let [Some(message)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(message.kind, CONFIG);
        assert_eq!(message.body[..4], [0, 0, 0, 5]);
        let kinds: Vec<u16> = attributes(message.body).map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [1, 2, 3, 4, 5, 6]);
    }
}
