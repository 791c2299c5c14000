//! The listening end of SCTP (RFC 9260). In: a packet, and which ports somebody listens on. Out: the packet that answers it,
//! and the line of text that a heartbeat carries. No state is kept: the tag that the responder chooses is computed from the
//! other end's, so each packet says all that is needed to answer it.

use std::{collections::BTreeMap, net::IpAddr};

use super::message::Answerer;
use crate::probe::sctp::{
    ABORT, COOKIE_ACK, COOKIE_ECHO, Chunk, HEARTBEAT, HEARTBEAT_ACK, Header, INIT, INIT_ACK, Init,
    heartbeat_info, packet, read,
};

/// Turns the other end's tag into the responder's and back.
const TAGS: u32 = 0x5269_6e67;

/// Which SCTP ports of a namespace somebody listens on, at one address or at all.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    listening: BTreeMap<(u16, Option<IpAddr>), u32>,
}

impl Ports {
    pub(crate) fn insert(&mut self, address: Option<IpAddr>, port: u16, listener: u32) {
        self.listening.insert((port, address), listener);
    }

    /// Forgets a listener. Returns whether any is left.
    pub(crate) fn remove(&mut self, listener: u32) -> bool {
        self.listening.retain(|_, other| *other != listener);
        !self.listening.is_empty()
    }

    fn find(&self, address: IpAddr, port: u16) -> Option<Answerer> {
        let listener =
            self.listening.get(&(port, Some(address))).or_else(|| self.listening.get(&(port, None)))?;
        Some(Answerer { listener: *listener, port })
    }
}

/// What a packet leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    /// The packet to send back, if any.
    pub(crate) packet: Option<Vec<u8>>,
    /// Who is talked to, the text of the heartbeat, and the header of packets to the other end.
    pub(crate) text: Option<(Answerer, &'a [u8], Header)>,
}

/// Answers a packet that was sent to an address of the namespace.
pub(crate) fn respond<'a>(ports: &Ports, address: IpAddr, bytes: &'a [u8]) -> Option<Response<'a>> {
    let (header, chunk) = read(bytes)?;
    let answerer = ports.find(address, header.destination);
    if chunk.kind == INIT {
        let theirs = Init::read(chunk.value)?;
        return Some(Response { packet: Some(open(header, &theirs, answerer)), text: None });
    }
    let back = header.answer(header.tag ^ TAGS);
    let answer = |kind, value| Some(packet(back, Chunk { kind, flags: 0, value }));
    let who = answerer?;
    match chunk.kind {
        COOKIE_ECHO => Some(Response { packet: answer(COOKIE_ACK, &[]), text: None }),
        HEARTBEAT => {
            let text = heartbeat_info(chunk.value).map(|info| (who, info, back));
            Some(Response { packet: answer(HEARTBEAT_ACK, chunk.value), text })
        }
        _ => None,
    }
}

/// INIT ACK with a cookie that names the listener, or the refusal of an end where nobody listens (RFC 9260 8.4).
fn open(header: Header, theirs: &Init<'_>, answerer: Option<Answerer>) -> Vec<u8> {
    let back = header.answer(theirs.tag);
    let ours = theirs.tag ^ TAGS;
    match answerer.filter(|_| ours != 0) {
        Some(answerer) => {
            let cookie = answerer.answer("");
            let init = Init { tag: ours, cookie: Some(cookie.as_bytes()) };
            packet(back, Chunk { kind: INIT_ACK, flags: 0, value: &init.bytes() })
        }
        None => packet(back, Chunk { kind: ABORT, flags: 0, value: &[] }),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::probe::sctp::heartbeat;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    fn ports() -> Ports {
        let mut ports = Ports::default();
        ports.insert(None, 5000, 7);
        ports.insert(Some(HERE), 6000, 8);
        ports
    }

    fn init(destination: u16, tag: u32) -> Vec<u8> {
        let value = Init { tag, cookie: None }.bytes();
        packet(Header { source: 99, destination, tag: 0 }, Chunk { kind: INIT, flags: 0, value: &value })
    }

    #[test]
    fn an_association_opens_and_heartbeats_are_understood() {
        let bytes = init(5000, 42);
        let opened = respond(&ports(), HERE, &bytes).unwrap().packet.unwrap();
        let (header, chunk) = read(&opened).unwrap();
        assert_eq!(header, Header { source: 5000, destination: 99, tag: 42 });
        assert_eq!(chunk.kind, INIT_ACK);
        let ours = Init::read(chunk.value).unwrap();
        assert_eq!(ours.cookie, Some(&b"ringfence 7 5000 "[..]));

        let to_us = Header { source: 99, destination: 5000, tag: ours.tag };
        let echo = packet(to_us, Chunk { kind: COOKIE_ECHO, flags: 0, value: ours.cookie.unwrap() });
        let acknowledged = respond(&ports(), HERE, &echo).unwrap().packet.unwrap();
        let (header, chunk) = read(&acknowledged).unwrap();
        assert_eq!((header.tag, chunk.kind), (42, COOKIE_ACK));

        let beat = packet(to_us, Chunk { kind: HEARTBEAT, flags: 0, value: &heartbeat(b"hello") });
        let response = respond(&ports(), HERE, &beat).unwrap();
        let answerer = Answerer { listener: 7, port: 5000 };
        assert_eq!(
            response.text,
            Some((answerer, &b"hello"[..], Header { source: 5000, destination: 99, tag: 42 }))
        );
        let back = response.packet.unwrap();
        let (header, chunk) = read(&back).unwrap();
        assert_eq!(
            (header.tag, chunk.kind, heartbeat_info(chunk.value)),
            (42, HEARTBEAT_ACK, Some(&b"hello"[..]))
        );
    }

    #[test]
    fn a_port_where_nobody_listens_is_refused_with_the_tag_of_the_asker() {
        for (port, address) in [(5001, HERE), (6000, IpAddr::V4(Ipv4Addr::LOCALHOST))] {
            let refused = respond(&ports(), address, &init(port, 42)).unwrap().packet.unwrap();
            let (header, chunk) = read(&refused).unwrap();
            assert_eq!((header.tag, chunk.kind), (42, ABORT));
        }
        let mut without = ports();
        assert!(without.remove(7));
        let refused = respond(&without, HERE, &init(5000, 42)).unwrap().packet.unwrap();
        assert_eq!(read(&refused).unwrap().1.kind, ABORT);
        assert!(!without.remove(8));
    }

    #[test]
    fn answers_to_probes_of_the_same_namespace_are_left_alone() {
        let bytes = init(5000, 42);
        let answer = respond(&ports(), HERE, &bytes).unwrap().packet.unwrap();
        assert_eq!(respond(&ports(), HERE, &answer), None);
    }
}
