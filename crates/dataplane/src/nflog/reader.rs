//! The socket. In: a group and its settings, in the network namespace of the thread that opens it. Out: reports, each with
//! what is missing in it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockopt, recvfrom,
        sendto, setsockopt, socket, sockopt,
    },
};
use ringfence_model::observed::{Loss, Report};

use super::{
    Decoder, Parties, Rules,
    message::{self, Setup, messages},
};

/// The longest datagram that the kernel makes (`NFULNL_NLBUFSIZ_MAX` is 128 KiB), and room beside it.
const DATAGRAM: usize = 160 << 10;

/// How a group is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The group, as rules name it. One reader a group and network namespace.
    pub group: u16,
    /// Bytes of a packet at most; a rule may ask for less.
    pub snaplen: u32,
    /// Packets that the kernel collects before it sends them; a rule may ask for fewer.
    pub threshold: u32,
    /// How long the kernel keeps packets that are too few; in steps of 10 ms.
    pub timeout: Duration,
    /// Bytes that the kernel collects packets in, up to 128 KiB.
    pub batch: u32,
    /// Bytes that may wait to be read. Where this process may not exceed `net.core.rmem_max`, that is the limit.
    pub buffer: usize,
}

impl Default for Settings {
    /// Group 100; enough for the headers; a tenth of a second late at most; 4 MiB.
    fn default() -> Self {
        Self {
            group: 100,
            snaplen: 128,
            threshold: 64,
            timeout: Duration::from_millis(100),
            batch: 32 << 10,
            buffer: 4 << 20,
        }
    }
}

/// Why a group cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The kernel lacks netlink for netfilter.
    #[error("the kernel has no netlink socket for its packet filter: load the module `nfnetlink`")]
    NoNetlink(#[source] io::Error),
    /// Not allowed.
    #[error("reading log group {group} needs the capability CAP_NET_ADMIN in this network namespace")]
    Forbidden {
        /// The group.
        group: u16,
    },
    /// Somebody else reads the group.
    #[error(
        "log group {group} is read by another program in this network namespace: stop it, or choose another group"
    )]
    Taken {
        /// The group.
        group: u16,
    },
    /// The kernel cannot log to groups.
    #[error("the kernel cannot log to groups: load the module `nfnetlink_log`")]
    NoLog,
    /// Anything else.
    #[error("log group {group} cannot be opened")]
    Other {
        /// The group.
        group: u16,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Reads one group.
pub struct Reader {
    socket: OwnedFd,
    decoder: Decoder,
    /// What was lost when the last report was made.
    reported: Loss,
    bytes: Vec<u8>,
    /// Datagrams that came before the kernel's answer to the set-up.
    early: Vec<Vec<u8>>,
    buffer: usize,
}

impl Reader {
    /// Begins to read a group in the calling thread's network namespace.
    ///
    /// # Errors
    /// The kernel cannot log to groups, the group is taken, or this process may not.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let group = settings.group;
        let other = |errno: Errno| OpenError::Other { group, source: errno.into() };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)
            .map_err(|errno| OpenError::NoNetlink(errno.into()))?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0)).map_err(other)?;
        // More than the limit needs a capability of the machine, which a namespace's root lacks.
        if setsockopt(&socket, sockopt::RcvBufForce, &settings.buffer).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &settings.buffer).map_err(other)?;
        }
        let buffer = getsockopt(&socket, sockopt::RcvBuf).map_err(other)?;
        let mut reader = Self {
            socket,
            decoder: Decoder::default(),
            reported: Loss::default(),
            bytes: vec![0; DATAGRAM],
            early: Vec::new(),
            buffer,
        };
        let hundredths = u32::try_from(settings.timeout.as_millis().div_ceil(10)).unwrap_or(u32::MAX);
        let setup = Setup {
            group,
            snaplen: settings.snaplen,
            threshold: settings.threshold.max(1),
            timeout: hundredths.max(1),
            batch: settings.batch,
        };
        match reader.ask(&message::bind(&setup)).map_err(other)? {
            0 => Ok(reader),
            code => Err(match Errno::from_raw(-code) {
                // The kernel says the same of a group that another socket has and of a process that may not. About a
                // group that nobody has, it says that only to the latter.
                Errno::EPERM => {
                    let forbidden = -(Errno::EPERM as i32);
                    if reader.ask(&message::may_i(!group)).map_err(other)? == forbidden {
                        OpenError::Forbidden { group }
                    } else {
                        OpenError::Taken { group }
                    }
                }
                Errno::EINVAL | Errno::EOPNOTSUPP => OpenError::NoLog,
                errno => other(errno),
            }),
        }
    }

    /// Sends a message and waits for its answer: 0, or an error number as a negative. Packets that come first are kept.
    fn ask(&mut self, message: &[u8]) -> Result<i32, Errno> {
        sendto(self.socket.as_raw_fd(), message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        loop {
            match self.next()? {
                Next::Nothing => {
                    if !self.poll(PollTimeout::from(5000_u16))? {
                        return Err(Errno::ETIMEDOUT);
                    }
                }
                Next::Overrun => self.decoder.overrun(),
                Next::Datagram(len) => {
                    let bytes = self.bytes.get(..len).unwrap_or_default();
                    let answer = messages(bytes).flatten().find(|message| message.kind == message::ERROR);
                    match answer.and_then(|message| message::code(message.body)) {
                        Some(code) => return Ok(code),
                        None => self.early.push(bytes.to_vec()),
                    }
                }
            }
        }
    }

    /// Reads what has come, up to so many datagrams (of up to [`Settings::threshold`] packets each), without waiting.
    ///
    /// # Errors
    /// The socket fails. That the kernel could not deliver is no error but a count in the report.
    pub fn report(
        &mut self,
        now: Duration,
        most: usize,
        rules: &impl Rules,
        parties: &Parties,
    ) -> io::Result<Report> {
        let mut records = Vec::new();
        for bytes in std::mem::take(&mut self.early) {
            self.decoder.datagram(&bytes, now, rules, parties, &mut |record| records.push(record));
        }
        for _ in 0..most {
            match self.next()? {
                Next::Nothing => break,
                Next::Overrun => self.decoder.overrun(),
                Next::Datagram(len) => {
                    let bytes = self.bytes.get(..len).unwrap_or_default();
                    self.decoder.datagram(bytes, now, rules, parties, &mut |record| records.push(record));
                }
            }
        }
        let lost = self.decoder.lost().since(self.reported);
        self.reported = self.decoder.lost();
        Ok(Report { records, lost })
    }

    /// Waits until there is something to report; `false` if the time passes first.
    ///
    /// # Errors
    /// Waiting fails.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        if !self.early.is_empty() {
            return Ok(true);
        }
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        Ok(self.poll(timeout)?)
    }

    /// What was lost since the reader was opened.
    #[must_use]
    pub fn lost(&self) -> Loss {
        self.decoder.lost()
    }

    /// Bytes that may wait to be read, as the kernel counts them: twice what was asked for, or less if it is limited.
    #[must_use]
    pub fn buffer(&self) -> usize {
        self.buffer
    }

    fn poll(&self, timeout: PollTimeout) -> Result<bool, Errno> {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    fn next(&mut self) -> Result<Next, Errno> {
        loop {
            return match recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), &mut self.bytes) {
                // Only the kernel, which has the number 0, knows what it logged.
                Ok((_, Some(from))) if from.pid() != 0 => continue,
                Ok((len, _)) => Ok(Next::Datagram(len)),
                Err(Errno::EAGAIN) => Ok(Next::Nothing),
                Err(Errno::ENOBUFS) => Ok(Next::Overrun),
                Err(Errno::EINTR) => continue,
                Err(errno) => Err(errno),
            };
        }
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What the socket had.
enum Next {
    Datagram(usize),
    Overrun,
    Nothing,
}
