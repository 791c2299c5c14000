//! A listener that a person watches. In: a port. Out: whoever connects and whatever they say, which is sent back to them.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    ops::ControlFlow,
    thread,
    time::Duration,
};

use ringfence_model::port::Protocol;
use socket2::Socket;

use super::ClientError;
use crate::{
    namespace::Namespace,
    probe::socket::{Buffers, Datagrams, tcp_listener},
};

/// How often to look; a person does not notice.
const LOOK: Duration = Duration::from_millis(10);

/// How many connections are open at once; further ones wait.
const MOST: usize = 64;

/// Something that a listener heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Somebody has connected.
    Connected(SocketAddr),
    /// Somebody says something.
    Said(SocketAddr, &'a [u8]),
    /// Somebody has closed the connection.
    Closed(SocketAddr),
    /// Nothing for a moment.
    Silence,
}

/// Listens on a TCP or UDP port at every address of the namespace until told to stop. `tell` is called at least every few
/// milliseconds.
///
/// # Errors
/// When the namespace cannot be entered, the port is taken, or the protocol is another.
pub fn listen(
    at: &Namespace,
    protocol: Protocol,
    port: u16,
    tell: &mut dyn FnMut(Heard<'_>) -> ControlFlow<()>,
) -> Result<(), ClientError> {
    let failed = |cause| ClientError::Listen { protocol: protocol.as_str(), port, cause };
    match protocol {
        Protocol::Tcp => listen_tcp(&at.run(|| tcp_listener(None, port))?.map_err(failed)?, tell),
        Protocol::Udp => listen_udp(&at.run(|| Datagrams::udp_listener(None, port))?.map_err(failed)?, tell),
        Protocol::Sctp | Protocol::Icmp | Protocol::Icmpv6 => {
            let cause = io::Error::new(io::ErrorKind::Unsupported, "only TCP and UDP ports can be watched");
            return Err(failed(cause));
        }
    }
    Ok(())
}

fn listen_udp(socket: &Datagrams, tell: &mut dyn FnMut(Heard<'_>) -> ControlFlow<()>) {
    let mut buffers = Buffers::new();
    loop {
        while let Some(received) = socket.receive(&mut buffers) {
            if tell(Heard::Said(received.from, received.payload)).is_break() {
                return;
            }
            // An echo that cannot be sent is missing where it was waited for.
            let _ = socket.send(received.payload, received.to, received.from);
        }
        if tell(Heard::Silence).is_break() {
            return;
        }
        thread::sleep(LOOK);
    }
}

fn listen_tcp(listener: &Socket, tell: &mut dyn FnMut(Heard<'_>) -> ControlFlow<()>) {
    let mut open: Vec<(SocketAddr, Socket)> = Vec::new();
    loop {
        while let Some((socket, from)) = (open.len() < MOST).then(|| listener.accept().ok()).flatten() {
            let from = from.as_socket().map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |from| {
                SocketAddr::new(from.ip().to_canonical(), from.port())
            });
            if tell(Heard::Connected(from)).is_break() {
                return;
            }
            if socket.set_nonblocking(true).is_ok() {
                open.push((from, socket));
            }
        }
        let mut stopped = ControlFlow::Continue(());
        open.retain_mut(|(from, socket)| {
            let (stays, told) = echo(*from, socket, tell);
            if told.is_break() {
                stopped = told;
            }
            stays
        });
        if stopped.is_break() || tell(Heard::Silence).is_break() {
            return;
        }
        thread::sleep(LOOK);
    }
}

/// Reads what has come. Returns whether the connection stays.
fn echo(
    from: SocketAddr,
    socket: &mut Socket,
    tell: &mut dyn FnMut(Heard<'_>) -> ControlFlow<()>,
) -> (bool, ControlFlow<()>) {
    let mut room = [0; 4096];
    match socket.read(&mut room) {
        Ok(0) => (false, tell(Heard::Closed(from))),
        Ok(length) => {
            let said = room.get(..length).unwrap_or_default();
            let told = tell(Heard::Said(from, said));
            (socket.write_all(said).is_ok(), told)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => (true, ControlFlow::Continue(())),
        Err(_) => (false, tell(Heard::Closed(from))),
    }
}
