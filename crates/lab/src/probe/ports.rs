//! Source ports. In: a source address. Out: a port (or an ICMP identifier) that no probe from there has used for long, so
//! that no connection that the kernel still remembers answers for a new one.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// Below the ports that the kernel picks by itself (32768 and up), above those that most listeners have.
const FIRST: u16 = 16_384;
const LAST: u16 = 32_767;

/// The ports of all source addresses of a lab.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    next: Mutex<BTreeMap<IpAddr, u16>>,
}

impl Ports {
    /// The next port of an address; the first comes again after 16,384.
    pub(crate) fn next(&self, source: IpAddr) -> u16 {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let place = next.entry(source).or_insert(FIRST);
        let port = *place;
        *place = if port == LAST { FIRST } else { port + 1 };
        port
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::Ipv4Addr};

    use super::*;

    #[test]
    fn ports_come_again_only_after_all_others() {
        let ports = Ports::default();
        let (one, other) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));
        let seen: BTreeSet<u16> = (FIRST..=LAST).map(|_| ports.next(one)).collect();
        assert_eq!(seen.len(), usize::from(LAST - FIRST) + 1);
        assert_eq!((ports.next(one), ports.next(other)), (FIRST, FIRST));
    }
}
