//! Sets of IP addresses. In: CIDRs and ranges. Out: sorted, disjoint ranges with exact set algebra, per family.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both families, in the order in which output lists them.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The family of a network.
    #[must_use]
    pub fn of_net(net: &IpNet) -> Self {
        Self::of(net.addr())
    }

    /// `IPv4` or `IPv6`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The highest address of the family as a number.
    fn max(self) -> u128 {
        match self {
            Self::V4 => u128::from(u32::MAX),
            Self::V6 => u128::MAX,
        }
    }

    fn address(self, bits: u128) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(bits).unwrap_or(u32::MAX))),
            Self::V6 => IpAddr::V6(Ipv6Addr::from(bits)),
        }
    }
}

/// The number that an address is within its family.
#[must_use]
pub fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Sorted, disjoint, non-adjacent inclusive ranges of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    fn from_any(ranges: impl IntoIterator<Item = (u128, u128)>) -> Self {
        let mut sorted: Vec<(u128, u128)> =
            ranges.into_iter().filter(|(first, last)| first <= last).collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match merged.last_mut() {
                Some(open) if open.1 == u128::MAX || first <= open.1 + 1 => open.1 = open.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    fn contains(&self, number: u128) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| number <= *last)
    }

    fn intersection(&self, other: &Self) -> Self {
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

    /// Everything in `0..=max` that is not here.
    fn complement(&self, max: u128) -> Self {
        let mut out = Vec::new();
        let mut from = Some(0);
        for (first, last) in &self.0 {
            if let Some(start) = from
                && start < *first
            {
                out.push((start, first - 1));
            }
            from = last.checked_add(1).filter(|next| *next <= max);
        }
        if let Some(start) = from {
            out.push((start, max));
        }
        Self(out)
    }
}

/// A set of addresses of both families.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpSet {
    v4: Ranges,
    v6: Ranges,
}

/// An inclusive range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpRange {
    /// First address.
    pub first: IpAddr,
    /// Last address.
    pub last: IpAddr,
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl IpSet {
    /// No address.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Every address of both families.
    #[must_use]
    pub fn all() -> Self {
        Self::family(Family::V4).union(&Self::family(Family::V6))
    }

    /// Every address of one family.
    #[must_use]
    pub fn family(family: Family) -> Self {
        let all = Ranges(vec![(0, family.max())]);
        match family {
            Family::V4 => Self { v4: all, v6: Ranges::default() },
            Family::V6 => Self { v4: Ranges::default(), v6: all },
        }
    }

    /// One address.
    #[must_use]
    pub fn single(address: IpAddr) -> Self {
        Self::from_ranges([IpRange { first: address, last: address }])
    }

    /// The addresses of any networks; host bits are ignored, as the API server does.
    #[must_use]
    pub fn from_nets<'a>(nets: impl IntoIterator<Item = &'a IpNet>) -> Self {
        Self::from_ranges(nets.into_iter().map(|net| IpRange { first: net.network(), last: net.broadcast() }))
    }

    /// Any ranges; a range whose ends are of two families is left out.
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = IpRange>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for IpRange { first, last } in ranges {
            match (first, last) {
                (IpAddr::V4(_), IpAddr::V4(_)) => v4.push((bits(first), bits(last))),
                (IpAddr::V6(_), IpAddr::V6(_)) => v6.push((bits(first), bits(last))),
                _ => {}
            }
        }
        Self { v4: Ranges::from_any(v4), v6: Ranges::from_any(v6) }
    }

    /// An ipBlock: a network without its exceptions (`networking.k8s.io/v1` IPBlock).
    #[must_use]
    pub fn block(cidr: &IpNet, except: &[IpNet]) -> Self {
        Self::from_nets([cidr]).difference(&Self::from_nets(except))
    }

    /// Whether it holds no address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.0.is_empty() && self.v6.0.is_empty()
    }

    /// Whether it holds the address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.of(Family::of(address)).contains(bits(address))
    }

    /// Whether it holds every address of the other.
    #[must_use]
    pub fn contains_set(&self, other: &Self) -> bool {
        other.difference(self).is_empty()
    }

    /// Whether the two share no address.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.intersection(other).is_empty()
    }

    /// Addresses in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            v4: Ranges::from_any(self.v4.0.iter().chain(&other.v4.0).copied()),
            v6: Ranges::from_any(self.v6.0.iter().chain(&other.v6.0).copied()),
        }
    }

    /// Addresses in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self { v4: self.v4.intersection(&other.v4), v6: self.v6.intersection(&other.v6) }
    }

    /// Addresses in this one and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.intersection(&other.v4.complement(Family::V4.max())),
            v6: self.v6.intersection(&other.v6.complement(Family::V6.max())),
        }
    }

    /// The part of one family.
    #[must_use]
    pub fn only(&self, family: Family) -> Self {
        match family {
            Family::V4 => Self { v4: self.v4.clone(), v6: Ranges::default() },
            Family::V6 => Self { v4: Ranges::default(), v6: self.v6.clone() },
        }
    }

    /// The families that it holds addresses of.
    pub fn families(&self) -> impl Iterator<Item = Family> {
        Family::BOTH.into_iter().filter(|family| !self.of(*family).0.is_empty())
    }

    /// The ranges, IPv4 first, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = IpRange> {
        Family::BOTH.into_iter().flat_map(|family| {
            self.of(family).0.iter().map(move |(first, last)| IpRange {
                first: family.address(*first),
                last: family.address(*last),
            })
        })
    }

    /// The fewest CIDRs that cover exactly these addresses, IPv4 first, ascending.
    #[must_use]
    pub fn nets(&self) -> Vec<IpNet> {
        self.ranges()
            .flat_map(|range| match (range.first, range.last) {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    ipnet::Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect::<Vec<_>>()
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    ipnet::Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect()
                }
                _ => Vec::new(),
            })
            .collect()
    }

    fn of(&self, family: Family) -> &Ranges {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

/// The private ranges: RFC 1918 for IPv4 and unique local addresses (RFC 4193) for IPv6. A pod whose address and
/// pod CIDR are not known is taken to be somewhere in these.
#[must_use]
pub fn private() -> IpSet {
    fixed(&[(10, 0, 8), (172, 16, 12), (192, 168, 16)], &[(0xfc00, 7)])
}

/// The addresses that are not public: private, loopback, link-local, shared (RFC 6598), multicast, reserved, and for
/// IPv6 everything outside global unicast (2000::/3). Documentation ranges count as public so that
/// examples can use them.
#[must_use]
pub fn not_public() -> IpSet {
    let v4: Vec<(u8, u8, u8)> = vec![
        (0, 0, 8),
        (10, 0, 8),
        (100, 64, 10),
        (127, 0, 8),
        (169, 254, 16),
        (172, 16, 12),
        (192, 168, 16),
        (198, 18, 15),
        (224, 0, 3),
    ];
    let global = fixed(&[], &[(0x2000, 3)]);
    fixed(&v4, &[]).union(&IpSet::family(Family::V6).difference(&global))
}

/// Networks given as their first two octets (IPv4) or first group (IPv6) and their prefix length.
fn fixed(v4: &[(u8, u8, u8)], v6: &[(u16, u8)]) -> IpSet {
    let v4 = v4.iter().filter_map(|(a, b, len)| IpNet::new(Ipv4Addr::new(*a, *b, 0, 0).into(), *len).ok());
    let v6 =
        v6.iter().filter_map(|(a, len)| IpNet::new(Ipv6Addr::new(*a, 0, 0, 0, 0, 0, 0, 0).into(), *len).ok());
    let nets: Vec<IpNet> = v4.chain(v6).collect();
    IpSet::from_nets(&nets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nets: &[&str]) -> IpSet {
        let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().unwrap()).collect();
        IpSet::from_nets(&nets)
    }

    #[test]
    fn a_block_without_its_exceptions_is_ranges_ipv4_first() {
        let block = IpSet::block(&"0.0.0.0/0".parse().unwrap(), &["10.0.0.0/8".parse().unwrap()]);
        let both = block.union(&set(&["2001:db8::/32"]));
        let ranges: Vec<String> = both.ranges().map(|range| range.to_string()).collect();
        assert_eq!(
            ranges,
            [
                "0.0.0.0-9.255.255.255",
                "11.0.0.0-255.255.255.255",
                "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"
            ]
        );
    }

    #[test]
    fn algebra_at_the_ends_of_the_space() {
        let all = IpSet::all();
        assert_eq!(all.difference(&all), IpSet::empty());
        assert_eq!(IpSet::empty().difference(&all), IpSet::empty());
        assert_eq!(all.difference(&IpSet::empty()), all);
        let top = set(&["255.255.255.255/32", "ffff::/16"]);
        assert!(all.contains_set(&top) && !top.contains_set(&all));
        assert!(!all.difference(&top).contains("255.255.255.255".parse().unwrap()));
        assert_eq!(all.difference(&top).union(&top), all);
        assert_eq!(set(&["10.0.0.0/9", "10.128.0.0/9"]).nets(), ["10.0.0.0/8".parse::<IpNet>().unwrap()]);
        assert_eq!(set(&["10.0.0.77/8"]), set(&["10.0.0.0/8"]));
    }

    #[test]
    fn public_is_what_a_browser_could_reach() {
        let not_public = not_public();
        for address in
            ["10.1.2.3", "169.254.169.254", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::1", "fd00::1"]
        {
            assert!(not_public.contains(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "203.0.113.7", "2001:db8::1", "2606:4700::1111"] {
            assert!(!not_public.contains(address.parse().unwrap()), "{address}");
        }
    }
}
