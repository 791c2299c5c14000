//! What was seen on a node. In: what a reader of the kernel's log found out. Out: plain values: one record a logged packet, and
//! what is known to be missing among them.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use crate::{
    Text,
    verdict::{Direction, Reason},
};

/// What a node did with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Treatment {
    /// It was refused.
    Denied,
    /// It opened a connection that was let through.
    Allowed,
    /// It was let through, and an audit policy would have refused it.
    WouldDeny,
}

impl Treatment {
    /// `denied`, `allowed` or `would-deny`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Allowed => "allowed",
            Self::WouldDeny => "would-deny",
        }
    }
}

/// Who has an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A pod.
    Pod {
        /// Its namespace.
        namespace: Text,
        /// Its name.
        name: Text,
    },
    /// A node, or a pod with the node's network.
    Node(Text),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod { namespace, name } => write!(f, "{namespace}/{name}"),
            Self::Node(name) => write!(f, "node {name}"),
        }
    }
}

/// One end of a packet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seen {
    /// Its address.
    pub address: IpAddr,
    /// Its port, if the protocol has ports and the packet's head was long enough to hold them.
    pub port: Option<u16>,
    /// Who has the address, if the cluster knows.
    pub party: Option<Party>,
}

/// The flags of a TCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// Opens a connection.
    pub const SYN: u8 = 2;
    /// Breaks a connection off.
    pub const RST: u8 = 4;
    /// Acknowledges.
    pub const ACK: u8 = 16;

    const NAMES: [&'static str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
}

impl fmt::Display for TcpFlags {
    /// `SYN,ACK`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = Self::NAMES.iter().enumerate().filter(|(bit, _)| self.0 >> bit & 1 == 1);
        for (at, (_, name)) in set.enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// One logged packet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowRecord {
    /// When it was read, since the beginning of 1970.
    pub time: Duration,
    /// What was done with it.
    pub treatment: Treatment,
    /// At which side of the connection.
    pub direction: Direction,
    /// The number of the rule or reason in the node's program.
    pub rule: u32,
    /// Kind and name of the policy as the log has them (`NetworkPolicy shop/web`); perhaps cut off, perhaps empty.
    pub policy: Text,
    /// What decided: rules with their policies, indexes and places, or the policies that isolate the pod. Empty if the
    /// program no longer knows the number.
    pub reasons: Arc<[Reason]>,
    /// Where the packet came from.
    pub source: Seen,
    /// Where it went to.
    pub destination: Seen,
    /// The number of the transport protocol; nothing if the packet's head was too short to tell.
    pub protocol: Option<u8>,
    /// Type and code of a packet of ICMP or ICMPv6.
    pub icmp: Option<(u8, u8)>,
    /// The flags of a packet of TCP.
    pub tcp_flags: Option<TcpFlags>,
    /// The number of the interface that it came in by.
    pub input: Option<u32>,
    /// The number of the interface that it was to leave by.
    pub output: Option<u32>,
}

/// What is missing among records. Nothing is lost without being counted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Loss {
    /// Packets that the kernel logged and could not deliver, by the gaps in its numbers. A gap shows with the next packet.
    pub missed: u64,
    /// How often the kernel said that it could not deliver.
    pub overruns: u64,
    /// Messages or packets that could not be read: cut off or malformed.
    pub unreadable: u64,
    /// Packets logged to the same group by rules that are not ours.
    pub foreign: u64,
}

impl Loss {
    /// What was lost since an earlier count.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            missed: self.missed.saturating_sub(earlier.missed),
            overruns: self.overruns.saturating_sub(earlier.overruns),
            unreadable: self.unreadable.saturating_sub(earlier.unreadable),
            foreign: self.foreign.saturating_sub(earlier.foreign),
        }
    }

    /// Whether everything that is ours arrived.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.missed == 0 && self.overruns == 0 && self.unreadable == 0
    }
}

/// Records with what is missing among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order in which the kernel logged them.
    pub records: Vec<FlowRecord>,
    /// What was lost since the report before.
    pub lost: Loss,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_parties_are_named() {
        assert_eq!(TcpFlags(TcpFlags::SYN | TcpFlags::ACK).to_string(), "SYN,ACK");
        assert_eq!(TcpFlags(0).to_string(), "");
        assert_eq!(TcpFlags(0x81).to_string(), "FIN,CWR");
        let pod = Party::Pod { namespace: "shop".into(), name: "web".into() };
        assert_eq!(pod.to_string(), "shop/web");
        assert_eq!(Party::Node("one".into()).to_string(), "node one");
    }

    #[test]
    fn loss_is_the_difference_of_counts() {
        let (first, second) =
            (Loss { missed: 3, ..Loss::default() }, Loss { missed: 5, overruns: 1, ..Loss::default() });
        assert_eq!(second.since(first), Loss { missed: 2, overruns: 1, ..Loss::default() });
        assert!(!second.is_none() && Loss { foreign: 9, ..Loss::default() }.is_none());
    }
}
