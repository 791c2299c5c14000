//! Probes in flight. In: questions to send from the namespace that the calling thread is in. Out: the outcome of each as it
//! becomes known; what is silent past its time is given up.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
};
use ringfence_model::port::Protocol;
use slab::Slab;
use socket2::Socket;

use super::{
    Outcome, Probe, Refusal, icmp,
    icmp::Echo,
    ports::Ports,
    sctp::{self, ABORT, Chunk, Header, INIT, INIT_ACK, Init},
    socket::{Buffers, Datagrams, Kind, tcp_client, tcp_error},
};
use crate::listen::Answerer;

/// How many questions share one socket where the protocol allows it: few enough for their answers to fit its buffer.
const SHARED: usize = 64;

/// How many ports to try when some are taken by listeners.
const PORT_TRIES: usize = 64;

/// What a settled probe is known by: the number that its launch gave it.
pub(crate) type Number = usize;

/// Everything that one thread has sent and not heard of.
pub(crate) struct Flight<'p> {
    epoll: Epoll,
    ports: &'p Ports,
    slots: Slab<Slot>,
    launches: VecDeque<Launch>,
    launched: u64,
    buffers: Buffers,
    settled: Vec<(Number, Outcome)>,
}

/// The sockets of one launch, and when they are given up.
struct Launch {
    number: u64,
    deadline: Instant,
    tokens: Vec<usize>,
}

struct Slot {
    launch: u64,
    asking: Asking,
}

enum Asking {
    Tcp {
        socket: Socket,
        probe: Number,
        connected: bool,
        answer: Vec<u8>,
    },
    /// By number.
    Udp {
        socket: Datagrams,
        waiting: BTreeMap<Number, ()>,
    },
    /// By source port, with the tag that the answer must carry.
    Sctp {
        socket: Datagrams,
        waiting: BTreeMap<u16, (Number, u32)>,
    },
    /// By identifier.
    Echo {
        socket: Datagrams,
        v6: bool,
        waiting: BTreeMap<u16, Number>,
    },
}

impl<'p> Flight<'p> {
    pub(crate) fn new(ports: &'p Ports) -> Result<Self, Errno> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            ports,
            slots: Slab::new(),
            launches: VecDeque::new(),
            launched: 0,
            buffers: Buffers::new(),
            settled: Vec::new(),
        })
    }

    /// How many sockets are open.
    pub(crate) fn open(&self) -> usize {
        self.slots.len()
    }

    /// When the oldest launch is given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.launches.front().map(|launch| launch.deadline)
    }

    /// Outcomes that have become known since the last call.
    pub(crate) fn settled(&mut self) -> impl Iterator<Item = (Number, Outcome)> {
        self.settled.drain(..)
    }

    /// Sends questions that share a namespace; the calling thread is in it. Launches are given up in the order in which they
    /// were made, so later ones must not be more patient.
    pub(crate) fn launch(&mut self, probes: &[(Number, Probe)], patience: Duration) {
        self.launched += 1;
        let mut tokens = Vec::with_capacity(probes.len());
        let mut shared: BTreeMap<(Kind, std::net::IpAddr), Vec<(Number, Probe)>> = BTreeMap::new();
        for &(number, probe) in probes {
            let kind = match probe.protocol {
                Protocol::Tcp => {
                    let asked = self.ask_tcp(number, &probe);
                    self.keep(
                        asked,
                        &[(number, probe)],
                        EpollFlags::EPOLLOUT | EpollFlags::EPOLLET,
                        &mut tokens,
                    );
                    continue;
                }
                Protocol::Udp => Kind::Udp,
                Protocol::Sctp => Kind::Sctp,
                Protocol::Icmp | Protocol::Icmpv6 => Kind::Echo,
            };
            shared.entry((kind, probe.source)).or_default().push((number, probe));
        }
        for ((kind, _), probes) in shared {
            for group in probes.chunks(SHARED) {
                let asked = self.ask_shared(kind, group);
                self.keep(asked, group, EpollFlags::empty(), &mut tokens);
            }
        }
        self.launches.push_back(Launch {
            number: self.launched,
            deadline: Instant::now() + patience,
            tokens,
        });
    }

    /// Watches a socket, or settles its probes if there is none.
    fn keep(
        &mut self,
        asked: Result<Asking, Errno>,
        probes: &[(Number, Probe)],
        also: EpollFlags,
        tokens: &mut Vec<usize>,
    ) {
        let token = self.slots.vacant_key();
        let event = EpollEvent::new(EpollFlags::EPOLLIN | also, token as u64);
        let watched = asked.and_then(|asking| {
            self.epoll.add(&asking, event)?;
            Ok(asking)
        });
        match watched {
            Ok(asking) => {
                self.slots.insert(Slot { launch: self.launched, asking });
                tokens.push(token);
            }
            Err(error) => {
                let outcome = failed(error);
                self.settled.extend(probes.iter().map(|(number, _)| (*number, outcome)));
            }
        }
    }

    fn ask_tcp(&self, number: Number, probe: &Probe) -> Result<Asking, Errno> {
        let socket =
            self.with_port(probe, |source| tcp_client(source, SocketAddr::new(probe.to, probe.port)))?;
        Ok(Asking::Tcp { socket, probe: number, connected: false, answer: Vec::new() })
    }

    /// Tries ports until one is free.
    fn with_port<T>(&self, probe: &Probe, make: impl Fn(SocketAddr) -> io::Result<T>) -> Result<T, Errno> {
        let mut tries = 0;
        loop {
            tries += 1;
            match make(SocketAddr::new(probe.source, self.ports.next(probe.source)))
                .map_err(|error| errno(&error))
            {
                Err(Errno::EADDRINUSE | Errno::EADDRNOTAVAIL) if tries < PORT_TRIES => {}
                made => return made,
            }
        }
    }

    fn ask_shared(&mut self, kind: Kind, probes: &[(Number, Probe)]) -> Result<Asking, Errno> {
        let Some((_, first)) = probes.first() else { return Err(Errno::EINVAL) };
        let socket = self.with_port(first, |source| Datagrams::client(kind, source))?;
        let v6 = first.source.is_ipv6();
        let mut asking = match kind {
            Kind::Udp => Asking::Udp { socket, waiting: BTreeMap::new() },
            Kind::Sctp => Asking::Sctp { socket, waiting: BTreeMap::new() },
            Kind::Echo => Asking::Echo { socket, v6, waiting: BTreeMap::new() },
        };
        for (number, probe) in probes {
            if let Err(error) = self.ask_one(&mut asking, *number, probe) {
                self.settled.push((*number, failed(error)));
            }
        }
        Ok(asking)
    }

    fn ask_one(&self, asking: &mut Asking, number: Number, probe: &Probe) -> Result<(), Errno> {
        let to = SocketAddr::new(probe.to, probe.port);
        match asking {
            // Connections have sockets of their own.
            Asking::Tcp { .. } => Ok(()),
            Asking::Udp { socket, waiting } => {
                socket.send(question(number).as_bytes(), None, to)?;
                waiting.insert(number, ());
                Ok(())
            }
            Asking::Sctp { socket, waiting } => {
                let source = self.ports.next(probe.source);
                let tag = sctp::client_tag(source);
                let value = Init { tag, cookie: None }.bytes();
                let header = Header { source, destination: probe.port, tag: 0 };
                socket.send(
                    &sctp::packet(header, Chunk { kind: INIT, flags: 0, value: &value }),
                    None,
                    to,
                )?;
                waiting.insert(source, (number, tag));
                Ok(())
            }
            Asking::Echo { socket, v6, waiting } => {
                let identifier = self.ports.next(probe.source);
                let bytes = if *v6 { icmp::request_v6(identifier) } else { icmp::request_v4(identifier) };
                socket.send(&bytes, None, to)?;
                waiting.insert(identifier, number);
                Ok(())
            }
        }
    }

    /// Takes what has come, waiting for it until a moment at most. Returns whether anything was ready.
    pub(crate) fn poll(&mut self, until: Instant) -> Result<bool, Errno> {
        let mut events = [EpollEvent::empty(); 128];
        let millis = until.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
        let timeout = EpollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX));
        let ready = match self.epoll.wait(&mut events, timeout) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        for event in events.iter().take(ready) {
            let Ok(token) = usize::try_from(event.data()) else { continue };
            let Some(slot) = self.slots.get_mut(token) else { continue };
            if slot.asking.take(&mut self.buffers, &mut self.settled) {
                self.slots.remove(token);
            }
        }
        Ok(ready > 0)
    }

    /// Gives up what is past its time. What has come by then counts, even if nobody has looked yet.
    pub(crate) fn give_up(&mut self) -> Result<(), Errno> {
        let now = Instant::now();
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return Ok(());
        }
        while self.poll(now)? {}
        while let Some(launch) = self.launches.pop_front_if(|launch| launch.deadline <= now) {
            for token in launch.tokens {
                if self.slots.get(token).is_some_and(|slot| slot.launch == launch.number) {
                    self.slots.remove(token).asking.give_up(&mut self.settled);
                }
            }
        }
        // Launches with nothing left to wait for.
        if self.slots.is_empty() {
            self.launches.clear();
        }
        Ok(())
    }
}

/// The line that a listener answers with its name.
fn question(number: Number) -> String {
    format!("who {number}")
}

/// The number in an answer to [`question`], and who gave it.
fn answered(line: &str) -> Option<(Number, Answerer)> {
    let (by, text) = Answerer::read(line.trim_end())?;
    Some((text.strip_prefix("who ")?.parse().ok()?, by))
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}

/// What a failed call says: the kernel's own firewall and routes may refuse at once.
fn failed(error: Errno) -> Outcome {
    match error {
        Errno::ECONNREFUSED | Errno::ECONNRESET => Outcome::Refused(Refusal::Reset),
        error => Outcome::Failed(error),
    }
}

impl AsFd for Asking {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Tcp { socket, .. } => socket.as_fd(),
            Self::Udp { socket, .. } | Self::Sctp { socket, .. } | Self::Echo { socket, .. } => {
                socket.as_fd()
            }
        }
    }
}

impl Asking {
    /// Takes what has come. Returns whether nothing is waited for any more.
    fn take(&mut self, buffers: &mut Buffers, settled: &mut Vec<(Number, Outcome)>) -> bool {
        match self {
            Self::Tcp { socket, probe, connected, answer } => {
                let outcome = take_tcp(socket, *probe, connected, answer, buffers);
                settled.extend(outcome.map(|outcome| (*probe, outcome)));
                outcome.is_some()
            }
            Self::Udp { socket, waiting } => {
                while let Some(received) = socket.receive(buffers) {
                    let answer = str::from_utf8(received.payload).ok().and_then(answered);
                    if let Some((number, by)) = answer.filter(|(number, _)| waiting.remove(number).is_some())
                    {
                        settled.push((number, Outcome::Answered { by: Some(by) }));
                    }
                }
                while let Some(quoted) = socket.error(buffers) {
                    let text = str::from_utf8(quoted.payload).ok();
                    let number = text.and_then(|text| text.strip_prefix("who ")?.parse().ok());
                    if let Some(number) = number.filter(|number| waiting.remove(number).is_some()) {
                        settled.push((number, Outcome::Refused(quoted.refusal)));
                    }
                }
                waiting.is_empty()
            }
            Self::Sctp { socket, waiting } => {
                while let Some(received) = socket.receive(buffers) {
                    if let Some((source, outcome)) = read_sctp(received.payload, waiting) {
                        settled.extend(waiting.remove(&source).map(|(number, _)| (number, outcome)));
                    }
                }
                while let Some(quoted) = socket.error(buffers) {
                    let Some(header) = Header::read(quoted.payload) else { continue };
                    let number = waiting.remove(&header.source).map(|(number, _)| number);
                    settled.extend(number.map(|number| (number, Outcome::Refused(quoted.refusal))));
                }
                waiting.is_empty()
            }
            Self::Echo { socket, v6, waiting } => {
                while let Some(received) = socket.receive(buffers) {
                    let read =
                        if *v6 { icmp::read_v6(received.payload) } else { icmp::read_v4(received.payload) };
                    let (identifier, outcome) = match read {
                        Some(Echo::Reply { identifier }) => (identifier, Outcome::Answered { by: None }),
                        Some(Echo::Error { identifier, kind, code }) => {
                            (identifier, Outcome::Refused(Refusal::icmp(*v6, kind, code)))
                        }
                        None => continue,
                    };
                    settled.extend(waiting.remove(&identifier).map(|number| (number, outcome)));
                }
                waiting.is_empty()
            }
        }
    }

    /// What is known of those that nothing has come for.
    fn give_up(self, settled: &mut Vec<(Number, Outcome)>) {
        match self {
            Self::Tcp { probe, connected, .. } => {
                // The handshake went both ways.
                settled
                    .push((probe, if connected { Outcome::Answered { by: None } } else { Outcome::Silent }));
            }
            Self::Udp { waiting, .. } => {
                settled.extend(waiting.into_keys().map(|number| (number, Outcome::Silent)));
            }
            Self::Sctp { waiting, .. } => {
                settled.extend(waiting.into_values().map(|(number, _)| (number, Outcome::Silent)));
            }
            Self::Echo { waiting, .. } => {
                settled.extend(waiting.into_values().map(|number| (number, Outcome::Silent)));
            }
        }
    }
}

/// Goes on with a connection: asks who is there once it stands, and reads the answer.
fn take_tcp(
    socket: &mut Socket,
    probe: Number,
    connected: &mut bool,
    answer: &mut Vec<u8>,
    buffers: &mut Buffers,
) -> Option<Outcome> {
    if !*connected {
        // Fails with what the attempt failed with, or for want of room while it still goes on.
        return match socket.write_all(format!("{}\n", question(probe)).as_bytes()) {
            Ok(()) => {
                *connected = true;
                None
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(refused(socket, &error, buffers)),
        };
    }
    let mut room = [0; 256];
    loop {
        match socket.read(&mut room) {
            Ok(0) => return Some(Outcome::Refused(Refusal::Reset)),
            Ok(length) => answer.extend(room.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Some(refused(socket, &error, buffers)),
        }
        let line = str::from_utf8(answer).ok().filter(|line| line.ends_with('\n'));
        if let Some((_, by)) = line.and_then(answered) {
            return Some(Outcome::Answered { by: Some(by) });
        }
    }
}

/// What ended a connection: an ICMP error if there was one, or else a reset.
fn refused(socket: &Socket, error: &io::Error, buffers: &mut Buffers) -> Outcome {
    match tcp_error(socket, buffers) {
        Some(refusal) => Outcome::Refused(refusal),
        None => match errno(error) {
            Errno::ETIMEDOUT => Outcome::Silent,
            Errno::EPIPE => Outcome::Refused(Refusal::Reset),
            error => failed(error),
        },
    }
}

/// What a packet says about a probe: which (by its source port), and its outcome.
fn read_sctp(bytes: &[u8], waiting: &BTreeMap<u16, (Number, u32)>) -> Option<(u16, Outcome)> {
    let (header, chunk) = sctp::read(bytes)?;
    let (_, tag) = waiting.get(&header.destination)?;
    let ours = header.tag == *tag;
    let outcome = match chunk.kind {
        INIT_ACK if ours => {
            let cookie = Init::read(chunk.value)?.cookie?;
            let by = str::from_utf8(cookie).ok().and_then(Answerer::read).map(|(by, _)| by);
            Outcome::Answered { by }
        }
        ABORT if ours || chunk.flags & sctp::TAG_REFLECTED != 0 => Outcome::Refused(Refusal::Reset),
        _ => return None,
    };
    Some((header.destination, outcome))
}
