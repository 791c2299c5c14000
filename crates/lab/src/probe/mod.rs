//! Probes. In: from where to where, over which protocol, by the thousand. Out: what came back for each, and who answered.

mod bytes;
pub mod client;
mod flight;
mod held;
mod icmp;
mod opens;
mod ports;
mod run;
pub(crate) mod sctp;
pub(crate) mod socket;

use std::{fmt, net::IpAddr};

use nix::errno::Errno;
use ringfence_model::port::Protocol;

pub use crate::listen::Answerer;
pub use held::{Held, Hold};
pub use opens::{Attempt, Bounds, Opening, Opens};
pub use run::{Options, ProbeError, Prober};

/// One question to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The namespace to ask from: its place in the list that [`Prober::run`] is given.
    pub from: usize,
    /// The address to ask from; the namespace has it.
    pub source: IpAddr,
    /// The address to ask, of the same family.
    pub to: IpAddr,
    /// What to ask with. [`Protocol::Icmp`] and [`Protocol::Icmpv6`] ask with an echo request of the addresses' family.
    pub protocol: Protocol,
    /// The port to ask; ICMP has none.
    pub port: u16,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer: traffic passes both ways.
    Answered {
        /// Which listener. ICMP does not say, nor does a listener that accepts a connection and is too busy to speak.
        by: Option<Answerer>,
    },
    /// A refusal.
    Refused(Refusal),
    /// Nothing, however long and often it was asked.
    Silent,
    /// The question could not be asked.
    Failed(Errno),
}

impl Outcome {
    /// Whether traffic passes; nothing if the question was not asked.
    #[must_use]
    pub fn passes(self) -> Option<bool> {
        match self {
            Self::Answered { .. } => Some(true),
            Self::Refused(_) | Self::Silent => Some(false),
            Self::Failed(_) => None,
        }
    }
}

/// How a question was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A TCP reset or an SCTP ABORT.
    Reset,
    /// An ICMP error that says that it is forbidden: "administratively prohibited" and its kin (RFC 1812 5.2.7.1,
    /// RFC 4443 3.1).
    Prohibited,
    /// Another ICMP error.
    Unreachable {
        /// Its ICMP or ICMPv6 type.
        kind: u8,
        /// Its code.
        code: u8,
    },
}

impl Refusal {
    pub(crate) fn icmp(v6: bool, kind: u8, code: u8) -> Self {
        match (v6, kind, code) {
            // Network, host and communication prohibited; prohibited, source policy, reject route.
            (false, 3, 9 | 10 | 13) | (true, 1, 1 | 5 | 6) => Self::Prohibited,
            _ => Self::Unreachable { kind, code },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset => f.write_str("reset"),
            Self::Prohibited => f.write_str("prohibited"),
            Self::Unreachable { kind, code } => write!(f, "unreachable (ICMP type {kind} code {code})"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { by: Some(by) } => {
                write!(f, "answered by listener {} on port {}", by.listener, by.port)
            }
            Self::Answered { by: None } => f.write_str("answered"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Silent => f.write_str("no answer"),
            Self::Failed(error) => write!(f, "not asked: {}", error.desc()),
        }
    }
}
