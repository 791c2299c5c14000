//! Connections that stay open while policies change. In: from where to where, and how often each end speaks. Out: an account
//! of each in the ledger: every numbered message that was sent, and when it arrived.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
};
use ringfence_model::port::Protocol;
use socket2::Socket;

use super::{
    ProbeError,
    ports::Ports,
    sctp::{
        self, ABORT, COOKIE_ACK, COOKIE_ECHO, Chunk, HEARTBEAT, HEARTBEAT_ACK, Header, INIT, INIT_ACK, Init,
    },
    socket::{Buffers, Datagrams, Kind, tcp_client},
};
use crate::{
    listen::{
        Account, Direction, Ledger,
        message::{Request, take_line},
    },
    namespace::Namespace,
};

/// How often the thread looks whether it is told to stop.
const ATTENTION: Duration = Duration::from_millis(20);

/// The shortest time between two messages.
const SHORTEST: Duration = Duration::from_micros(100);

/// A connection to hold.
#[derive(Clone, Debug)]
pub struct Hold {
    /// Where it is opened from.
    pub from: Namespace,
    /// The address that it is opened from.
    pub source: IpAddr,
    /// The listener's address.
    pub to: IpAddr,
    /// TCP; UDP, as an exchange of datagrams over one pair of ports; SCTP, as an association with heartbeats.
    pub protocol: Protocol,
    /// The listener's port.
    pub port: u16,
    /// The time between two messages of the client.
    pub every: Duration,
    /// The time between two messages of the listener; nothing if it is to keep quiet.
    pub pushed_every: Option<Duration>,
}

/// Connections that are being held. They end when this is dropped, or after the time that they were given.
pub struct Held {
    ledger: Arc<Ledger>,
    connections: Vec<u32>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Held {
    /// Opens connections and holds them for some time at most. The ledger is that of the listeners at the other ends. Each
    /// connection is established in its own time; see [`Self::await_established`].
    ///
    /// # Errors
    /// When a namespace cannot be entered, a socket cannot be made, or a protocol has no connections.
    pub(super) fn open(
        ledger: Arc<Ledger>,
        ports: &Ports,
        holds: &[Hold],
        lasting: Duration,
    ) -> Result<Self, ProbeError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut ends = Vec::with_capacity(holds.len());
        for hold in holds {
            let connection = ledger.open();
            let line = hold.from.run(|| Line::open(hold, ports))??;
            epoll.add(&line, EpollEvent::new(EpollFlags::EPOLLIN, ends.len() as u64))?;
            ends.push(End {
                connection,
                hold: hold.clone(),
                line: Some(line),
                standing: false,
                pushed: false,
            });
        }
        let connections = ends.iter().map(|end| end.connection).collect();
        let stop = Arc::<AtomicBool>::default();
        let mut holder = Holder {
            epoll,
            ledger: Arc::clone(&ledger),
            ends,
            due: BTreeMap::new(),
            buffers: Buffers::new(),
            lasting,
        };
        let told = Arc::clone(&stop);
        let thread =
            thread::Builder::new().name("held connections".to_owned()).spawn(move || holder.run(&told));
        Ok(Self { ledger, connections, stop, thread: Some(thread.map_err(ProbeError::Thread)?) })
    }

    /// The account of each connection so far, in the order in which they were asked for.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        self.connections.iter().map(|connection| self.ledger.account(*connection)).collect()
    }

    /// The time now, on the clock of the accounts.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.ledger.now()
    }

    /// Waits until every connection is established and, where the listener speaks too, has been heard. Returns whether that
    /// came to be in time.
    #[must_use]
    pub fn await_established(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.accounts().iter().all(|account| account.established.is_some()) {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Ends the connections and returns their accounts.
    #[must_use]
    pub fn stop(mut self) -> Vec<Account> {
        self.end();
        self.accounts()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its accounts are in the ledger whatever it ended of.
            let _ = thread.join();
        }
        for connection in &self.connections {
            self.ledger.close(*connection);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end();
    }
}

/// The client's end of a connection.
struct End {
    connection: u32,
    hold: Hold,
    /// Nothing once it has ended.
    line: Option<Line>,
    /// Whether the other end has answered.
    standing: bool,
    /// Whether the other end has sent something by itself.
    pushed: bool,
}

/// A connection's socket and its protocol's state.
enum Line {
    Tcp { socket: Socket, incoming: Vec<u8>, output: Vec<u8> },
    Udp { socket: Datagrams, to: SocketAddr },
    Sctp { socket: Datagrams, to: SocketAddr, header: Header, tag: u32, cookie: Option<Vec<u8>> },
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp { socket, .. } => socket.as_fd(),
            Self::Udp { socket, .. } | Self::Sctp { socket, .. } => socket.as_fd(),
        }
    }
}

/// What came in.
#[derive(Default)]
struct Heard {
    /// The other end has answered.
    standing: bool,
    /// Lines of text.
    lines: Vec<String>,
    /// Something went wrong.
    trouble: Option<String>,
    /// The connection is over.
    over: bool,
}

impl Line {
    fn open(hold: &Hold, ports: &Ports) -> Result<Self, ProbeError> {
        let to = SocketAddr::new(hold.to, hold.port);
        let source = SocketAddr::new(hold.source, 0);
        match hold.protocol {
            Protocol::Tcp => {
                let socket = tcp_client(source, to).map_err(ProbeError::Socket)?;
                Ok(Self::Tcp { socket, incoming: Vec::new(), output: Vec::new() })
            }
            Protocol::Udp => {
                let socket = Datagrams::client(Kind::Udp, source).map_err(ProbeError::Socket)?;
                Ok(Self::Udp { socket, to })
            }
            Protocol::Sctp => {
                let socket = Datagrams::client(Kind::Sctp, source).map_err(ProbeError::Socket)?;
                let port = ports.next(hold.source);
                let header = Header { source: port, destination: hold.port, tag: 0 };
                Ok(Self::Sctp { socket, to, header, tag: sctp::client_tag(port), cookie: None })
            }
            Protocol::Icmp | Protocol::Icmpv6 => Err(ProbeError::NoConnection(hold.protocol.as_str())),
        }
    }

    /// Does again what opens the connection; TCP does that by itself.
    fn knock(&mut self) -> Result<(), Errno> {
        match self {
            Self::Tcp { .. } => Ok(()),
            Self::Udp { socket, to } => socket.send(b"who is there", None, *to),
            Self::Sctp { socket, to, header, tag, cookie } => {
                let packet = match cookie {
                    Some(cookie) => {
                        sctp::packet(*header, Chunk { kind: COOKIE_ECHO, flags: 0, value: cookie })
                    }
                    None => {
                        let value = Init { tag: *tag, cookie: None }.bytes();
                        sctp::packet(*header, Chunk { kind: INIT, flags: 0, value: &value })
                    }
                };
                socket.send(&packet, None, *to)
            }
        }
    }

    /// Whether a message that is said now leaves now; what queues up behind a cut connection says nothing about the cut.
    fn has_room(&self) -> bool {
        !matches!(self, Self::Tcp { output, .. } if !output.is_empty())
    }

    fn say(&mut self, text: &str) -> Result<(), Errno> {
        match self {
            Self::Tcp { output, .. } => {
                output.extend_from_slice(text.as_bytes());
                output.push(b'\n');
                self.flush()
            }
            Self::Udp { socket, to } => socket.send(text.as_bytes(), None, *to),
            Self::Sctp { socket, to, header, .. } => {
                let info = sctp::heartbeat(text.as_bytes());
                socket.send(
                    &sctp::packet(*header, Chunk { kind: HEARTBEAT, flags: 0, value: &info }),
                    None,
                    *to,
                )
            }
        }
    }

    /// Writes what there is room for.
    fn flush(&mut self) -> Result<(), Errno> {
        let Self::Tcp { socket, output, .. } = self else { return Ok(()) };
        while !output.is_empty() {
            match socket.write(output) {
                Ok(written) => drop(output.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)),
            }
        }
        Ok(())
    }

    fn hear(&mut self, buffers: &mut Buffers) -> Heard {
        let mut heard = Heard::default();
        match self {
            Self::Tcp { socket, incoming, .. } => {
                let mut room = [0; 4096];
                match socket.read(&mut room) {
                    Ok(0) => heard.end("closed by the other end".to_owned()),
                    Ok(length) => incoming.extend(room.get(..length).unwrap_or_default()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => heard.end(error.to_string()),
                }
                heard.lines.extend(std::iter::from_fn(|| take_line(incoming)));
            }
            Self::Udp { socket, .. } => {
                while let Some(received) = socket.receive(buffers) {
                    heard.standing = true;
                    heard.lines.push(String::from_utf8_lossy(received.payload).into_owned());
                }
                while let Some(quoted) = socket.error(buffers) {
                    heard.trouble = Some(quoted.refusal.to_string());
                }
            }
            Self::Sctp { socket, to, header, tag, cookie } => {
                while let Some(received) = socket.receive(buffers) {
                    let Some((from, chunk)) = sctp::read(received.payload) else { continue };
                    if from.destination != header.source || from.tag != *tag {
                        continue;
                    }
                    match chunk.kind {
                        INIT_ACK => {
                            let Some(init) = Init::read(chunk.value) else { continue };
                            header.tag = init.tag;
                            *cookie = init.cookie.map(<[u8]>::to_vec);
                        }
                        COOKIE_ACK => heard.standing = true,
                        HEARTBEAT => {
                            let answer = Chunk { kind: HEARTBEAT_ACK, flags: 0, value: chunk.value };
                            // An answer that is lost is the listener's to notice.
                            let _ = socket.send(&sctp::packet(*header, answer), None, *to);
                            let text = sctp::heartbeat_info(chunk.value).unwrap_or_default();
                            heard.lines.push(String::from_utf8_lossy(text).into_owned());
                        }
                        ABORT => heard.end("aborted".to_owned()),
                        _ => {}
                    }
                }
                while let Some(quoted) = socket.error(buffers) {
                    let ours =
                        Header::read(quoted.payload).is_some_and(|about| about.source == header.source);
                    heard.trouble = ours.then(|| quoted.refusal.to_string()).or(heard.trouble);
                }
            }
        }
        heard
    }
}

impl Heard {
    fn end(&mut self, why: String) {
        self.trouble = Some(why);
        self.over = true;
    }
}

/// The loop that holds connections.
struct Holder {
    epoll: Epoll,
    ledger: Arc<Ledger>,
    ends: Vec<End>,
    /// When each end speaks next; the place makes times unique.
    due: BTreeMap<(Instant, usize), ()>,
    buffers: Buffers,
    lasting: Duration,
}

impl Holder {
    fn run(&mut self, stop: &AtomicBool) {
        let start = Instant::now();
        let mut events = vec![EpollEvent::empty(); 128];
        self.due = (0..self.ends.len()).map(|place| ((start, place), ())).collect();
        while !stop.load(Ordering::Relaxed) && start.elapsed() < self.lasting {
            self.speak_due();
            let next = self
                .due
                .first_key_value()
                .map_or(ATTENTION, |((due, _), ())| due.saturating_duration_since(Instant::now()));
            let millis = next.min(ATTENTION).as_micros().div_ceil(1000);
            let ready = match self
                .epoll
                .wait(&mut events, EpollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX)))
            {
                Ok(ready) => ready,
                Err(Errno::EINTR) => 0,
                Err(_) => return,
            };
            for event in events.iter().take(ready) {
                if let Some(end) =
                    usize::try_from(event.data()).ok().and_then(|place| self.ends.get_mut(place))
                {
                    end.hear(&self.ledger, &mut self.buffers);
                }
            }
        }
    }

    fn speak_due(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((due, place), ()) = entry.remove_entry();
            let Some(end) = self.ends.get_mut(place).filter(|end| end.line.is_some()) else { continue };
            end.speak(&self.ledger, self.lasting);
            let next = (due + end.hold.every.max(SHORTEST)).max(now + SHORTEST);
            self.due.insert((next, place), ());
        }
    }
}

impl End {
    /// Sends what is due: a message, or what opens the connection while it does not stand.
    fn speak(&mut self, ledger: &Ledger, lasting: Duration) {
        let Some(line) = &mut self.line else { return };
        if let Line::Tcp { socket, .. } = line
            && !self.standing
        {
            self.standing = socket.peer_addr().is_ok();
        }
        let mut said = if self.standing { line.flush() } else { line.knock() };
        if self.standing {
            if let Some(every) = self.hold.pushed_every.filter(|_| !self.pushed && line.has_room()) {
                // Said again until heard: datagrams may be lost, and a listener starts only once.
                let count = lasting.as_micros() / every.max(SHORTEST).as_micros();
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                said = said.and_then(|()| {
                    line.say(&Request::Push { connection: self.connection, every, count }.to_string())
                });
            }
            if let Some(mark) =
                line.has_room().then(|| ledger.send(self.connection, Direction::ToServer)).flatten()
            {
                said = said.and_then(|()| line.say(&mark.to_string()));
            }
        }
        if let Err(error) = said {
            ledger.fail(self.connection, error.desc());
            if matches!(line, Line::Tcp { .. }) {
                self.line = None;
            }
        }
        self.note_standing(ledger);
    }

    fn hear(&mut self, ledger: &Ledger, buffers: &mut Buffers) {
        let Some(line) = &mut self.line else { return };
        let heard = line.hear(buffers);
        self.standing |= heard.standing;
        for line in heard.lines {
            if let Request::Mark(mark) = Request::read(&line)
                && mark.connection == self.connection
            {
                self.pushed = true;
                ledger.arrive(mark, Direction::ToClient);
            }
        }
        if let Some(trouble) = heard.trouble {
            ledger.fail(self.connection, &trouble);
        }
        if heard.over {
            self.line = None;
        }
        self.note_standing(ledger);
    }

    /// A connection counts as established when all that it needs to go on by itself has arrived.
    fn note_standing(&self, ledger: &Ledger) {
        if self.standing && (self.pushed || self.hold.pushed_every.is_none()) {
            ledger.establish(self.connection);
        }
    }
}
