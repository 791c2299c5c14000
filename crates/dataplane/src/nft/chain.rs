//! Chains and rules. In: statements. Out: values with exactly one meaning each, which text, netlink and the interpreter
//! share.

use std::net::IpAddr;

use ringfence_model::address::Family;

use super::{KeyType, Name, Value};

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Where the kernel enters it; nothing for a chain that only others enter.
    pub hook: Option<Hook>,
    /// Its rules in order.
    pub rules: Vec<Rule>,
}

/// What makes a chain a base chain. Its policy is always accept: what is not ours passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hook {
    /// Which of the kernel's hooks.
    pub point: HookPoint,
    /// Whether it is a chain of type `nat` instead of `filter`.
    pub nat: bool,
    /// Smaller runs first; `filter` is 0, `dstnat` -100, `srcnat` 100.
    pub priority: i32,
}

/// A hook of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookPoint {
    /// Every packet that arrives, before routing.
    Prerouting,
    /// Packets for this node.
    Input,
    /// Packets routed through.
    Forward,
    /// Packets from this node.
    Output,
    /// Every packet that leaves, after routing.
    Postrouting,
}

/// A rule: statements from left to right, until one does not match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The statements.
    pub statements: Vec<Statement>,
    /// A note for people, at most [`Limits::COMMENT`](super::Limits::COMMENT) bytes.
    pub comment: Option<String>,
}

/// Something of a packet. A field that a packet does not have (an IPv6 source of an IPv4 packet) does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `ip saddr`, `ip6 saddr`
    Source(Family),
    /// `ip daddr`, `ip6 daddr`
    Destination(Family),
    /// `meta l4proto`
    Protocol,
    /// `th sport`. Bytes of the transport header whatever the protocol: exclude protocols without ports first.
    SourcePort,
    /// `th dport`, as [`Self::SourcePort`]
    DestinationPort,
    /// `icmp type`, of packets of ICMP only
    IcmpType,
    /// `icmpv6 type`, of packets of ICMPv6 only
    Icmpv6Type,
}

impl Field {
    /// The type of its values, as a set's key has it.
    #[must_use]
    pub fn key_type(self) -> KeyType {
        match self {
            Self::Source(Family::V4) | Self::Destination(Family::V4) => KeyType::Ipv4,
            Self::Source(Family::V6) | Self::Destination(Family::V6) => KeyType::Ipv6,
            Self::Protocol => KeyType::Protocol,
            Self::SourcePort | Self::DestinationPort => KeyType::Port,
            Self::IcmpType => KeyType::Icmp,
            Self::Icmpv6Type => KeyType::Icmpv6,
        }
    }

    /// The family of the packets that have it, if only one has.
    #[must_use]
    pub fn family(self) -> Option<Family> {
        match self {
            Self::Source(family) | Self::Destination(family) => Some(family),
            Self::IcmpType => Some(Family::V4),
            Self::Icmpv6Type => Some(Family::V6),
            Self::Protocol | Self::SourcePort | Self::DestinationPort => None,
        }
    }
}

/// One step of a rule: a condition, which ends the rule if it does not hold, or an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The field has the value (or is in the range), or, negated, has not.
    Is {
        /// The field.
        field: Field,
        /// The value.
        value: Value,
        /// `!=`
        negated: bool,
    },
    /// The fields are in the set, or, negated, are not.
    In {
        /// The fields, in the order of the set's key.
        fields: Vec<Field>,
        /// The set.
        set: Name,
        /// `!=`
        negated: bool,
    },
    /// The packet is of this family. It stands before a verdict and nothing else: fields that only one family has test the
    /// family themselves.
    Family(Family),
    /// The packet runs in the direction of the connection's first packet (`false`) or against it (`true`). A packet
    /// without a connection matches neither.
    Reply(bool),
    /// The connection's state is one of these bits: invalid 1, established 2, related 4, new 8, untracked 64.
    State(u32),
    /// The bits of the connection's mark under the mask have (or, negated, have not) the value.
    Mark {
        /// Which bits.
        mask: u32,
        /// Their value.
        value: u32,
        /// `!=`
        negated: bool,
    },
    /// Sets the bits of the connection's mark under the mask.
    SetMark {
        /// Which bits.
        mask: u32,
        /// Their new value.
        value: u32,
    },
    /// Holds while there are at most so many packets a second (after a burst of at least 1).
    Limit {
        /// Packets a second.
        rate: u32,
        /// Packets that may come at once.
        burst: u32,
    },
    /// Holds for one packet in so many, at random (`numgen random mod N == 0`).
    Random(Random),
    /// Counts packets and bytes.
    Counter,
    /// Hands a copy of the packet's head to a reader.
    Log(LogTo),
    /// Changes the destination, in a chain of type `nat`.
    Dnat(IpAddr, u16),
    /// Changes the source to the outgoing interface's address, in a chain of type `nat`.
    Masquerade,
    /// Refuses: drops and tells the sender.
    Reject(Reject),
    /// Looks the fields up and does what the map says; a miss goes on with the next rule.
    VerdictMap {
        /// The fields, in the order of the map's key.
        fields: Vec<Field>,
        /// The map.
        map: Name,
    },
    /// Ends the rule.
    Verdict(Verdict),
}

/// One packet in so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    /// How many, at least 1.
    pub one_in: u32,
}

/// An NFLOG target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTo {
    /// Names what was decided, at most [`Limits::LOG_PREFIX`](super::Limits::LOG_PREFIX) bytes.
    pub prefix: String,
    /// The group that the reader listens to.
    pub group: u16,
    /// Bytes of the packet.
    pub snaplen: u32,
    /// Packets that the kernel collects before it wakes the reader.
    pub queue_threshold: u16,
}

/// How a refused packet's sender learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reject {
    /// A TCP reset; for packets of TCP only.
    TcpReset,
    /// ICMP or ICMPv6 "administratively prohibited".
    AdminProhibited,
}

/// Where a packet goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// This base chain lets it pass; later base chains may still drop it.
    Accept,
    /// It is gone.
    Drop,
    /// Back to the rule after the jump; at the end of a base chain, accept.
    Return,
    /// Into a chain, and back to the next rule.
    Jump(Name),
    /// Into a chain; at its end, back to where the last jump came from.
    Goto(Name),
}
