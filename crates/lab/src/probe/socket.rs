//! Sockets as probes and listeners need them: non-blocking, answering from the address that was asked, and telling an ICMP
//! error from a reset. In: addresses. Out: sockets of the namespace that the calling thread is in, usable from any thread.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    time::Duration,
};

use nix::{
    errno::Errno,
    libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo, sock_extended_err, sockaddr_in6},
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockaddrLike, SockaddrStorage, recvmsg,
        sendmsg, setsockopt,
        sockopt::{Ipv4PacketInfo, Ipv4RecvErr, Ipv6RecvErr, Ipv6RecvPacketInfo},
    },
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Refusal, bytes::after_ipv4_header, sctp};

/// How many bytes the kernel may keep for a socket that many send to. It grants what the machine's limit allows.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Connections that wait to be accepted; the kernel grants at most its own limit.
const BACKLOG: i32 = 4096;

/// The origins of an error in the kernel's error queue that came as ICMP and as ICMPv6.
const FROM_ICMP: [u8; 2] = [2, 3];

/// Room for one message and for what the kernel says about it.
pub(crate) struct Buffers {
    data: Vec<u8>,
    control: Vec<u8>,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            data: vec![0; 2048],
            control: nix::cmsg_space!(in6_pktinfo, in_pktinfo, sock_extended_err, sockaddr_in6),
        }
    }
}

/// One message that came in.
pub(crate) struct Received<'b> {
    /// What was sent, without an IP header.
    pub(crate) payload: &'b [u8],
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// The address that it was sent to, where the socket listens.
    pub(crate) to: Option<IpAddr>,
}

/// An ICMP error about a message that was sent.
pub(crate) struct Quoted<'b> {
    /// What it says.
    pub(crate) refusal: Refusal,
    /// What the error quotes of the payload.
    pub(crate) payload: &'b [u8],
}

/// The kinds of sockets without connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Udp,
    Sctp,
    Echo,
}

/// A socket that exchanges messages with many.
pub(crate) struct Datagrams {
    socket: Socket,
    kind: Kind,
    v6: bool,
}

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Datagrams {
    fn open(kind: Kind, v6: bool) -> io::Result<Self> {
        let (class, protocol) = match kind {
            Kind::Udp => (Type::DGRAM, Protocol::UDP),
            Kind::Sctp => (Type::RAW, Protocol::from(sctp::PROTOCOL)),
            Kind::Echo if v6 => (Type::RAW, Protocol::ICMPV6),
            Kind::Echo => (Type::RAW, Protocol::ICMPV4),
        };
        let socket =
            Socket::new(if v6 { Domain::IPV6 } else { Domain::IPV4 }, class.nonblocking(), Some(protocol))?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        Ok(Self { socket, kind, v6 })
    }

    /// A socket to send from one address. ICMP errors wait in its error queue; see [`Self::error`].
    pub(crate) fn client(kind: Kind, source: SocketAddr) -> io::Result<Self> {
        let made = Self::open(kind, source.is_ipv6())?;
        if kind != Kind::Echo {
            tell_errors(&made.socket, made.v6)?;
        }
        // Raw sockets have no ports of their own.
        let source = if kind == Kind::Udp { source } else { SocketAddr::new(source.ip(), 0) };
        made.socket.bind(&source.into())?;
        Ok(made)
    }

    /// A socket that answers at one address, or at all of both families (of IPv4, where the machine has no IPv6).
    pub(crate) fn udp_listener(address: Option<IpAddr>, port: u16) -> io::Result<Self> {
        on_every_family(address, |address, both| {
            let made = Self::open(Kind::Udp, address.is_ipv6())?;
            made.listen(both)?;
            made.socket.bind(&SocketAddr::new(address, port).into())?;
            Ok(made)
        })
    }

    /// A socket that takes every SCTP packet of one family that the namespace receives.
    pub(crate) fn sctp_listener(v6: bool) -> io::Result<Self> {
        let made = Self::open(Kind::Sctp, v6)?;
        made.listen(false)?;
        Ok(made)
    }

    /// Has the kernel say which address was asked, and answers from it even if no interface has it (any-IP).
    fn listen(&self, both: bool) -> io::Result<()> {
        if self.v6 {
            if self.kind == Kind::Udp {
                self.socket.set_only_v6(!both)?;
            }
            setsockopt(&self.socket, Ipv6RecvPacketInfo, &true)?;
            return self.socket.set_freebind_v6(true);
        }
        setsockopt(&self.socket, Ipv4PacketInfo, &true)?;
        self.socket.set_freebind_v4(true)
    }

    /// The next message, if any.
    pub(crate) fn receive<'b>(&self, buffers: &'b mut Buffers) -> Option<Received<'b>> {
        let Buffers { data, control } = buffers;
        loop {
            let mut room = [IoSliceMut::new(data)];
            match recvmsg::<SockaddrStorage>(
                self.socket.as_raw_fd(),
                &mut room,
                Some(control),
                MsgFlags::empty(),
            ) {
                Ok(message) => {
                    let to =
                        message.cmsgs().ok().and_then(|mut infos| infos.find_map(|info| addressed(&info)));
                    let (length, from) = (message.bytes, message.address.and_then(socket_address));
                    let payload = self.without_header(data.get(..length)?)?;
                    return Some(Received { payload, from: from?, to });
                }
                // An ICMP error about an earlier message, which the error queue tells in full.
                Err(Errno::EAGAIN) => return None,
                Err(Errno::EINTR) => {}
                Err(_) if self.take_pending() => {}
                Err(_) => return None,
            }
        }
    }

    /// Raw IPv4 sockets hand out the IP header too.
    fn without_header<'b>(&self, packet: &'b [u8]) -> Option<&'b [u8]> {
        if self.v6 || self.kind == Kind::Udp { Some(packet) } else { after_ipv4_header(packet) }
    }

    /// The next ICMP error, if any.
    pub(crate) fn error<'b>(&self, buffers: &'b mut Buffers) -> Option<Quoted<'b>> {
        let (refusal, length) = loop {
            if let (Some(refusal), length) = read_error(&self.socket, buffers)? {
                break (refusal, length);
            }
        };
        let payload = buffers.data.get(..length)?;
        Some(Quoted { refusal, payload })
    }

    /// Takes the error that the kernel keeps for the next call, which would fail with it although it is about an earlier
    /// message. Returns whether there was one.
    fn take_pending(&self) -> bool {
        matches!(self.socket.take_error(), Ok(Some(_)))
    }

    /// Sends a message, as from an address if one is given.
    ///
    /// `EPERM` is not reported: the firewall of the sender's own namespace dropped the message, and if it sent an error the
    /// error queue has it.
    pub(crate) fn send(&self, payload: &[u8], from: Option<IpAddr>, to: SocketAddr) -> Result<(), Errno> {
        // Raw sockets take a port for a protocol.
        let to = if self.kind == Kind::Udp { to } else { SocketAddr::new(to.ip(), 0) };
        let to = match to {
            SocketAddr::V4(v4) if self.v6 => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
            _ => to,
        };
        let address = SockaddrStorage::from(to);
        let (v4, v6) = (from.and_then(v4_source), from.map(v6_source));
        let info: Option<ControlMessage<'_>> = if self.v6 {
            v6.as_ref().map(ControlMessage::Ipv6PacketInfo)
        } else {
            v4.as_ref().map(ControlMessage::Ipv4PacketInfo)
        };
        let mut tries = 0;
        loop {
            let sent = sendmsg(
                self.socket.as_raw_fd(),
                &[IoSlice::new(payload)],
                info.as_slice(),
                MsgFlags::empty(),
                Some(&address),
            );
            tries += 1;
            match sent {
                Ok(_) | Err(Errno::EPERM) => return Ok(()),
                // The kernel reports errors about earlier messages here; a real one comes again.
                Err(_) if tries < 4 => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A non-blocking TCP socket on its way from one address to another. Closing it resets the connection, so that nothing
/// waits for late packets and its port is free at once.
pub(crate) fn tcp_client(source: SocketAddr, to: SocketAddr) -> io::Result<Socket> {
    let socket = tcp(to.is_ipv6())?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_tcp_nodelay(true)?;
    tell_errors(&socket, to.is_ipv6())?;
    socket.bind(&source.into())?;
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
        Err(error) => return Err(error),
    }
    Ok(socket)
}

/// A TCP socket that takes connections at one address, or at all of both families.
pub(crate) fn tcp_listener(address: Option<IpAddr>, port: u16) -> io::Result<Socket> {
    on_every_family(address, |address, both| {
        let socket = tcp(address.is_ipv6())?;
        socket.set_reuse_address(true)?;
        // Accepted connections inherit it.
        socket.set_tcp_nodelay(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(!both)?;
            socket.set_freebind_v6(true)?;
        } else {
            socket.set_freebind_v4(true)?;
        }
        socket.bind(&SocketAddr::new(address, port).into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    })
}

fn tcp(v6: bool) -> io::Result<Socket> {
    Socket::new(if v6 { Domain::IPV6 } else { Domain::IPV4 }, Type::STREAM.nonblocking(), Some(Protocol::TCP))
}

/// Makes a socket at an address, or at every address: of both families with one socket where the machine has IPv6.
fn on_every_family<T>(
    address: Option<IpAddr>,
    make: impl Fn(IpAddr, bool) -> io::Result<T>,
) -> io::Result<T> {
    let Some(address) = address else {
        return match make(Ipv6Addr::UNSPECIFIED.into(), true) {
            Err(error) if error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32) => {
                make(Ipv4Addr::UNSPECIFIED.into(), false)
            }
            made => made,
        };
    };
    make(address, false)
}

fn tell_errors(socket: &Socket, v6: bool) -> io::Result<()> {
    let told =
        if v6 { setsockopt(socket, Ipv6RecvErr, &true) } else { setsockopt(socket, Ipv4RecvErr, &true) };
    Ok(told?)
}

/// The ICMP error that ended a connection attempt, if one did.
pub(crate) fn tcp_error(socket: &Socket, buffers: &mut Buffers) -> Option<Refusal> {
    loop {
        if let (Some(refusal), _) = read_error(socket, buffers)? {
            return Some(refusal);
        }
    }
}

/// One entry of a socket's error queue: what it says, if it came as ICMP, and how many bytes it quotes.
fn read_error(socket: &Socket, buffers: &mut Buffers) -> Option<(Option<Refusal>, usize)> {
    let Buffers { data, control } = buffers;
    let mut room = [IoSliceMut::new(data)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut room, Some(control), MsgFlags::MSG_ERRQUEUE)
            .ok()?;
    let refusal = message.cmsgs().ok().and_then(|mut infos| {
        infos.find_map(|info| match info {
            ControlMessageOwned::Ipv4RecvErr(error, _) => came_as_icmp(&error, false),
            ControlMessageOwned::Ipv6RecvErr(error, _) => came_as_icmp(&error, true),
            _ => None,
        })
    });
    Some((refusal, message.bytes))
}

fn came_as_icmp(error: &sock_extended_err, v6: bool) -> Option<Refusal> {
    FROM_ICMP.contains(&error.ee_origin).then(|| Refusal::icmp(v6, error.ee_type, error.ee_code))
}

/// The address that a message was sent to.
fn addressed(info: &ControlMessageOwned) -> Option<IpAddr> {
    match info {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(IpAddr::from(info.ipi6_addr.s6_addr).to_canonical())
        }
        _ => None,
    }
}

fn v4_source(address: IpAddr) -> Option<in_pktinfo> {
    let IpAddr::V4(address) = address else { return None };
    let source = in_addr { s_addr: u32::from_ne_bytes(address.octets()) };
    Some(in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: in_addr { s_addr: 0 } })
}

fn v6_source(address: IpAddr) -> in6_pktinfo {
    let address = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    in6_pktinfo { ipi6_addr: in6_addr { s6_addr: address.octets() }, ipi6_ifindex: 0 }
}

fn socket_address(address: SockaddrStorage) -> Option<SocketAddr> {
    let (ip, port) = match address.family()? {
        AddressFamily::Inet => address.as_sockaddr_in().map(|v4| (IpAddr::V4(v4.ip()), v4.port()))?,
        AddressFamily::Inet6 => {
            address.as_sockaddr_in6().map(|v6| (IpAddr::V6(v6.ip()).to_canonical(), v6.port()))?
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}
