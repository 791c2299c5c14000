//! Sets and maps. In: types and elements. Out: values in the order in which they are printed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr},
};

use super::Verdict;

/// Type of one field of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// `ipv4_addr`
    Ipv4,
    /// `ipv6_addr`
    Ipv6,
    /// `inet_proto`
    Protocol,
    /// `inet_service`
    Port,
    /// `icmp_type`
    Icmp,
    /// `icmpv6_type`
    Icmpv6,
}

/// One field of an element: a value, or a range with both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// IPv4 addresses from the first to the last.
    Ipv4Range(Ipv4Addr, Ipv4Addr),
    /// IPv6 addresses from the first to the last.
    Ipv6Range(Ipv6Addr, Ipv6Addr),
    /// A protocol number.
    Protocol(u8),
    /// A port.
    Port(u16),
    /// Ports from the first to the last.
    PortRange(u16, u16),
    /// A type of ICMP or ICMPv6 message.
    Icmp(u8),
}

/// A key: one value a field.
pub type Element = Vec<Value>;

/// A named set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Types of the key's fields, one or several (a concatenation).
    pub key: Vec<KeyType>,
    /// Whether elements may be ranges; ranges must be disjoint.
    pub interval: bool,
    /// The elements.
    pub elements: BTreeSet<Element>,
}

/// A named map to verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Types of the key's fields, one or several (a concatenation).
    pub key: Vec<KeyType>,
    /// Whether elements may be ranges; ranges must be disjoint.
    pub interval: bool,
    /// The elements and what becomes of a packet that matches.
    pub elements: BTreeMap<Element, Verdict>,
}
