//! The port part of a question. In: text as people write it (`5432`, `53/UDP`, `http`, `80-90/TCP`, `any`).
//! Out: which ports are asked about.

use ringfence_model::port::Protocol;

use super::Problem;

/// Which ports a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortAsk {
    /// Every port of every protocol that has ports.
    All,
    /// These.
    Some(Vec<PortItem>),
}

/// One port, range of ports or named port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortItem {
    /// The protocol; nothing if none is stated: TCP for a number, the port's own for a name.
    pub protocol: Option<Protocol>,
    /// The port.
    pub port: PortName,
}

/// What a question calls a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortName {
    /// `first..=last`; a single port has both the same. The type, for ICMP.
    Range(u16, u16),
    /// A name of the destination: a container port of the pod, or a port of the Service.
    Name(String),
}

impl PortAsk {
    /// Reads `5432`, `5432/TCP`, `TCP/5432`, `tcp:5432`, `80-90`, `http`, `UDP`, `8/ICMP`, several of them with commas,
    /// and `any`, `all`, `*` or nothing for every port.
    ///
    /// # Errors
    /// If the text is none of these, or a number is no port.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.is_empty() || ["any", "all", "*", "-"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Ok(Self::All);
        }
        text.split(',').map(|item| PortItem::parse(item.trim())).collect::<Result<_, _>>().map(Self::Some)
    }

    /// Gives every port without a protocol this one (a table may state it in a column of its own).
    #[must_use]
    pub fn with_protocol(self, protocol: Protocol) -> Self {
        let whole = || PortItem { protocol: Some(protocol), port: every(protocol) };
        match self {
            Self::All => Self::Some(vec![whole()]),
            Self::Some(mut items) => {
                for item in &mut items {
                    item.protocol = item.protocol.or(Some(protocol));
                }
                Self::Some(items)
            }
        }
    }
}

impl PortItem {
    fn parse(text: &str) -> Result<Self, Problem> {
        let (left, right) = match text.split_once(['/', ':']) {
            Some((left, right)) => (left.trim(), Some(right.trim())),
            None => (text, None),
        };
        let (port, protocol) = match (Protocol::parse(left), right) {
            (Some(protocol), None) => return Ok(Self { protocol: Some(protocol), port: every(protocol) }),
            (Some(protocol), Some(port)) => (port, Some(protocol)),
            (None, Some(protocol)) => match Protocol::parse(protocol) {
                Some(protocol) => (left, Some(protocol)),
                None => return Err(bad(text)),
            },
            (None, None) => (left, None),
        };
        if matches!(port, "*") || port.eq_ignore_ascii_case("any") || port.eq_ignore_ascii_case("all") {
            return Ok(Self { protocol, port: protocol.map_or(PortName::Range(1, u16::MAX), every) });
        }
        let icmp = matches!(protocol, Some(Protocol::Icmp | Protocol::Icmpv6));
        let number = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0 || icmp);
        let port = if port.starts_with(|first: char| first.is_ascii_digit()) {
            match port.split_once('-') {
                Some((first, last)) => match (number(first), number(last)) {
                    (Some(first), Some(last)) if first <= last => PortName::Range(first, last),
                    _ => return Err(bad(text)),
                },
                None => match number(port) {
                    Some(port) => PortName::Range(port, port),
                    // A port's name may begin with a digit as long as it has a letter.
                    None if is_name(port) => PortName::Name(port.to_owned()),
                    None => return Err(bad(text)),
                },
            }
        } else if is_name(port) && !icmp {
            PortName::Name(port.to_owned())
        } else {
            return Err(bad(text));
        };
        Ok(Self { protocol, port })
    }
}

/// All ports of a protocol, all types for ICMP.
fn every(protocol: Protocol) -> PortName {
    match protocol {
        Protocol::Tcp | Protocol::Udp | Protocol::Sctp => PortName::Range(1, u16::MAX),
        Protocol::Icmp | Protocol::Icmpv6 => PortName::Range(0, u16::from(u8::MAX)),
    }
}

/// Whether a container port can have the name (IANA_SVC_NAME, or a Service port's DNS label).
fn is_name(text: &str) -> bool {
    let letters = text.chars().any(|c| c.is_ascii_alphabetic());
    letters
        && text.len() <= 63
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn bad(text: &str) -> Problem {
    Problem::new(format!("`{text}` is not a port")).help(
        "write a number from 1 to 65535 with or without its protocol, such as `5432/TCP`, or a port's name",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (Option<Protocol>, PortName) {
        match PortAsk::parse(text).unwrap() {
            PortAsk::Some(items) => {
                assert_eq!(items.len(), 1);
                (items[0].protocol, items[0].port.clone())
            }
            PortAsk::All => panic!("{text} is all"),
        }
    }

    #[test]
    fn ports_as_people_write_them() {
        for text in ["5432/TCP", "TCP/5432", "tcp:5432", " 5432 / tcp "] {
            assert_eq!(one(text), (Some(Protocol::Tcp), PortName::Range(5432, 5432)), "{text}");
        }
        assert_eq!(one("5432"), (None, PortName::Range(5432, 5432)));
        assert_eq!(one("80-90/UDP"), (Some(Protocol::Udp), PortName::Range(80, 90)));
        assert_eq!(one("http"), (None, PortName::Name("http".to_owned())));
        assert_eq!(one("UDP"), (Some(Protocol::Udp), PortName::Range(1, 65535)));
        assert_eq!(one("0/icmp"), (Some(Protocol::Icmp), PortName::Range(0, 0)));
        for text in ["", "any", "ALL", "*"] {
            assert_eq!(PortAsk::parse(text).unwrap(), PortAsk::All);
        }
        for text in ["0", "65536", "90-80", "80/HTTP", "80/", "!"] {
            assert!(PortAsk::parse(text).is_err(), "{text}");
        }
    }
}
