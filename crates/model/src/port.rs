//! Protocols and sets of ports. In: numbers. Out: sorted, disjoint ranges with exact set algebra.

use std::fmt;

/// A transport protocol that policies can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// ICMP over IPv4; the "port" of a flow is the ICMP type. Only Cilium policies can name it.
    Icmp,
    /// ICMP over IPv6; the "port" of a flow is the ICMPv6 type. Only Cilium policies can name it.
    Icmpv6,
}

impl Protocol {
    /// The protocols that have ports, in the order in which output lists them.
    pub const WITH_PORTS: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Icmp => "ICMP",
            Self::Icmpv6 => "ICMPv6",
        }
    }

    /// The protocol with this name, whatever its case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Sctp, Self::Icmp, Self::Icmpv6]
            .into_iter()
            .find(|protocol| protocol.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The ports of one protocol that a rule names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortSpec {
    /// Every port of the protocol.
    All,
    /// `first..=last`; a single port has both the same.
    Range(u16, u16),
    /// A name that each destination pod resolves to its own container port of that name and protocol.
    Named(crate::Text),
}

/// One entry of a rule's list of ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortMatch {
    /// The protocol; nothing means any protocol (Cilium `ANY`, a v1alpha2 named port).
    pub protocol: Option<Protocol>,
    /// The ports.
    pub ports: PortSpec,
    /// Where it is written.
    pub origin: crate::origin::Origin,
}

/// A set of ports: sorted, disjoint, non-adjacent inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSet(Vec<(u16, u16)>);

impl PortSet {
    /// No port.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Every port, 1 to 65535 (0 cannot be a destination).
    #[must_use]
    pub fn all() -> Self {
        Self(vec![(1, u16::MAX)])
    }

    /// `first..=last`; nothing if `last` is smaller.
    #[must_use]
    pub fn range(first: u16, last: u16) -> Self {
        if first <= last { Self(vec![(first, last)]) } else { Self::default() }
    }

    /// Any ranges, in any order, overlapping or not.
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u16, u16)>) -> Self {
        let mut sorted: Vec<(u16, u16)> = ranges.into_iter().filter(|(first, last)| first <= last).collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match merged.last_mut() {
                Some(open) if u32::from(first) <= u32::from(open.1) + 1 => open.1 = open.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// Whether it holds no port.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds every port from 1 to 65535.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self.0.as_slice(), [(0..=1, u16::MAX)])
    }

    /// Whether it holds the port.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= port);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| port <= *last)
    }

    /// Ports in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges(self.0.iter().chain(&other.0).copied())
    }

    /// Ports in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = Vec::new();
        let (mut left, mut right) = (self.0.iter().copied().peekable(), other.0.iter().copied().peekable());
        while let (Some(a), Some(b)) = (left.peek().copied(), right.peek().copied()) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                out.push((first, last));
            }
            if a.1 <= b.1 {
                left.next();
            } else {
                right.next();
            }
        }
        Self(out)
    }

    /// Ports in this one and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = Vec::new();
        for (first, last) in &self.0 {
            let mut from = u32::from(*first);
            for (cut_first, cut_last) in &other.0 {
                if u32::from(*cut_last) < from || cut_first > last {
                    continue;
                }
                if u32::from(*cut_first) > from {
                    out.push((u16::try_from(from).unwrap_or(u16::MAX), cut_first - 1));
                }
                from = u32::from(*cut_last) + 1;
            }
            if let Ok(from) = u16::try_from(from)
                && from <= *last
            {
                out.push((from, *last));
            }
        }
        Self(out)
    }
}

impl fmt::Display for PortSet {
    /// `80,8080-8090`; `all` for every port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("all");
        }
        for (at, (first, last)) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algebra_agrees_with_single_ports() {
        let a = PortSet::from_ranges([(1, 10), (20, 30), (11, 12), (65530, 65535)]);
        let b = PortSet::from_ranges([(5, 22), (25, 25), (65535, 65535)]);
        assert_eq!(a.ranges(), [(1, 12), (20, 30), (65530, 65535)]);
        for port in (0..40).chain(65520..=65535) {
            assert_eq!(a.union(&b).contains(port), a.contains(port) || b.contains(port), "{port}");
            assert_eq!(a.intersection(&b).contains(port), a.contains(port) && b.contains(port), "{port}");
            assert_eq!(a.difference(&b).contains(port), a.contains(port) && !b.contains(port), "{port}");
        }
        assert_eq!(PortSet::all().difference(&PortSet::all()), PortSet::empty());
        assert_eq!(a.to_string(), "1-12,20-30,65530-65535");
    }
}
