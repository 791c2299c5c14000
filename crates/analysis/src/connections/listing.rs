//! The connections that a report lists. In: all pairs, and what the user wants to see of them. Out: connections in a
//! fixed order: by source (workloads by namespace, name and kind), then by destination, the outside last; after them
//! the connections from outside, by destination.

use ringfence_model::{address::IpSet, port::PortSet, verdict::Direction};
use ringfence_policy::permit::Permit;
use rustc_hash::FxHashMap;

use super::{
    ends::Ends,
    map::{Map, Outside, by_permit},
    permits::{Ports, denied, restrict},
    units::{ClassId, Unit},
};

/// What to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// From which ends.
    pub from: Ends,
    /// To which ends.
    pub to: Ends,
    /// Which ports; nothing means all.
    pub ports: Option<Ports>,
    /// Only connections with one end outside.
    pub external: bool,
    /// What is denied instead of what is allowed. The denied ports are then in [`Permit::allowed`], and the other
    /// lists are empty.
    pub denied: bool,
    /// Connections between the replicas of one workload too.
    pub own: bool,
}

impl View {
    /// Everything that is allowed.
    #[must_use]
    pub fn all() -> Self {
        Self { from: Ends::all(), to: Ends::all(), ports: None, external: false, denied: false, own: false }
    }

    /// What is to be seen of a permit; nothing if that is nothing.
    fn of(&self, permit: &Permit) -> Option<Permit> {
        let shown = if self.denied {
            let denied = Permit { allowed: denied(permit), ..Permit::default() };
            self.ports.as_ref().map_or(denied.clone(), |ports| restrict(&denied, ports))
        } else {
            self.ports.as_ref().map_or_else(|| permit.clone(), |ports| restrict(permit, ports))
        };
        (!shown.is_empty()).then_some(shown)
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<'a> {
    /// The unit with this position in [`Map::units`].
    Unit(usize),
    /// Addresses outside.
    Outside(&'a IpSet),
}

/// What the units of one class may open, as the view shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// The permits that occur.
    pub permits: Vec<Permit>,
    /// The permit to each class, by its position in `permits`; [`Targets::NONE`] for nothing to be seen.
    to: Vec<u32>,
    own: u32,
    /// To addresses outside.
    pub outside: Vec<(IpSet, u32)>,
}

impl Targets {
    const NONE: u32 = u32::MAX;
}

/// The connections of a cluster that a view shows.
pub struct Listing<'a> {
    /// All pairs.
    pub map: Map<'a>,
    /// What to list.
    pub view: View,
}

impl Listing<'_> {
    /// What the units of a class may open.
    #[must_use]
    pub fn targets(&self, class: ClassId) -> Targets {
        let mut shown = Shown { view: &self.view, list: Vec::new(), known: FxHashMap::default() };
        let mut targets = Targets { own: Targets::NONE, ..Targets::default() };
        let nothing = Permit::default();
        if !self.view.external {
            let row = self.map.row(class);
            let numbers: Vec<u32> = row.permits.iter().map(|permit| shown.number(permit)).collect();
            let number = |at: u32| numbers.get(at as usize).copied().unwrap_or(Targets::NONE);
            let absent = shown.number(&nothing);
            targets.to = vec![absent; self.map.classes()];
            for (class, permit) in &row.to {
                if let Some(slot) = targets.to.get_mut(class.index()) {
                    *slot = number(*permit);
                }
            }
            targets.own = row.own.map_or(absent, number);
        }
        for (addresses, permit) in self.outside(class, Direction::Egress) {
            targets.outside.push((addresses, shown.add(permit)));
        }
        targets.permits = shown.list;
        targets
    }

    /// What the units of a class may open to or accept from the addresses outside that the view shows.
    #[must_use]
    pub fn outside(&self, class: ClassId, direction: Direction) -> Outside {
        let wanted = match direction {
            Direction::Egress => self.view.to.outside(),
            Direction::Ingress => self.view.from.outside(),
        };
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut parts = self.map.outside(class, direction);
        if self.view.denied {
            let open = parts.iter().fold(IpSet::empty(), |set, (addresses, _)| set.union(addresses));
            parts.push((self.map.outside_space(class).difference(&open), Permit::default()));
        }
        let shown = parts.into_iter().filter_map(|(addresses, permit)| {
            let addresses = self.map.foreign(&addresses.intersection(wanted));
            (!addresses.is_empty()).then_some(())?;
            Some((addresses, self.view.of(&permit)?))
        });
        by_permit(shown.collect())
    }

    /// Calls a function with each unit that the unit at `from` may reach, ascending, and the position of the permit in
    /// `targets`, which are those of its class.
    pub fn each_target(&self, from: usize, targets: &Targets, mut found: impl FnMut(usize, u32)) {
        let units = self.map.units();
        let Some(source) = units.get(from) else { return };
        if targets.to.is_empty() || !self.view.from.has(from) {
            return;
        }
        for (at, target) in units.iter().enumerate() {
            let permit = self.permit(source, target, from == at, targets);
            if permit != Targets::NONE && self.view.to.has(at) {
                found(at, permit);
            }
        }
    }

    fn permit(&self, source: &Unit, target: &Unit, same: bool, targets: &Targets) -> u32 {
        if source.workload == target.workload && !self.view.own {
            Targets::NONE
        } else if same {
            if source.pods.len() > 1 { targets.own } else { Targets::NONE }
        } else {
            targets.to.get(target.class.index()).copied().unwrap_or(Targets::NONE)
        }
    }

    /// Calls a function with every connection, in order.
    pub fn each<E>(
        &self,
        mut found: impl FnMut(End<'_>, End<'_>, &Permit) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rows: Vec<Option<Targets>> = vec![None; self.map.classes()];
        for (from, unit) in self.map.units().iter().enumerate() {
            if !self.view.from.has(from) {
                continue;
            }
            let Some(row) = rows.get_mut(unit.class.index()) else { continue };
            let targets = row.get_or_insert_with(|| self.targets(unit.class));
            let mut result = Ok(());
            self.each_target(from, targets, |to, permit| {
                if result.is_ok()
                    && let Some(permit) = targets.permits.get(permit as usize)
                {
                    result = found(End::Unit(from), End::Unit(to), permit);
                }
            });
            result?;
            for (addresses, permit) in &targets.outside {
                if let Some(permit) = targets.permits.get(*permit as usize) {
                    found(End::Unit(from), End::Outside(addresses), permit)?;
                }
            }
            if self.map.size(unit.class) == 1 {
                *row = None;
            }
        }
        for (to, unit) in self.map.units().iter().enumerate() {
            if self.view.to.has(to) {
                for (addresses, permit) in self.outside(unit.class, Direction::Ingress) {
                    found(End::Outside(&addresses), End::Unit(to), &permit)?;
                }
            }
        }
        Ok(())
    }

    /// The ports that the view shows of a protocol.
    #[must_use]
    pub fn wants(&self, protocol: ringfence_model::port::Protocol) -> PortSet {
        self.view.ports.as_ref().map_or_else(PortSet::all, |ports| ports.of(protocol))
    }
}

/// Permits as a view shows them, by number.
struct Shown<'a> {
    view: &'a View,
    list: Vec<Permit>,
    known: FxHashMap<Permit, u32>,
}

impl Shown<'_> {
    fn number(&mut self, permit: &Permit) -> u32 {
        self.view.of(permit).map_or(Targets::NONE, |shown| self.add(shown))
    }

    fn add(&mut self, shown: Permit) -> u32 {
        let list = &mut self.list;
        *self.known.entry(shown).or_insert_with_key(|shown| {
            list.push(shown.clone());
            u32::try_from(list.len() - 1).unwrap_or(u32::MAX - 1)
        })
    }
}
