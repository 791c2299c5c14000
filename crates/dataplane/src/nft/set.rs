//! Sets and maps. In: types and elements. Out: values in the order in which they are printed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
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
    /// How many elements it may have, without ranges. The kernel then takes a table of that size, which is faster to look
    /// into than one that grows, and never takes more elements. Nothing: any number.
    pub size: Option<u32>,
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
    /// How many elements it may have, without ranges. The kernel then takes a table of that size, which is faster to look
    /// into than one that grows, and never takes more elements. Nothing: any number.
    pub size: Option<u32>,
    /// The elements and what becomes of a packet that matches.
    pub elements: BTreeMap<Element, Verdict>,
}

impl KeyType {
    /// Bytes of a value.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 => 16,
            Self::Port => 2,
            Self::Protocol | Self::Icmp | Self::Icmpv6 => 1,
        }
    }

    /// Whether a value is of this type.
    #[must_use]
    pub fn admits(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::Ipv4, Value::Ipv4(_) | Value::Ipv4Range(..))
                | (Self::Ipv6, Value::Ipv6(_) | Value::Ipv6Range(..))
                | (Self::Protocol, Value::Protocol(_))
                | (Self::Port, Value::Port(_) | Value::PortRange(..))
                | (Self::Icmp | Self::Icmpv6, Value::Icmp(_))
        )
    }
}

impl Value {
    /// The first and the last value as numbers; the same twice if it is not a range.
    #[must_use]
    pub fn bounds(&self) -> (u128, u128) {
        match *self {
            Self::Ipv4(address) => (u128::from(address.to_bits()), u128::from(address.to_bits())),
            Self::Ipv6(address) => (address.to_bits(), address.to_bits()),
            Self::Ipv4Range(first, last) => (u128::from(first.to_bits()), u128::from(last.to_bits())),
            Self::Ipv6Range(first, last) => (first.to_bits(), last.to_bits()),
            Self::Protocol(number) | Self::Icmp(number) => (u128::from(number), u128::from(number)),
            Self::Port(port) => (u128::from(port), u128::from(port)),
            Self::PortRange(first, last) => (u128::from(first), u128::from(last)),
        }
    }

    /// Network and prefix length, if it is a range of addresses that a prefix writes, shorter than one address and
    /// longer than everything.
    #[must_use]
    pub fn prefix(&self) -> Option<(IpAddr, u32)> {
        let (first, last) = self.bounds();
        let (network, bits) = match *self {
            Self::Ipv4Range(network, _) => (IpAddr::V4(network), 32),
            Self::Ipv6Range(network, _) => (IpAddr::V6(network), 128),
            _ => return None,
        };
        let host = first ^ last;
        let length = bits - (u128::BITS - host.leading_zeros());
        (first < last && host & host.wrapping_add(1) == 0 && first & host == 0 && length > 0)
            .then_some((network, length))
    }

    /// A value of a type from numbers, a range if they differ. Nothing if the type does not hold them.
    #[must_use]
    pub fn from_bounds(key: KeyType, first: u128, last: u128) -> Option<Self> {
        let small = |value: u128| u8::try_from(value).ok();
        Some(match key {
            KeyType::Ipv4 => {
                let (first, last) = (u32::try_from(first).ok()?.into(), u32::try_from(last).ok()?.into());
                if first == last { Self::Ipv4(first) } else { Self::Ipv4Range(first, last) }
            }
            KeyType::Ipv6 if first == last => Self::Ipv6(first.into()),
            KeyType::Ipv6 => Self::Ipv6Range(first.into(), last.into()),
            KeyType::Port => {
                let (first, last) = (u16::try_from(first).ok()?, u16::try_from(last).ok()?);
                if first == last { Self::Port(first) } else { Self::PortRange(first, last) }
            }
            _ if first != last => return None,
            KeyType::Protocol => Self::Protocol(small(first)?),
            KeyType::Icmp | KeyType::Icmpv6 => Self::Icmp(small(first)?),
        })
    }
}
