//! Links, addresses and routes. In: requests as values. Out: what the kernel made of them, over a routing netlink socket that
//! belongs to one network namespace. No program is run.

mod request;

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket},
};
use thiserror::Error;

pub use self::request::{Device, Request, Table};

/// Messages in one batch. The kernel answers before it returns, so the answers to a batch must fit into the receive buffer even
/// if every one is an error.
const BATCH: usize = 64;

/// Bytes of one batch, well below the default send buffer (212,992 bytes).
const BATCH_BYTES: usize = 64 * 1024;

/// Bytes of an answer: longer than any acknowledgement with the request that it quotes.
const ANSWER: usize = 8 * 1024;

/// Why the kernel did not take a request.
#[derive(Debug, Error)]
#[error("cannot {doing}: {cause}")]
pub struct LinkError {
    /// What was tried.
    pub doing: String,
    /// What the kernel answered.
    pub cause: io::Error,
}

impl LinkError {
    fn new(doing: &str, cause: impl Into<io::Error>) -> Self {
        Self { doing: doing.to_owned(), cause: cause.into() }
    }
}

/// A routing netlink socket. It stays in the namespace in which it was opened, whichever thread uses it.
#[derive(Debug)]
pub struct RouteSocket {
    socket: OwnedFd,
    sequence: u32,
}

impl RouteSocket {
    /// Opens one in the calling thread's namespace.
    ///
    /// # Errors
    /// When the kernel has none to give.
    pub fn open() -> Result<Self, LinkError> {
        let protocol = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
            .map_err(|cause| LinkError::new("open a routing socket", cause))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Carries out requests in order. All of a batch are tried even if one fails; the first failure is the error. To remove a
    /// link or a route that is not there is none.
    ///
    /// # Errors
    /// The first request that the kernel refused, with its answer.
    pub fn apply(&mut self, requests: &[Request]) -> Result<(), LinkError> {
        let mut rest = requests;
        while !rest.is_empty() {
            let mut bytes = Vec::new();
            let first = self.sequence.wrapping_add(1);
            let mut taken = 0;
            for request in rest.iter().take(BATCH) {
                self.sequence = self.sequence.wrapping_add(1);
                append(&mut bytes, request.message(self.sequence));
                taken += 1;
                if bytes.len() >= BATCH_BYTES {
                    break;
                }
            }
            let (batch, later) = rest.split_at(taken);
            self.exchange(&bytes, batch, first)?;
            rest = later;
        }
        Ok(())
    }

    /// Sends a batch and reads one answer for each request.
    fn exchange(&self, bytes: &[u8], batch: &[Request], first: u32) -> Result<(), LinkError> {
        let fd = self.socket.as_raw_fd();
        retry(|| send(fd, bytes, MsgFlags::empty()))
            .map_err(|cause| LinkError::new("send to the routing socket", cause))?;
        let mut failed = None;
        let mut answered = 0;
        let mut buffer = vec![0; ANSWER];
        while answered < batch.len() {
            let length = retry(|| recv(fd, &mut buffer, MsgFlags::empty()))
                .map_err(|cause| LinkError::new("read from the routing socket", cause))?;
            let mut rest = buffer.get(..length).unwrap_or_default();
            while !rest.is_empty() {
                let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|cause| LinkError::new("read the kernel's answer", io::Error::other(cause)))?;
                let step = usize::try_from(answer.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
                rest = rest.get(step..).unwrap_or_default();
                let NetlinkPayload::Error(error) = answer.payload else { continue };
                answered += 1;
                let at =
                    usize::try_from(answer.header.sequence_number.wrapping_sub(first)).unwrap_or(usize::MAX);
                let io = error.to_io();
                // What is to go and has gone by itself is as it should be: somebody in a pod deleted its link, say.
                let gone = matches!(batch.get(at), Some(Request::RemoveLink(_) | Request::RemoveRoute(..)))
                    && matches!(io.raw_os_error(), Some(nix::libc::ENODEV | nix::libc::ESRCH));
                if error.code.is_some() && failed.is_none() && !gone {
                    let doing = batch.get(at).map_or_else(|| "change the network".to_owned(), Request::doing);
                    failed = Some(LinkError::new(&doing, io));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

fn append(bytes: &mut Vec<u8>, message: NetlinkMessage<RouteNetlinkMessage>) {
    let mut message = message;
    message.finalize();
    let start = bytes.len();
    bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
    if let Some(place) = bytes.get_mut(start..) {
        message.serialize(place);
    }
}

/// Calls again as long as a signal interrupts.
fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
