//! Wording that the formats for people share. In: permits, conditions, addresses. Out: short texts.

use std::fmt::Write as _;

use ringfence_model::{
    IpNet,
    address::{Family, IpSet},
    cilium::{FqdnMatch, HttpMatch, L7Match},
    cluster::Cluster,
    port::{PortSet, Protocol},
    verdict::Condition,
};
use ringfence_policy::permit::{Conditional, Permit};

/// So few ranges of ports may be missing from `all ports`.
const FEW_PORTS: usize = 3;

/// More networks than this are summed up.
const MOST_NETS: usize = 4;

/// A permit in pieces, each of which should stay on one line: `TCP 80,443`, `UDP all`, `TCP 80 if GET /`,
/// `TCP 5432 unknown`.
pub(crate) fn permit(permit: &Permit) -> Vec<String> {
    let mut pieces = ports(&permit.allowed);
    for entry in &permit.conditional {
        pieces.push(format!("{} {} if {}", entry.protocol, entry.ports, conditions(entry)));
    }
    pieces.extend(ports(&permit.maybe).into_iter().map(|piece| format!("{piece} unknown")));
    pieces
}

/// Ports in pieces: `all ports`, `all ports but TCP 80`, or one piece per protocol.
pub(crate) fn ports(list: &[(Protocol, PortSet)]) -> Vec<String> {
    let missing = |protocol: Protocol| {
        let known = list.iter().find(|(known, _)| *known == protocol).map(|(_, ports)| ports.clone());
        PortSet::all().difference(&known.unwrap_or_default())
    };
    let missing: Vec<(Protocol, PortSet)> = Protocol::WITH_PORTS
        .into_iter()
        .map(|protocol| (protocol, missing(protocol)))
        .filter(|(_, ports)| !ports.is_empty())
        .collect();
    if missing.is_empty() {
        return vec!["all ports".to_owned()];
    }
    if missing.iter().map(|(_, ports)| ports.ranges().len()).sum::<usize>() <= FEW_PORTS
        && missing.iter().all(|(_, ports)| !ports.is_all())
    {
        let missing: Vec<String> =
            missing.iter().map(|(protocol, ports)| format!("{protocol} {ports}")).collect();
        return vec![format!("all ports but {}", missing.join(", "))];
    }
    let one = |(protocol, ports): &(Protocol, PortSet)| {
        let missing = PortSet::all().difference(ports);
        if ports.ranges().len() > 1 && missing.ranges().len() < ports.ranges().len() {
            format!("{protocol} all but {missing}")
        } else {
            format!("{protocol} {ports}")
        }
    };
    list.iter().map(one).collect()
}

/// The conditions of an entry: alternatives with `or`, both sides with `and`.
pub(crate) fn conditions(entry: &Conditional) -> String {
    let side = |list: &[Condition]| list.iter().map(condition).collect::<Vec<_>>().join(" or ");
    match (entry.egress.as_slice(), entry.ingress.as_slice()) {
        (one, []) | ([], one) => side(one),
        (egress, ingress) => format!("({}) and ({})", side(egress), side(ingress)),
    }
}

fn condition(condition: &Condition) -> String {
    match condition {
        Condition::L7(L7Match::Http(http)) => http_words(http),
        Condition::L7(L7Match::Dns(name)) => format!("DNS {}", fqdn(name)),
        Condition::L7(L7Match::Other(protocol)) => format!("{protocol} rules hold"),
        Condition::ResolvedFrom(name) => format!("resolved from {}", fqdn(name)),
    }
}

fn http_words(http: &HttpMatch) -> String {
    let mut words = http.method.as_deref().unwrap_or("any method").to_owned();
    let _ = write!(words, " {}", http.path.as_deref().unwrap_or("any path"));
    if let Some(host) = &http.host {
        let _ = write!(words, " at {host}");
    }
    for (name, value) in &http.headers {
        match value {
            Some(value) => {
                let _ = write!(words, " with {name}: {value}");
            }
            None => {
                let _ = write!(words, " with {name}");
            }
        }
    }
    words
}

/// The name or pattern.
pub(crate) fn fqdn(name: &FqdnMatch) -> &str {
    match name {
        FqdnMatch::Name(name) | FqdnMatch::Pattern(name) => name,
    }
}

/// Puts addresses outside the cluster into words.
pub(crate) struct OutsideWords {
    pod_networks: IpSet,
    internet: IpSet,
}

impl OutsideWords {
    /// For one cluster.
    pub(crate) fn of(cluster: &Cluster) -> Self {
        let internet =
            Family::BOTH.into_iter().fold(IpSet::empty(), |set, family| set.union(&cluster.internet(family)));
        Self { pod_networks: cluster.pod_networks(), internet }
    }

    /// `outside`, `internet`, `203.0.113.0/24`, `IPv4 except 10.0.0.0/8`: pieces, each of which should stay on one
    /// line. Pod networks are no part of the outside: whether they are in the words or not says nothing.
    pub(crate) fn say(&self, addresses: &IpSet) -> Vec<String> {
        let families: Vec<Family> = addresses.families().collect();
        let whole = |family: Family| {
            IpSet::family(family).difference(&self.pod_networks).difference(addresses).is_empty()
        };
        if families.len() == Family::BOTH.len() && families.iter().all(|family| whole(*family)) {
            return vec!["outside".to_owned()];
        }
        if families.iter().all(|family| addresses.only(*family) == self.internet.only(*family)) {
            return match families.as_slice() {
                [one] => vec![format!("internet ({})", one.as_str())],
                _ => vec!["internet".to_owned()],
            };
        }
        families.into_iter().flat_map(|family| self.of_family(addresses, family, whole(family))).collect()
    }

    fn of_family(&self, addresses: &IpSet, family: Family, whole: bool) -> Vec<String> {
        if whole {
            return vec![format!("outside ({})", family.as_str())];
        }
        let part = addresses.only(family);
        let pods = self.pod_networks.only(family);
        let rest = IpSet::family(family).difference(&pods).difference(&part);
        let shorter = |alone: &IpSet| {
            let (alone, padded) = (alone.nets(), alone.union(&pods).nets());
            if padded.len() < alone.len() { padded } else { alone }
        };
        let (within, except) = (shorter(&part), shorter(&rest));
        if within.len() <= MOST_NETS || within.len() <= except.len() {
            return few(&within);
        }
        let mut pieces = few(&except);
        if let Some(first) = pieces.first_mut() {
            *first = format!("{} except {first}", family.as_str());
        }
        pieces
    }
}

/// The first few of some networks. Single addresses are written without their length.
fn few(nets: &[IpNet]) -> Vec<String> {
    let say = |net: &IpNet| {
        if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
    };
    let mut pieces: Vec<String> = nets.iter().take(MOST_NETS).map(say).collect();
    if nets.len() > MOST_NETS {
        pieces.push(format!("{} more ranges", nets.len() - MOST_NETS));
    }
    pieces
}

/// `1 workload`, `3 workloads`, `2 policies`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    match thing.strip_suffix('y') {
        _ if number == 1 => format!("1 {thing}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nets: &[&str]) -> IpSet {
        let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().unwrap()).collect();
        IpSet::from_nets(&nets)
    }

    #[test]
    fn addresses_outside_in_few_words() {
        let cluster = Cluster { pod_cidrs: vec!["10.244.0.0/16".parse().unwrap()], ..Cluster::default() };
        let words = OutsideWords::of(&cluster);
        let outside = IpSet::all().difference(&cluster.pod_networks());
        assert_eq!(words.say(&outside), ["outside"]);
        assert_eq!(words.say(&outside.only(Family::V4)), ["outside (IPv4)"]);
        assert_eq!(words.say(&words.internet.only(Family::V4)), ["internet (IPv4)"]);
        assert_eq!(
            words.say(&set(&["203.0.113.7/32", "198.51.100.0/24"])),
            ["198.51.100.0/24", "203.0.113.7"]
        );
        // The hole that the pod network leaves in 10.0.0.0/8 is not worth eight networks.
        assert_eq!(words.say(&set(&["10.0.0.0/8"]).difference(&cluster.pod_networks())), ["10.0.0.0/8"]);
        let public = outside.difference(&set(&["10.0.0.0/8", "192.168.0.0/16"])).only(Family::V4);
        assert_eq!(words.say(&public), ["IPv4 except 10.0.0.0/8", "192.168.0.0/16"]);
        let many: Vec<String> = (0..20).map(|at| format!("198.51.{}.0/24", at * 2)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(words.say(&set(&many)).last().unwrap(), "16 more ranges");
    }

    #[test]
    fn ports_in_few_words() {
        assert_eq!(permit(&Permit::all()), ["all ports"]);
        let some = Permit {
            allowed: vec![
                (Protocol::Tcp, PortSet::from_ranges([(80, 80), (8000, 8009)])),
                (Protocol::Udp, PortSet::all()),
            ],
            maybe: vec![(Protocol::Sctp, PortSet::range(1, 1))],
            ..Permit::default()
        };
        assert_eq!(permit(&some), ["TCP 80,8000-8009", "UDP all", "SCTP 1 unknown"]);
        let mut most = Permit::all().allowed;
        most[0].1 = most[0].1.difference(&PortSet::range(80, 80));
        assert_eq!(ports(&most), ["all ports but TCP 80"]);
        assert_eq!(ports(&most[..1]), ["TCP all but 80"]);
    }
}
