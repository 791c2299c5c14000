//! The sockets of the responder. In: namespaces and a zone. Out: one thread that answers at all of them until it is dropped.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        eventfd::EventFd,
    },
};
use ringfence_model::port::Protocol;
use thiserror::Error;

use super::{answer::respond, zone::Zone};
use crate::namespace::{Namespace, NamespaceError};

/// The largest message over UDP.
const LARGEST: usize = 65_535;

/// How long a client over TCP may be silent.
const SILENCE: Duration = Duration::from_secs(5);

/// Clients over TCP at a time; more are turned away.
const CLIENTS: usize = 64;

/// Events taken at once.
const EVENTS: usize = 64;

/// The number of the event that ends the thread.
const STOP: u64 = 0;

/// Why DNS cannot be answered somewhere.
#[derive(Debug, Error)]
pub enum ResponderError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A socket cannot be had.
    #[error("cannot answer DNS at `{at}`: {cause}")]
    Socket {
        /// Its address.
        at: SocketAddr,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// The thread cannot be started or told something.
    #[error("cannot answer DNS: {0}")]
    Thread(#[from] io::Error),
}

impl From<Errno> for ResponderError {
    fn from(cause: Errno) -> Self {
        Self::Thread(cause.into())
    }
}

#[derive(Debug)]
enum Socket {
    Datagrams(UdpSocket),
    Streams(TcpListener),
}

/// What the thread and its owner share.
#[derive(Debug)]
struct Shared {
    epoll: Epoll,
    sockets: Mutex<BTreeMap<u64, Arc<Socket>>>,
    zone: RwLock<Arc<Zone>>,
    clients: AtomicUsize,
}

/// Answers DNS until it is dropped.
#[derive(Debug)]
pub struct Responder {
    shared: Arc<Shared>,
    stop: EventFd,
    thread: Option<JoinHandle<()>>,
    next: u64,
}

/// A socket of a responder, to close it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketId(u64);

impl Responder {
    /// One that answers from a zone, nowhere yet.
    ///
    /// # Errors
    /// When the kernel has no thread or descriptor to give.
    pub fn start(zone: Zone) -> Result<Self, ResponderError> {
        let shared = Arc::new(Shared {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            sockets: Mutex::default(),
            zone: RwLock::new(Arc::new(zone)),
            clients: AtomicUsize::new(0),
        });
        let stop = EventFd::new()?;
        shared.epoll.add(&stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("dns".to_owned()).spawn(move || run(&of_thread))?;
        Ok(Self { shared, stop, thread: Some(thread), next: STOP + 1 })
    }

    /// Answers from another zone from now on.
    pub fn set_zone(&self, zone: Zone) {
        *self.shared.zone.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(zone);
    }

    /// Answers at an address of a namespace too, over UDP or TCP.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or something is bound there.
    pub fn listen(
        &mut self,
        place: &Namespace,
        protocol: Protocol,
        at: SocketAddr,
    ) -> Result<SocketId, ResponderError> {
        let open = || -> io::Result<Socket> {
            Ok(if protocol == Protocol::Tcp {
                let listener = TcpListener::bind(at)?;
                listener.set_nonblocking(true)?;
                Socket::Streams(listener)
            } else {
                let socket = UdpSocket::bind(at)?;
                socket.set_nonblocking(true)?;
                Socket::Datagrams(socket)
            })
        };
        let socket = Arc::new(place.run(open)?.map_err(|cause| ResponderError::Socket { at, cause })?);
        let number = self.next;
        self.next += 1;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number);
        match &*socket {
            Socket::Datagrams(socket) => self.shared.epoll.add(socket.as_fd(), event)?,
            Socket::Streams(listener) => self.shared.epoll.add(listener.as_fd(), event)?,
        }
        self.shared.sockets.lock().unwrap_or_else(PoisonError::into_inner).insert(number, socket);
        Ok(SocketId(number))
    }

    /// Answers there no more.
    pub fn close(&self, socket: SocketId) {
        self.shared.sockets.lock().unwrap_or_else(PoisonError::into_inner).remove(&socket.0);
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // A failed write would mean that the counter is full, and then the thread is awake already.
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Arc<Shared>) {
    let mut events = [EpollEvent::empty(); EVENTS];
    let mut buffer = vec![0; LARGEST];
    loop {
        let ready = match shared.epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => continue,
            Err(_) => return,
        };
        for event in events.iter().take(ready) {
            if event.data() == STOP {
                return;
            }
            let socket =
                shared.sockets.lock().unwrap_or_else(PoisonError::into_inner).get(&event.data()).cloned();
            let zone = Arc::clone(&shared.zone.read().unwrap_or_else(PoisonError::into_inner));
            match socket.as_deref() {
                Some(Socket::Datagrams(socket)) => datagrams(socket, &zone, &mut buffer),
                Some(Socket::Streams(listener)) => streams(listener, shared),
                None => {}
            }
        }
    }
}

/// Answers what has come. An answer that cannot be sent is lost, as datagrams are.
fn datagrams(socket: &UdpSocket, zone: &Zone, buffer: &mut [u8]) {
    while let Ok((length, from)) = socket.recv_from(buffer) {
        if let Some(answer) = buffer.get(..length).and_then(|asked| respond(asked, zone, true)) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

/// Takes the clients that have come, each on a thread of its own, so that a silent one holds up nobody.
fn streams(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.clients.fetch_add(1, Ordering::Relaxed) >= CLIENTS {
            shared.clients.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let of_client = Arc::clone(shared);
        let client = move || {
            // A client that goes away, or is silent for too long, is done.
            let _ = converse(stream, &of_client);
            of_client.clients.fetch_sub(1, Ordering::Relaxed);
        };
        if thread::Builder::new().name("dns client".to_owned()).spawn(client).is_err() {
            shared.clients.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Messages with their length before them (RFC 1035, section 4.2.2), until the client has enough.
fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut asked = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut asked)?;
        let zone = Arc::clone(&shared.zone.read().unwrap_or_else(PoisonError::into_inner));
        let Some(answer) = respond(&asked, &zone, false) else { return Ok(()) };
        let mut framed = u16::try_from(answer.len()).map_err(io::Error::other)?.to_be_bytes().to_vec();
        framed.extend(answer);
        stream.write_all(&framed)?;
    }
}
