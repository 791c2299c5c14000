//! Packets made by hand. In: addresses, ports, flags. Out: Ethernet frames of TCP segments, and a socket that sends many
//! with one call, past the routing, the firewall and the sockets of the namespace that sends.

use std::{
    io::IoSlice,
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    ifaddrs::getifaddrs,
    sys::socket::{AddressFamily, LinkAddr, MsgFlags, MultiHeaders, SockFlag, SockType, sendmmsg, socket},
};

use super::namespaces::Namespace;

/// Ethernet, IPv4 and TCP headers, and a little padding.
const LENGTH: usize = 60;
/// Frames a system call.
const BATCH: usize = 64;

/// A frame.
pub(crate) type Frame = [u8; LENGTH];

/// Flags of a TCP segment.
pub(crate) const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;

/// A segment.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) from: (Ipv4Addr, u16),
    pub(crate) to: (Ipv4Addr, u16),
    pub(crate) flags: u8,
    pub(crate) sequence: u32,
    pub(crate) acknowledged: u32,
}

/// The frame of a segment, from one hardware address to another.
pub(crate) fn frame(segment: &Segment, source: [u8; 6], destination: [u8; 6]) -> Frame {
    let Segment { from, to, flags, sequence, acknowledged } = *segment;
    let mut tcp = Vec::with_capacity(20);
    for port in [from.1, to.1] {
        tcp.extend(port.to_be_bytes());
    }
    tcp.extend(sequence.to_be_bytes());
    tcp.extend(acknowledged.to_be_bytes());
    // 20 bytes of header, the flags, a window, checksum, nothing urgent.
    tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let mut pseudo = [from.0.octets(), to.0.octets()].concat();
    pseudo.extend([0, 6, 0, 20]);
    let sum = checksum(pseudo.iter().chain(&tcp));
    tcp[16..18].copy_from_slice(&sum);
    // Version and length of the header, no service, length, identification, do not fragment, 64 hops, TCP, checksum.
    let mut ip = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
    ip.extend([from.0.octets(), to.0.octets()].concat());
    let sum = checksum(ip.iter());
    ip[10..12].copy_from_slice(&sum);
    let mut frame = [0; LENGTH];
    let bytes = destination.into_iter().chain(source).chain([8, 0]).chain(ip).chain(tcp);
    for (place, byte) in frame.iter_mut().zip(bytes) {
        *place = byte;
    }
    frame
}

/// The Internet checksum of an even number of bytes.
fn checksum<'a>(bytes: impl Iterator<Item = &'a u8>) -> [u8; 2] {
    let bytes: Vec<u8> = bytes.copied().collect();
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    (!u16::try_from(folded).unwrap()).to_be_bytes()
}

/// Sends frames over one link.
pub(crate) struct Sender {
    socket: OwnedFd,
    link: LinkAddr,
}

impl Sender {
    /// For a link of a namespace.
    pub(crate) fn new(namespace: &Namespace, link: &str) -> Self {
        namespace.run(|| {
            let addresses = getifaddrs().unwrap().filter(|known| known.interface_name == link);
            let link = addresses.filter_map(|known| known.address?.as_link_addr().copied()).next().unwrap();
            let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).unwrap();
            Self { socket, link }
        })
    }

    /// Sends them all. The kernel forwards each of them before the call returns.
    pub(crate) fn send(&self, frames: &[Frame]) {
        let mut headers = MultiHeaders::preallocate(BATCH, None);
        let address = [Some(self.link); BATCH];
        for batch in frames.chunks(BATCH) {
            let slices: Vec<[IoSlice<'_>; 1]> = batch.iter().map(|frame| [IoSlice::new(frame)]).collect();
            let sent =
                sendmmsg(self.socket.as_raw_fd(), &mut headers, &slices, address, [], MsgFlags::empty())
                    .unwrap();
            assert_eq!(sent.count(), batch.len());
        }
    }
}
