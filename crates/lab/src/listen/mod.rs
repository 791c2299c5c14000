//! Listeners. In: which ports of which namespaces somebody listens on. Out: every connection there is taken and every
//! message answered, by one thread for all of them; each answer names the listener. The kernel answers ICMP by itself.

mod association;
mod ledger;
pub(crate) mod message;
mod server;
mod stream;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::eventfd::{EfdFlags, EventFd},
};
use ringfence_model::port::Protocol;
use thiserror::Error;

pub use ledger::{Account, Direction, Ledger, Sent, Way};
pub use message::Answerer;

use crate::{
    dns::Zone,
    namespace::{Namespace, NamespaceError},
    probe::socket::{Datagrams, tcp_listener},
};
use server::{Command, Opened, Server};

/// Somewhere that somebody listens.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The number that its answers carry. Several listeners may share one (the ports of a pod).
    pub id: u32,
    /// What HTTP clients are shown: `namespace/pod`.
    pub name: String,
    /// Where.
    pub namespace: Namespace,
    /// At one address of the namespace, or at all of both families.
    pub address: Option<IpAddr>,
    /// TCP, UDP or SCTP; the others need no listener.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
}

/// Why a listener could not be made.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The kernel refuses a socket.
    #[error("`{name}` cannot listen on {protocol} port {port}: {cause}")]
    Socket {
        /// The listener's name.
        name: String,
        /// Its protocol.
        protocol: &'static str,
        /// Its port.
        port: u16,
        /// What the kernel says.
        cause: io::Error,
    },
    /// The thread that serves them cannot be started, or has ended.
    #[error("cannot serve listeners: {0}")]
    Serve(io::Error),
}

/// All listeners of a lab. They end when this is dropped.
pub struct Listeners {
    ledger: Arc<Ledger>,
    commands: Sender<Command>,
    wake: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
    /// The listeners of each namespace that has raw SCTP sockets.
    sctp: Mutex<BTreeMap<u64, BTreeSet<u32>>>,
}

impl Listeners {
    /// Starts the thread that serves them; nobody listens yet.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start() -> Result<Self, ListenError> {
        let wake = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).map_err(serve)?;
        let (wake, ledger) = (Arc::new(wake), Arc::<Ledger>::default());
        let (commands, incoming) = mpsc::channel();
        let mut server = Server::new(incoming, Arc::clone(&wake), Arc::clone(&ledger)).map_err(serve)?;
        let thread = thread::Builder::new().name("listeners".to_owned()).spawn(move || server.run());
        let thread = Some(thread.map_err(ListenError::Serve)?);
        Ok(Self { ledger, commands, wake, thread, sctp: Mutex::default() })
    }

    /// Where messages of held connections are counted.
    #[must_use]
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Listens. When this returns, connections and messages are taken.
    ///
    /// # Errors
    /// When a namespace cannot be entered or a port is taken; listeners before it stay.
    pub fn listen(&self, listeners: &[Listener]) -> Result<(), ListenError> {
        let mut places: BTreeMap<u64, Vec<&Listener>> = BTreeMap::new();
        for listener in listeners {
            places.entry(listener.namespace.inode()).or_default().push(listener);
        }
        for (inode, listeners) in places {
            let Some(first) = listeners.first() else { continue };
            let needs_sctp = self.claim_sctp(inode, &listeners);
            let opened = first.namespace.run(|| open(inode, &listeners, needs_sctp))?;
            self.command(Command::Add(opened?))?;
        }
        Ok(())
    }

    /// Has the listeners on UDP port 53 with these numbers answer DNS from a zone too, and all others that do at
    /// [`LOOPBACK`](crate::dns::LOOPBACK); whatever zone was answered from before is forgotten.
    ///
    /// # Errors
    /// When the thread that serves them has ended.
    pub fn answer_dns(&self, zone: Zone, listeners: BTreeSet<u32>) -> Result<(), ListenError> {
        self.command(Command::Dns(Some(server::Dns { zone, listeners })))
    }

    /// What tells when they have caught up.
    pub(crate) fn backlog(&self) -> Backlog {
        Backlog { commands: self.commands.clone(), wake: Arc::clone(&self.wake) }
    }

    /// Closes every listener with a number, and their connections.
    ///
    /// # Errors
    /// When the thread that serves them has ended.
    pub fn close(&self, id: u32) -> Result<(), ListenError> {
        let mut sctp = self.sctp.lock().unwrap_or_else(PoisonError::into_inner);
        for listeners in sctp.values_mut() {
            listeners.remove(&id);
        }
        sctp.retain(|_, listeners| !listeners.is_empty());
        self.command(Command::Close(id))
    }

    /// Notes which listeners of a namespace use its raw SCTP sockets. Returns whether it needs them and has none.
    fn claim_sctp(&self, inode: u64, listeners: &[&Listener]) -> bool {
        let ids: BTreeSet<u32> = listeners
            .iter()
            .filter(|listener| listener.protocol == Protocol::Sctp)
            .map(|listener| listener.id)
            .collect();
        if ids.is_empty() {
            return false;
        }
        let mut sctp = self.sctp.lock().unwrap_or_else(PoisonError::into_inner);
        let before = sctp.entry(inode).or_default();
        let none = before.is_empty();
        before.extend(ids);
        none
    }

    fn command(&self, command: Command) -> Result<(), ListenError> {
        let ended = || ListenError::Serve(io::Error::other("the thread has ended"));
        self.commands.send(command).map_err(|_| ended())?;
        self.wake.write(1).map_err(serve)?;
        Ok(())
    }
}

/// What has come for listeners and is not served yet.
#[derive(Debug)]
pub(crate) struct Backlog {
    commands: Sender<Command>,
    wake: Arc<EventFd>,
}

impl Backlog {
    /// Waits until there is none, for some time at most.
    pub(crate) fn await_served(&self, at_most: Duration) {
        let (tell, told) = mpsc::channel();
        // Listeners that have ended serve nothing more.
        if self.commands.send(Command::Await(tell)).is_ok() && self.wake.write(1).is_ok() {
            let _ = told.recv_timeout(at_most);
        }
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        // Nothing is left to tell if the thread has ended already.
        let _ = self.command(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(cause: Errno) -> ListenError {
    ListenError::Serve(cause.into())
}

/// Makes the sockets of one namespace; runs in it.
fn open(inode: u64, listeners: &[&Listener], needs_sctp: bool) -> Result<Vec<Opened>, ListenError> {
    let mut opened = Vec::with_capacity(listeners.len());
    if needs_sctp {
        let sctp = listeners.iter().find(|listener| listener.protocol == Protocol::Sctp);
        for v6 in [false, true] {
            match (Datagrams::sctp_listener(v6), sctp) {
                (Ok(socket), _) => opened.push(Opened::Sctp { inode, socket }),
                (Err(error), _) if v6 && error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32) => {}
                (Err(error), Some(listener)) => return Err(refused(listener, error)),
                (Err(error), None) => return Err(ListenError::Serve(error)),
            }
        }
    }
    for listener in listeners {
        let (id, address, port) = (listener.id, listener.address, listener.port);
        let answerer = Answerer { listener: id, port };
        opened.push(match listener.protocol {
            Protocol::Tcp => {
                let socket = tcp_listener(address, port).map_err(|error| refused(listener, error))?;
                Opened::Tcp { socket, answerer, name: listener.name.as_str().into() }
            }
            Protocol::Udp => {
                let socket =
                    Datagrams::udp_listener(address, port).map_err(|error| refused(listener, error))?;
                Opened::Udp { socket, answerer }
            }
            Protocol::Sctp => Opened::SctpPort { inode, address, answerer },
            Protocol::Icmp | Protocol::Icmpv6 => continue,
        });
    }
    Ok(opened)
}

fn refused(listener: &Listener, cause: io::Error) -> ListenError {
    let (name, protocol) = (listener.name.clone(), listener.protocol.as_str());
    ListenError::Socket { name, protocol, port: listener.port, cause }
}
