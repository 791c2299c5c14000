//! The way to the kernel. In: datagrams. Out: datagrams; tests put a faulty one in its place.

use std::{io, os::fd::AsFd};

use netlink_sys::{SocketAddr, protocols::NETLINK_NETFILTER};
use nix::sys::socket::{setsockopt, sockopt};

/// Largest datagram that the kernel sends (`NLMSG_GOODSIZE`, or 32 KiB in dumps).
const DATAGRAM: usize = 128 * 1024;
/// Bytes that answers may take before the kernel drops them.
const RECEIVE: usize = 8 << 20;
/// What one datagram costs of the send buffer besides its bytes.
const OVERHEAD: usize = 4096;

/// Sends and receives datagrams.
pub trait Wire {
    /// Sends one datagram; the kernel has handled it when this returns.
    ///
    /// # Errors
    /// Those of `sendto`.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;

    /// Takes the next datagram into the buffer, which is emptied first.
    ///
    /// # Errors
    /// Those of `recvfrom`; `WouldBlock` if there is none: the kernel answers before [`Self::send`] returns.
    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()>;

    /// Makes room for a datagram of so many bytes if that is possible. Says how many bytes a datagram may have.
    fn room(&mut self, bytes: usize) -> usize;

    /// The socket's address, under which the kernel knows the owner of a table.
    fn port(&self) -> u32;
}

/// A netlink socket in the network namespace in which it was opened.
#[derive(Debug)]
pub struct Socket {
    inner: netlink_sys::Socket,
    port: u32,
    room: usize,
}

impl Socket {
    /// Opens it in the current network namespace.
    ///
    /// # Errors
    /// Those of `socket` and `bind`.
    pub fn open() -> io::Result<Self> {
        let mut inner = netlink_sys::Socket::new(NETLINK_NETFILTER)?;
        let port = inner.bind_auto()?.port_number();
        inner.connect(&SocketAddr::new(0, 0))?;
        inner.set_non_blocking(true)?;
        inner.set_ext_ack(true)?;
        inner.set_cap_ack(true)?;
        // Answers that do not fit are lost and cost a read back; not all may force it past the system's limit.
        if inner.set_rx_buf_sz(RECEIVE).is_err() {
            let _ = setsockopt(&inner.as_fd(), sockopt::RcvBuf, &RECEIVE);
        }
        let room = size(&inner);
        Ok(Self { inner, port, room })
    }

    /// Joins a multicast group.
    ///
    /// # Errors
    /// Those of `setsockopt`.
    pub fn join(&self, group: u32) -> io::Result<()> {
        self.inner.add_membership(group)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl Wire for Socket {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let sent = self.inner.send(datagram, 0)?;
        if sent == datagram.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        buffer.reserve(DATAGRAM);
        self.inner.recv(buffer, 0).map(|_| ())
    }

    fn room(&mut self, bytes: usize) -> usize {
        if bytes > self.room {
            // The kernel doubles the number for its own bookkeeping.
            let wanted = bytes + OVERHEAD;
            let socket = self.inner.as_fd();
            if setsockopt(&socket, sockopt::SndBufForce, &wanted).is_err() {
                let _ = setsockopt(&socket, sockopt::SndBuf, &wanted);
            }
            self.room = size(&self.inner);
        }
        self.room
    }

    fn port(&self) -> u32 {
        self.port
    }
}

/// `netlink_sendmsg` refuses what is larger than the send buffer less 32.
fn size(socket: &netlink_sys::Socket) -> usize {
    nix::sys::socket::getsockopt(&socket.as_fd(), sockopt::SndBuf).unwrap_or(0).saturating_sub(32)
}
