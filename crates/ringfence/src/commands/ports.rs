//! Ports as people write them on the command line. In: `5432`, `5432/TCP`, `8080-8090/UDP`, `UDP`. Out: a protocol and
//! its ports.

use std::str::FromStr;

use ringfence_model::port::{PortSet, Protocol};

/// Ports of one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortFilter {
    /// The protocol.
    pub(crate) protocol: Protocol,
    /// The ports.
    pub(crate) ports: PortSet,
}

impl FromStr for PortFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let with_ports = |name: &str| {
            Protocol::parse(name)
                .filter(|protocol| Protocol::WITH_PORTS.contains(protocol))
                .ok_or_else(|| format!("`{name}` is none of TCP, UDP, SCTP"))
        };
        if let Ok(protocol) = with_ports(text) {
            return Ok(Self { protocol, ports: PortSet::all() });
        }
        let (range, protocol) = match text.split_once('/') {
            Some((range, name)) => (range, with_ports(name)?),
            None => (text, Protocol::Tcp),
        };
        let port = |text: &str| {
            text.parse::<u16>()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| format!("`{text}` is not a port from 1 to 65535"))
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(range)?, port(range)?),
        };
        if last < first {
            return Err(format!("the range `{range}` ends before it starts"));
        }
        Ok(Self { protocol, ports: PortSet::range(first, last) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_as_people_write_them() {
        let read =
            |text: &str| text.parse::<PortFilter>().map(|read| format!("{} {}", read.protocol, read.ports));
        assert_eq!(read("5432").unwrap(), "TCP 5432");
        assert_eq!(read("53/udp").unwrap(), "UDP 53");
        assert_eq!(read("8080-8090/SCTP").unwrap(), "SCTP 8080-8090");
        assert_eq!(read("UDP").unwrap(), "UDP all");
        for wrong in ["", "0", "65536", "90-80", "80/ICMP", "http", "80/", "-", "1-"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
