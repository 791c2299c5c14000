//! The loop that serves all listeners. In: sockets, as they are opened, and what the kernel reports about them. Out:
//! answers, pushed messages at their times, and notes in the ledger.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        eventfd::EventFd,
    },
};
use slab::Slab;
use socket2::Socket;

use super::{
    association::{Ports, respond},
    ledger::{Direction, Ledger},
    message::{Answerer, Request},
    stream::{Incoming, Step},
};
use crate::{
    dns::{self, LOOPBACK, Zone},
    probe::{
        sctp::{Chunk, HEARTBEAT, Header, heartbeat, packet},
        socket::{Buffers, Datagrams},
    },
};

/// The token of the event that announces commands.
const WAKE: u64 = u64::MAX;

/// How many messages or connections of one socket are taken before the others have their turn.
const TURN: usize = 64;

/// How much may wait for a peer that does not read; what is pushed beyond it is dropped, and so is never counted as sent.
const LONGEST_OUTPUT: usize = 64 * 1024;

/// The shortest time between two pushed messages, so that nobody can keep the loop busy.
const SHORTEST: Duration = Duration::from_micros(100);

/// How long to wait for descriptors when all are in use.
const STARVED: Duration = Duration::from_millis(1);

/// Sockets that were made in a namespace, ready to serve.
pub(crate) enum Opened {
    Tcp { socket: Socket, answerer: Answerer, name: Arc<str> },
    Udp { socket: Datagrams, answerer: Answerer },
    Sctp { inode: u64, socket: Datagrams },
    SctpPort { inode: u64, address: Option<IpAddr>, answerer: Answerer },
}

/// What the thread is told.
pub(crate) enum Command {
    Add(Vec<Opened>),
    Close(u32),
    /// Answers DNS from now on, or no more.
    Dns(Option<Dns>),
    /// Asks to be told when nothing that has come waits to be served.
    Await(Sender<()>),
    Stop,
}

/// Listeners on port 53 that answer DNS beside what probes ask.
pub(crate) struct Dns {
    /// What they know.
    pub(crate) zone: Zone,
    /// The numbers of those that answer at any address; the others answer at [`LOOPBACK`] only.
    pub(crate) listeners: BTreeSet<u32>,
}

impl Dns {
    /// The answer to a message that came to a listener at an address, if it is DNS's to answer.
    fn answer(&self, message: &[u8], answerer: Answerer, at: Option<IpAddr>) -> Option<Vec<u8>> {
        // A message of DNS has zeros in its header (RFC 1035 4.1.1); what probes send is text.
        if !message.contains(&0) {
            return None;
        }
        let there = at == Some(IpAddr::V4(LOOPBACK)) || self.listeners.contains(&answerer.listener);
        (there && answerer.port == dns::PORT).then(|| dns::respond(message, &self.zone, true)).flatten()
    }
}

enum Slot {
    Tcp { socket: Socket, answerer: Answerer, name: Arc<str> },
    Stream(Stream),
    Udp { socket: Datagrams, answerer: Answerer },
    Sctp { inode: u64, socket: Datagrams },
}

struct Stream {
    socket: Socket,
    answerer: Answerer,
    name: Arc<str>,
    incoming: Incoming,
    output: Vec<u8>,
    last: bool,
    /// Whether the kernel is asked to say when there is room to write.
    blocked: bool,
    /// Tells streams apart that have had the same slot.
    number: u64,
}

/// Messages that a listener sends over a held connection by itself.
struct Push {
    to: PushTo,
    connection: u32,
    every: Duration,
    left: u32,
}

enum PushTo {
    Stream { token: usize, number: u64 },
    Udp { token: usize, from: Option<IpAddr>, to: SocketAddr },
    Sctp { token: usize, header: Header, from: Option<IpAddr>, to: SocketAddr },
}

pub(crate) struct Server {
    epoll: Epoll,
    wake: Arc<EventFd>,
    commands: Receiver<Command>,
    ledger: Arc<Ledger>,
    slots: Slab<Slot>,
    sctp: BTreeMap<u64, Ports>,
    /// By the time of the next message, and a number that makes times unique.
    pushes: BTreeMap<(Instant, u64), Push>,
    /// Held connections that have asked for pushes: they ask again until they hear one.
    pushing: BTreeSet<u32>,
    awaiting: Vec<Sender<()>>,
    dns: Option<Dns>,
    numbers: u64,
    buffers: Buffers,
}

impl Server {
    pub(crate) fn new(
        commands: Receiver<Command>,
        wake: Arc<EventFd>,
        ledger: Arc<Ledger>,
    ) -> Result<Self, Errno> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&*wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        Ok(Self {
            epoll,
            wake,
            commands,
            ledger,
            slots: Slab::new(),
            sctp: BTreeMap::new(),
            pushes: BTreeMap::new(),
            pushing: BTreeSet::new(),
            awaiting: Vec::new(),
            dns: None,
            numbers: 0,
            buffers: Buffers::new(),
        })
    }

    /// Serves until told to stop.
    pub(crate) fn run(&mut self) {
        let mut events = vec![EpollEvent::empty(); 256];
        loop {
            let ready = match self.epoll.wait(&mut events, self.until_next_push()) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => 0,
                Err(_) => return,
            };
            if ready == 0 {
                // Who has given up waiting is not there to be told.
                for told in self.awaiting.drain(..) {
                    let _ = told.send(());
                }
            }
            for event in events.iter().take(ready) {
                if event.data() == WAKE {
                    if self.obey().is_break() {
                        return;
                    }
                } else if let Ok(token) = usize::try_from(event.data()) {
                    self.serve(token);
                }
            }
            self.push_due();
        }
    }

    fn until_next_push(&self) -> EpollTimeout {
        if !self.awaiting.is_empty() {
            return EpollTimeout::ZERO;
        }
        let Some(((due, _), _)) = self.pushes.first_key_value() else { return EpollTimeout::NONE };
        let micros = due.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
        EpollTimeout::from(u16::try_from(micros).unwrap_or(u16::MAX))
    }

    fn obey(&mut self) -> std::ops::ControlFlow<()> {
        // Only announces; the counter itself says nothing.
        let _ = self.wake.read();
        loop {
            match self.commands.try_recv() {
                Ok(Command::Add(opened)) => opened.into_iter().for_each(|opened| self.add(opened)),
                Ok(Command::Close(id)) => self.close(id),
                Ok(Command::Dns(dns)) => self.dns = dns,
                Ok(Command::Await(told)) => self.awaiting.push(told),
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                    return std::ops::ControlFlow::Break(());
                }
                Err(TryRecvError::Empty) => return std::ops::ControlFlow::Continue(()),
            }
        }
    }

    fn add(&mut self, opened: Opened) {
        let slot = match opened {
            Opened::Tcp { socket, answerer, name } => Slot::Tcp { socket, answerer, name },
            Opened::Udp { socket, answerer } => Slot::Udp { socket, answerer },
            Opened::Sctp { inode, socket } => Slot::Sctp { inode, socket },
            Opened::SctpPort { inode, address, answerer } => {
                self.sctp.entry(inode).or_default().insert(address, answerer.port, answerer.listener);
                return;
            }
        };
        self.insert(slot);
    }

    fn insert(&mut self, slot: Slot) {
        let token = self.slots.vacant_key();
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token as u64);
        // A socket that cannot be watched is closed: whoever asks it hears nothing, which no probe takes for an answer.
        if self.epoll.add(slot.as_fd(), event).is_ok() {
            self.slots.insert(slot);
        }
    }

    fn close(&mut self, id: u32) {
        self.sctp.retain(|_, ports| ports.remove(id));
        let sctp = &self.sctp;
        self.slots.retain(|_, slot| match slot {
            Slot::Tcp { answerer, .. } | Slot::Udp { answerer, .. } => answerer.listener != id,
            Slot::Stream(stream) => stream.answerer.listener != id,
            Slot::Sctp { inode, .. } => sctp.contains_key(inode),
        });
    }

    fn serve(&mut self, token: usize) {
        match self.slots.get_mut(token) {
            Some(Slot::Tcp { .. }) => self.accept(token),
            Some(Slot::Stream(_)) => self.serve_stream(token),
            Some(Slot::Udp { .. }) => (0..TURN).take_while(|_| self.serve_udp(token)).for_each(drop),
            Some(Slot::Sctp { .. }) => (0..TURN).take_while(|_| self.serve_sctp(token)).for_each(drop),
            None => {}
        }
    }

    fn accept(&mut self, token: usize) {
        for _ in 0..TURN {
            let Some(Slot::Tcp { socket, answerer, name }) = self.slots.get(token) else { return };
            match socket.accept4(nix::libc::SOCK_NONBLOCK | nix::libc::SOCK_CLOEXEC) {
                Ok((socket, _)) => {
                    self.numbers += 1;
                    let stream = Stream {
                        socket,
                        answerer: *answerer,
                        name: Arc::clone(name),
                        incoming: Incoming::default(),
                        output: Vec::new(),
                        last: false,
                        blocked: false,
                        number: self.numbers,
                    };
                    self.insert(Slot::Stream(stream));
                }
                Err(error) if matches!(error.raw_os_error(), Some(nix::libc::EMFILE | nix::libc::ENFILE)) => {
                    return thread::sleep(STARVED);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => return,
            }
        }
    }

    fn serve_stream(&mut self, token: usize) {
        let Some(Slot::Stream(stream)) = self.slots.get_mut(token) else { return };
        let mut open = true;
        let mut room = [0; 4096];
        match (&stream.socket).read(&mut room) {
            Ok(0) => open = false,
            Ok(length) => stream.incoming.push(room.get(..length).unwrap_or_default()),
            Err(error) => {
                open = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            }
        }
        let mut pushes = Vec::new();
        while !stream.last {
            match stream.incoming.next(&stream.name, stream.answerer) {
                Step::Wait => break,
                Step::Last(bytes) => {
                    stream.output.extend(bytes);
                    stream.last = true;
                }
                Step::Line(line) => match Request::read(&line) {
                    Request::Mark(mark) => self.ledger.arrive(mark, Direction::ToServer),
                    Request::Push { connection, every, count } => {
                        let to = PushTo::Stream { token, number: stream.number };
                        pushes.push(Push { to, connection, every, left: count });
                    }
                    Request::Who(text) => stream.say(&stream.answerer.answer(text)),
                },
            }
        }
        open = open && stream.flush() && !(stream.last && stream.output.is_empty());
        if open {
            self.watch(token);
        } else {
            self.slots.remove(token);
        }
        pushes.into_iter().for_each(|push| self.start(push));
    }

    /// Asks the kernel for room to write exactly while there is something to write.
    fn watch(&mut self, token: usize) {
        let Some(Slot::Stream(stream)) = self.slots.get_mut(token) else { return };
        let blocked = !stream.output.is_empty();
        if blocked != stream.blocked {
            stream.blocked = blocked;
            let writes = if blocked { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN | writes, token as u64);
            if self.epoll.modify(&stream.socket, &mut event).is_err() {
                self.slots.remove(token);
            }
        }
    }

    /// Takes one message. Returns whether there was one.
    fn serve_udp(&mut self, token: usize) -> bool {
        let Some(Slot::Udp { socket, answerer }) = self.slots.get(token) else { return false };
        let Some(received) = socket.receive(&mut self.buffers) else { return false };
        let (from, to) = (received.to, received.from);
        if let Some(answer) = self.dns.as_ref().and_then(|dns| dns.answer(received.payload, *answerer, from))
        {
            // As below: who hears nothing asks again.
            let _ = socket.send(&answer, from, to);
            return true;
        }
        match Request::read(&String::from_utf8_lossy(received.payload)) {
            Request::Mark(mark) => self.ledger.arrive(mark, Direction::ToServer),
            Request::Push { connection, every, count } => {
                self.start(Push { to: PushTo::Udp { token, from, to }, connection, every, left: count });
            }
            // An answer that cannot be sent is one that does not arrive: the probe's timeout deals with it.
            Request::Who(text) => drop(socket.send(answerer.answer(text).as_bytes(), from, to)),
        }
        true
    }

    /// Takes one SCTP packet. Returns whether there was one.
    fn serve_sctp(&mut self, token: usize) -> bool {
        let Some(Slot::Sctp { inode, socket }) = self.slots.get(token) else { return false };
        let Some(received) = socket.receive(&mut self.buffers) else { return false };
        let (from, to) = (received.to, received.from);
        let response =
            self.sctp.get(inode).zip(from).and_then(|(ports, at)| respond(ports, at, received.payload));
        let Some(response) = response else { return true };
        if let Some(packet) = &response.packet {
            // As for UDP: what is not sent does not arrive.
            let _ = socket.send(packet, from, to);
        }
        if let Some((_, text, header)) = response.text {
            match Request::read(&String::from_utf8_lossy(text)) {
                Request::Mark(mark) => self.ledger.arrive(mark, Direction::ToServer),
                Request::Push { connection, every, count } => {
                    let to = PushTo::Sctp { token, header, from, to };
                    self.start(Push { to, connection, every, left: count });
                }
                Request::Who(_) => {}
            }
        }
        true
    }

    fn start(&mut self, push: Push) {
        if self.pushing.insert(push.connection) {
            self.schedule(push, Instant::now());
        }
    }

    fn schedule(&mut self, push: Push, due: Instant) {
        if push.left > 0 {
            self.numbers += 1;
            self.pushes.insert((due, self.numbers), push);
        }
    }

    /// Sends the messages whose time has come.
    fn push_due(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.pushes.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((due, _), push) = entry.remove_entry();
            if self.push_one(&push) {
                // After a pause the next one comes now, not all that were missed at once.
                let next = (due + push.every.max(SHORTEST)).max(now);
                self.schedule(Push { left: push.left - 1, ..push }, next);
            }
        }
    }

    /// Sends one message of its own. Returns whether the connection is still there.
    fn push_one(&mut self, push: &Push) -> bool {
        let mark = || self.ledger.send(push.connection, Direction::ToClient);
        match &push.to {
            PushTo::Stream { token, number } => {
                let Some(Slot::Stream(stream)) = self.slots.get_mut(*token) else { return false };
                if stream.number != *number {
                    return false;
                }
                if stream.output.len() < LONGEST_OUTPUT {
                    let Some(mark) = mark() else { return false };
                    stream.say(&mark.to_string());
                }
                if stream.flush() {
                    self.watch(*token);
                } else {
                    self.slots.remove(*token);
                }
            }
            PushTo::Udp { token, from, to } => {
                let Some(Slot::Udp { socket, .. }) = self.slots.get(*token) else { return false };
                let Some(mark) = mark() else { return false };
                // What is not sent does not arrive, and the ledger shows it.
                let _ = socket.send(mark.to_string().as_bytes(), *from, *to);
            }
            PushTo::Sctp { token, header, from, to } => {
                let Some(Slot::Sctp { socket, .. }) = self.slots.get(*token) else { return false };
                let Some(mark) = mark() else { return false };
                let info = heartbeat(mark.to_string().as_bytes());
                let bytes = packet(*header, Chunk { kind: HEARTBEAT, flags: 0, value: &info });
                // As for UDP.
                let _ = socket.send(&bytes, *from, *to);
            }
        }
        true
    }
}

impl AsFd for Slot {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Tcp { socket, .. } => socket.as_fd(),
            Self::Stream(stream) => stream.socket.as_fd(),
            Self::Udp { socket, .. } | Self::Sctp { socket, .. } => socket.as_fd(),
        }
    }
}

impl Stream {
    fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.push(b'\n');
    }

    /// Writes what the peer has room for. Returns whether the connection is still there.
    fn flush(&mut self) -> bool {
        while !self.output.is_empty() {
            match (&self.socket).write(&self.output) {
                Ok(written) => drop(self.output.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}
