//! The bytes of netlink messages. In: attributes. Out: messages; and back, leniently: what is cut short ends the list.

use super::uapi;

/// Builds messages one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// The bytes so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes there are so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A whole message of the nf_tables subsystem; the sequence number is set when it is sent.
    pub(crate) fn message(&mut self, kind: u16, flags: u16, family: u8, body: impl FnOnce(&mut Self)) {
        let kind = (uapi::NFNL_SUBSYS_NFTABLES << 8) | kind;
        self.raw(kind, uapi::NLM_F_REQUEST | flags, family, 0, body);
    }

    /// The start of a transaction, refused with `ERESTART` if the generation is not this one any more.
    pub(crate) fn begin(&mut self, generation: Option<u32>) {
        self.raw(uapi::NFNL_MSG_BATCH_BEGIN, uapi::NLM_F_REQUEST, 0, uapi::NFNL_SUBSYS_NFTABLES, |w| {
            if let Some(generation) = generation {
                w.number(uapi::NFNL_BATCH_GENID, generation);
            }
        });
    }

    /// The end of a transaction.
    pub(crate) fn end(&mut self) {
        self.raw(uapi::NFNL_MSG_BATCH_END, uapi::NLM_F_REQUEST, 0, uapi::NFNL_SUBSYS_NFTABLES, |_| {});
    }

    /// Messages that were built before.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn raw(&mut self, kind: u16, flags: u16, family: u8, resource: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(&[family, 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
        body(self);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.put(start, &length.to_ne_bytes());
    }

    /// Overwrites bytes.
    pub(crate) fn put(&mut self, at: usize, value: &[u8]) {
        if let Some(slot) = self.bytes.get_mut(at..at + value.len()) {
            slot.copy_from_slice(value);
        }
    }

    /// An attribute with these bytes.
    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value);
        self.close(start);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// An attribute that holds attributes.
    pub(crate) fn nested(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.open(kind | 0x8000);
        body(self);
        self.close(start);
    }

    /// Starts an attribute that holds attributes, for [`Self::close`].
    pub(crate) fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    /// Ends an attribute.
    pub(crate) fn close(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.put(start, &length.to_ne_bytes());
    }

    /// A number, in the network's byte order as nf_tables wants them.
    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    /// A text with its final zero.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.close(start);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// One received message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// `nlmsg_type`
    pub(crate) kind: u16,
    /// `nlmsg_flags`
    pub(crate) flags: u16,
    /// `nlmsg_seq`
    pub(crate) sequence: u32,
    /// `nlmsg_pid`: in events, the socket that caused them.
    pub(crate) port: u32,
    /// What follows the netlink header.
    pub(crate) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The kind without the subsystem, if the subsystem is nf_tables.
    pub(crate) fn nftables(&self) -> Option<u16> {
        (self.kind >> 8 == uapi::NFNL_SUBSYS_NFTABLES).then_some(self.kind & 0xff)
    }

    /// The attributes after the netfilter header.
    pub(crate) fn attributes(&self) -> Attributes<'a> {
        Attributes(self.body.get(4..).unwrap_or(&[]))
    }
}

/// The messages in a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header = self.0.get(..16)?;
        let length = usize::try_from(u32_ne(header, 0)?).ok()?;
        let body = self.0.get(16..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Message {
            kind: u16_ne(header, 4)?,
            flags: u16_ne(header, 6)?,
            sequence: u32_ne(header, 8)?,
            port: u32_ne(header, 12)?,
            body,
        })
    }
}

/// The attributes of a message or of another attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of the first attribute of a kind.
    pub(crate) fn get(self, kind: u16) -> Option<&'a [u8]> {
        self.into_iter().find_map(|(found, value)| (found == kind).then_some(value))
    }

    /// The attributes in the first attribute of a kind.
    pub(crate) fn nested(self, kind: u16) -> Option<Self> {
        self.get(kind).map(Attributes)
    }

    /// Whether the first attribute of a kind says that it holds attributes.
    pub(crate) fn is_nested(mut self, kind: u16) -> bool {
        loop {
            let raw = u16_ne(self.0, 2);
            match self.next() {
                Some((found, _)) if found == kind => return raw.is_some_and(|raw| raw & 0x8000 != 0),
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// A number in the network's byte order.
    pub(crate) fn number(self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(kind)?.first_chunk().copied()?))
    }

    /// A text up to its zero.
    pub(crate) fn text(self, kind: u16) -> Option<&'a str> {
        let value = self.get(kind)?;
        std::str::from_utf8(value.split(|byte| *byte == 0).next()?).ok()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(u16_ne(self.0, 0)?);
        let kind = u16_ne(self.0, 2)? & 0x3fff;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    }
}

/// A number in this machine's byte order.
pub(crate) fn u32_ne(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

/// A number in this machine's byte order.
pub(crate) fn u16_ne(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..)?.first_chunk().copied()?))
}
