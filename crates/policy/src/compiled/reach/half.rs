//! One side of a permit. In: a side's outcome at each run of ports. Out: the joins of an egress and an ingress side.

use ringfence_model::{
    port::{PortSet, Protocol},
    verdict::{Condition, Outcome, Side},
};
use rustc_hash::FxHashMap;

use crate::{
    compiled::{matching::End, rule::Rule, runs::runs_of},
    permit::{Conditional, Permit},
};

/// What one side does with a run of ports. Runs that it denies are left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Does {
    Allow,
    AllowIf(Vec<Condition>),
    Unknown,
}

/// A run of ports and what the side does with it.
type Run = (u16, u16, Does);

/// What one side does with every port, in the order of [`Protocol::WITH_PORTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Half {
    runs: [Vec<Run>; 3],
}

impl Half {
    pub(super) const NOTHING: Self = Self { runs: [Vec::new(), Vec::new(), Vec::new()] };

    pub(super) fn everything() -> Self {
        Self { runs: [(); 3].map(|()| vec![(1, u16::MAX, Does::Allow)]) }
    }

    /// From the side's outcome at a port. The outcome can change only where one of the rules' port ranges starts or
    /// ends; `to` is the destination, whose ports named ports mean.
    pub(super) fn of<'r>(
        rules: &(impl Iterator<Item = &'r Rule> + Clone),
        to: &End<'_>,
        decide: impl Fn(Protocol, u16) -> Side,
    ) -> Self {
        let runs = Protocol::WITH_PORTS.map(|protocol| {
            let mut runs: Vec<Run> = Vec::new();
            for (first, last) in runs_of(rules.clone(), protocol, to, 1) {
                let side = decide(protocol, first);
                let does = match side.outcome {
                    Outcome::Deny => continue,
                    Outcome::Allow => Does::Allow,
                    Outcome::AllowIf => Does::AllowIf(side.conditions),
                    Outcome::Unknown => Does::Unknown,
                };
                match runs.last_mut() {
                    Some(open) if open.1.checked_add(1) == Some(first) && open.2 == does => open.1 = last,
                    _ => runs.push((first, last, does)),
                }
            }
            runs
        });
        Self { runs }
    }
}

/// Number of a half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct HalfId(u32);

impl HalfId {
    /// Everything is denied.
    pub(super) const NOTHING: Self = Self(0);
    /// Everything is allowed.
    pub(super) const EVERYTHING: Self = Self(1);
}

/// All distinct halves.
#[derive(Debug)]
pub(super) struct Halves {
    halves: Vec<Half>,
    by_value: FxHashMap<Half, HalfId>,
}

impl Default for Halves {
    fn default() -> Self {
        let mut halves = Self { halves: Vec::new(), by_value: FxHashMap::default() };
        halves.intern(Half::NOTHING);
        halves.intern(Half::everything());
        halves
    }
}

impl Halves {
    pub(super) fn intern(&mut self, half: Half) -> HalfId {
        if let Some(id) = self.by_value.get(&half) {
            return *id;
        }
        let id = HalfId(u32::try_from(self.halves.len()).unwrap_or(u32::MAX));
        self.halves.push(half.clone());
        self.by_value.insert(half, id);
        id
    }

    pub(super) fn get(&self, id: HalfId) -> Option<&Half> {
        self.halves.get(id.0 as usize)
    }
}

/// What passes both sides.
pub(super) fn join(egress: &Half, ingress: &Half) -> Permit {
    let mut sums = Sums::default();
    for ((protocol, out), incoming) in Protocol::WITH_PORTS.into_iter().zip(&egress.runs).zip(&ingress.runs) {
        let (mut out, mut incoming) = (out.iter().peekable(), incoming.iter().peekable());
        while let (Some(a), Some(b)) = (out.peek().copied(), incoming.peek().copied()) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                sums.add(protocol, PortSet::range(first, last), &a.2, &b.2);
            }
            if a.1 <= b.1 {
                out.next();
            } else {
                incoming.next();
            }
        }
    }
    sums.permit()
}

/// Ports sorted by what becomes of them.
#[derive(Default)]
struct Sums {
    allowed: Vec<(Protocol, PortSet)>,
    maybe: Vec<(Protocol, PortSet)>,
    conditional: Vec<Conditional>,
}

fn add_ports(list: &mut Vec<(Protocol, PortSet)>, protocol: Protocol, ports: &PortSet) {
    if ports.is_empty() {
        return;
    }
    match list.iter_mut().find(|(known, _)| *known == protocol) {
        Some((_, known)) => *known = known.union(ports),
        None => list.push((protocol, ports.clone())),
    }
}

impl Sums {
    fn add(&mut self, protocol: Protocol, ports: PortSet, egress: &Does, ingress: &Does) {
        let conditions = |does: &Does| match does {
            Does::AllowIf(conditions) => conditions.clone(),
            _ => Vec::new(),
        };
        match (egress, ingress) {
            (Does::Allow, Does::Allow) => add_ports(&mut self.allowed, protocol, &ports),
            (Does::Unknown, _) | (_, Does::Unknown) => add_ports(&mut self.maybe, protocol, &ports),
            _ => self.add_conditional(Conditional {
                protocol,
                ports,
                egress: conditions(egress),
                ingress: conditions(ingress),
            }),
        }
    }

    fn add_conditional(&mut self, more: Conditional) {
        let same = |known: &&mut Conditional| {
            (known.protocol, &known.egress, &known.ingress) == (more.protocol, &more.egress, &more.ingress)
        };
        match self.conditional.iter_mut().find(same) {
            Some(known) => known.ports = known.ports.union(&more.ports),
            None => self.conditional.push(more),
        }
    }

    fn permit(mut self) -> Permit {
        self.allowed.sort();
        self.maybe.sort();
        self.conditional.sort();
        Permit { allowed: self.allowed, conditional: self.conditional, maybe: self.maybe }
    }
}

fn ports_of(list: &[(Protocol, PortSet)], protocol: Protocol) -> PortSet {
    list.iter().find(|(known, _)| *known == protocol).map_or_else(PortSet::empty, |(_, ports)| ports.clone())
}

/// What one of two permits lets through: allowed by either, else under the conditions of either, else not known.
pub(super) fn unite(a: &Permit, b: &Permit) -> Permit {
    let mut sums = Sums::default();
    for (protocol, ports) in a.allowed.iter().chain(&b.allowed) {
        add_ports(&mut sums.allowed, *protocol, ports);
    }
    for entry in a.conditional.iter().chain(&b.conditional) {
        let mut ports = entry.ports.difference(&ports_of(&sums.allowed, entry.protocol));
        for known in sums.conditional.iter().filter(|known| known.protocol == entry.protocol) {
            if (&known.egress, &known.ingress) != (&entry.egress, &entry.ingress) {
                ports = ports.difference(&known.ports);
            }
        }
        if !ports.is_empty() {
            sums.add_conditional(Conditional { ports, ..entry.clone() });
        }
    }
    for (protocol, ports) in a.maybe.iter().chain(&b.maybe) {
        let conditional = sums.conditional.iter().filter(|known| known.protocol == *protocol);
        let decided = conditional
            .fold(ports_of(&sums.allowed, *protocol), |decided, known| decided.union(&known.ports));
        add_ports(&mut sums.maybe, *protocol, &ports.difference(&decided));
    }
    sums.permit()
}
