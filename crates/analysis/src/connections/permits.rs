//! Arithmetic on permits. In: permits of single pairs of pods. Out: what a pair of workloads may do as a whole, what
//! of it concerns some ports, what is denied.

use ringfence_model::port::{PortSet, Protocol};
use ringfence_policy::permit::{Conditional, Permit};

/// Some ports of some protocols, sorted by protocol, without repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports(Vec<(Protocol, PortSet)>);

impl Ports {
    /// Every port of the protocols that have ports.
    #[must_use]
    pub fn all() -> Self {
        Self(Protocol::WITH_PORTS.into_iter().map(|protocol| (protocol, PortSet::all())).collect())
    }

    /// Adds ports.
    pub fn add(&mut self, protocol: Protocol, ports: &PortSet) {
        add(&mut self.0, protocol, ports);
    }

    /// The ports of a protocol.
    #[must_use]
    pub fn of(&self, protocol: Protocol) -> PortSet {
        of(&self.0, protocol)
    }
}

/// What is open if either permit is: the permit of a workload is that of all its pods together. A port that is allowed
/// between any two pods counts as allowed. Other conditions for one port are alternatives, listed side by side; a port
/// that is allowed under conditions here and unknown there is in both lists.
#[must_use]
pub fn unite(a: &Permit, b: &Permit) -> Permit {
    let mut allowed = a.allowed.clone();
    for (protocol, ports) in &b.allowed {
        add(&mut allowed, *protocol, ports);
    }
    let mut conditional: Vec<Conditional> = Vec::new();
    for entry in a.conditional.iter().chain(&b.conditional) {
        let ports = entry.ports.difference(&of(&allowed, entry.protocol));
        if ports.is_empty() {
            continue;
        }
        let same = conditional.iter_mut().find(|known| {
            known.protocol == entry.protocol && known.egress == entry.egress && known.ingress == entry.ingress
        });
        match same {
            Some(known) => known.ports = known.ports.union(&ports),
            None => conditional.push(Conditional { ports, ..entry.clone() }),
        }
    }
    conditional.sort();
    let mut maybe = Vec::new();
    for (protocol, ports) in a.maybe.iter().chain(&b.maybe) {
        add(&mut maybe, *protocol, &ports.difference(&of(&allowed, *protocol)));
    }
    Permit { allowed, conditional, maybe }
}

/// The part of a permit that is about some ports.
#[must_use]
pub fn restrict(permit: &Permit, wanted: &Ports) -> Permit {
    let only = |list: &[(Protocol, PortSet)]| {
        let parts =
            list.iter().map(|(protocol, ports)| (*protocol, ports.intersection(&wanted.of(*protocol))));
        parts.filter(|(_, ports)| !ports.is_empty()).collect()
    };
    let conditional = permit.conditional.iter().filter_map(|entry| {
        let ports = entry.ports.intersection(&wanted.of(entry.protocol));
        (!ports.is_empty()).then(|| Conditional { ports, ..entry.clone() })
    });
    Permit { allowed: only(&permit.allowed), conditional: conditional.collect(), maybe: only(&permit.maybe) }
}

/// The ports that a permit does not open under any circumstances.
#[must_use]
pub fn denied(permit: &Permit) -> Vec<(Protocol, PortSet)> {
    let denied = Protocol::WITH_PORTS.into_iter().map(|protocol| {
        let open = of(&permit.allowed, protocol).union(&of(&permit.maybe, protocol));
        let open = permit
            .conditional
            .iter()
            .filter(|entry| entry.protocol == protocol)
            .fold(open, |open, entry| open.union(&entry.ports));
        (protocol, PortSet::all().difference(&open))
    });
    denied.filter(|(_, ports)| !ports.is_empty()).collect()
}

/// The ports of a protocol in a list.
#[must_use]
pub fn of(list: &[(Protocol, PortSet)], protocol: Protocol) -> PortSet {
    list.iter().find(|(known, _)| *known == protocol).map(|(_, ports)| ports.clone()).unwrap_or_default()
}

/// Adds ports to a list sorted by protocol.
fn add(list: &mut Vec<(Protocol, PortSet)>, protocol: Protocol, ports: &PortSet) {
    if ports.is_empty() {
        return;
    }
    match list.binary_search_by_key(&protocol, |(known, _)| *known) {
        Ok(at) => {
            if let Some((_, known)) = list.get_mut(at) {
                *known = known.union(ports);
            }
        }
        Err(at) => list.insert(at, (protocol, ports.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_model::{
        cilium::{HttpMatch, L7Match},
        verdict::Condition,
    };

    fn tcp(first: u16, last: u16) -> (Protocol, PortSet) {
        (Protocol::Tcp, PortSet::range(first, last))
    }

    fn http(path: &str, first: u16, last: u16) -> Conditional {
        let condition = HttpMatch { path: Some(path.into()), ..HttpMatch::default() };
        let egress = vec![Condition::L7(L7Match::Http(condition))];
        Conditional {
            protocol: Protocol::Tcp,
            ports: PortSet::range(first, last),
            egress,
            ingress: Vec::new(),
        }
    }

    #[test]
    fn allowed_wins_over_conditions_and_over_not_knowing() {
        let a = Permit { allowed: vec![tcp(80, 81)], ..Permit::default() };
        let b = Permit {
            allowed: vec![],
            conditional: vec![http("/a", 81, 82), http("/b", 82, 82)],
            maybe: vec![tcp(80, 80), tcp(90, 90)],
        };
        let both = unite(&a, &b);
        assert_eq!(both, unite(&b, &a));
        assert_eq!(both.allowed, [tcp(80, 81)]);
        assert_eq!(both.conditional, [http("/a", 82, 82), http("/b", 82, 82)]);
        assert_eq!(both.maybe, [tcp(90, 90)]);
        assert_eq!(unite(&both, &Permit::all()), Permit::all());
    }

    #[test]
    fn denied_is_what_no_list_has() {
        let permit = Permit {
            allowed: vec![tcp(1, 79)],
            conditional: vec![http("/", 80, 80)],
            maybe: vec![tcp(81, 65534)],
        };
        assert_eq!(denied(&permit).first(), Some(&tcp(65535, 65535)));
        assert!(denied(&Permit::all()).is_empty());
        let mut wanted = Ports::default();
        wanted.add(Protocol::Tcp, &PortSet::range(79, 80));
        let part = restrict(&permit, &wanted);
        assert_eq!(
            (part.allowed, part.conditional, part.maybe),
            (vec![tcp(79, 79)], vec![http("/", 80, 80)], vec![])
        );
    }
}
