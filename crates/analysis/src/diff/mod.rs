//! What a change opens and cuts. In: two compiled clusters. Out: every connection that is not what it was, before and
//! after, with the lines of policy responsible.

mod ends;
mod reasons;

use std::sync::Arc;

use ringfence_model::{
    Text, address::IpSet, cluster::Cluster, port::PortSet, port::Protocol, verdict::Direction,
};
use ringfence_policy::{
    Compiled,
    permit::{Conditional, Permit},
};
use rustc_hash::FxHashMap;

use crate::connections::{By, ClassId, Map, Outside, Row, permits::of};
use ends::{Joint, Pair};
pub use reasons::{Because, State, What};

/// The identity of a workload, the same in both states.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// Its kind.
    pub kind: Text,
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The workload with this position in [`Diff::workloads`].
    Workload(usize),
    /// Addresses outside.
    Outside(IpSet),
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Some ports opened.
    Opened,
    /// Some ports were cut.
    Cut,
    /// Both, or only conditions changed.
    Changed,
}

/// A connection that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// From.
    pub from: End,
    /// To.
    pub to: End,
    /// What it was.
    pub before: Arc<Permit>,
    /// What it is.
    pub after: Arc<Permit>,
    /// What became of it.
    pub kind: Kind,
    /// Whether something may pass that did not before. Other conditions count: they are not compared with each other.
    pub opened: bool,
    /// Why, in both states. Empty if the change is one of very many.
    pub because: Arc<[Because]>,
}

/// Everything that differs.
#[derive(Clone, Debug, Default)]
pub struct Diff {
    /// The workloads of both states, sorted.
    pub workloads: Vec<Key>,
    /// Those that only the new state has: positions in `workloads`.
    pub added: Vec<usize>,
    /// Those that only the old state has.
    pub removed: Vec<usize>,
    /// The connections: by source, then by destination, the outside last.
    pub changes: Vec<Change>,
    /// The workloads whose replicas may open other connections to each other than before, if those are not wanted
    /// among the changes.
    pub own: Vec<usize>,
}

/// Compares two states. `own` asks for connections between the replicas of one workload too.
#[must_use]
pub fn diff(old: &Compiled, new: &Compiled, own: bool) -> Diff {
    let both = Both { old: Map::new(old, By::Workload), new: Map::new(new, By::Workload) };
    let joint = Joint::of(&both.old, &both.new);
    let mut diff = Diff { workloads: joint.keys(), ..Diff::default() };
    for (at, pair) in joint.pairs.iter().enumerate() {
        match (pair.old, pair.new) {
            (None, Some(_)) => diff.added.push(at),
            (Some(_), None) => diff.removed.push(at),
            _ => {}
        }
    }
    let mut rows: FxHashMap<usize, ClassChanges> = FxHashMap::default();
    let mut why = reasons::Reasons::new(&both);
    for (from, pair) in joint.pairs.iter().enumerate() {
        let row = rows.entry(pair.class).or_insert_with(|| both.changes_of(&joint, pair));
        for (to, target) in joint.pairs.iter().enumerate() {
            if from == to {
                continue;
            }
            if let Some((before, after)) = row.inside.get(&target.class) {
                let because = why.inside(pair, target, before, after);
                diff.changes.push(change(End::Workload(from), End::Workload(to), before, after, because));
            }
        }
        if let Some((before, after)) = &row.own {
            if own {
                let because = why.inside(pair, pair, before, after);
                diff.changes.push(change(End::Workload(from), End::Workload(from), before, after, because));
            } else {
                diff.own.push(from);
            }
        }
        for (addresses, before, after) in &row.outgoing {
            let because = why.outside(pair, addresses, Direction::Egress, before, after);
            diff.changes.push(change(
                End::Workload(from),
                End::Outside(addresses.clone()),
                before,
                after,
                because,
            ));
        }
    }
    for (to, pair) in joint.pairs.iter().enumerate() {
        let Some(row) = rows.get(&pair.class) else { continue };
        for (addresses, before, after) in &row.incoming {
            let because = why.outside(pair, addresses, Direction::Ingress, before, after);
            diff.changes.push(change(
                End::Outside(addresses.clone()),
                End::Workload(to),
                before,
                after,
                because,
            ));
        }
    }
    diff
}

fn change(from: End, to: End, before: &Arc<Permit>, after: &Arc<Permit>, because: Arc<[Because]>) -> Change {
    let (opened, cut) = (!gained(before, after).is_empty(), !gained(after, before).is_empty());
    let conditions = conditions_differ(before, after);
    let kind = match (opened, cut, conditions) {
        (true, false, false) => Kind::Opened,
        (false, true, false) => Kind::Cut,
        _ => Kind::Changed,
    };
    let (before, after) = (before.clone(), after.clone());
    Change { from, to, before, after, kind, opened: opened || conditions, because }
}

/// The ports for which more is possible after than before. Denied, unknown, allowed under conditions, allowed: in this
/// order.
#[must_use]
pub fn gained(before: &Permit, after: &Permit) -> Vec<(Protocol, PortSet)> {
    let gained = Protocol::WITH_PORTS.into_iter().map(|protocol| {
        let levels = |permit: &Permit| {
            let allowed = of(&permit.allowed, protocol);
            let conditional = conditional(permit, protocol).union(&allowed);
            let maybe = of(&permit.maybe, protocol).union(&conditional);
            [allowed, conditional, maybe]
        };
        let ports = levels(before)
            .iter()
            .zip(levels(after))
            .fold(PortSet::empty(), |ports, (before, after)| ports.union(&after.difference(before)));
        (protocol, ports)
    });
    gained.filter(|(_, ports)| !ports.is_empty()).collect()
}

fn conditional(permit: &Permit, protocol: Protocol) -> PortSet {
    let entries = permit.conditional.iter().filter(|entry| entry.protocol == protocol);
    entries.fold(PortSet::empty(), |ports, entry| ports.union(&entry.ports))
}

/// Whether ports that are conditional in both states have other conditions.
fn conditions_differ(before: &Permit, after: &Permit) -> bool {
    let common = |a: &Permit, b: &Permit| -> Vec<Conditional> {
        let entries = a.conditional.iter().map(|entry| {
            let ports = entry.ports.intersection(&conditional(b, entry.protocol));
            Conditional { ports, ..entry.clone() }
        });
        entries.filter(|entry| !entry.ports.is_empty()).collect()
    };
    common(before, after) != common(after, before)
}

/// Both states.
pub(crate) struct Both<'a> {
    pub(crate) old: Map<'a>,
    pub(crate) new: Map<'a>,
}

/// What differs for the workloads of one pair of classes.
#[derive(Default)]
struct ClassChanges {
    /// By the joint class of the destination.
    inside: FxHashMap<usize, (Arc<Permit>, Arc<Permit>)>,
    own: Option<(Arc<Permit>, Arc<Permit>)>,
    outgoing: Vec<(IpSet, Arc<Permit>, Arc<Permit>)>,
    incoming: Vec<(IpSet, Arc<Permit>, Arc<Permit>)>,
}

impl Both<'_> {
    fn changes_of(&self, joint: &Joint, pair: &Pair) -> ClassChanges {
        let row =
            |map: &Map<'_>, class: Option<ClassId>| class.map(|class| map.row(class)).unwrap_or_default();
        let (old, new) = (row(&self.old, pair.old_class), row(&self.new, pair.new_class));
        let mut found = ClassChanges::default();
        for (at, (old_class, new_class)) in joint.classes.iter().enumerate() {
            let (before, after) = (permit(&old, *old_class), permit(&new, *new_class));
            if before != after {
                found.inside.insert(at, (Arc::new(before.clone()), Arc::new(after.clone())));
            }
        }
        let own =
            |row: &Row| row.own.and_then(|at| row.permits.get(at as usize)).cloned().unwrap_or_default();
        if pair.old.is_some() && pair.new.is_some() && own(&old) != own(&new) {
            found.own = Some((Arc::new(own(&old)), Arc::new(own(&new))));
        }
        found.outgoing = self.outside(pair, Direction::Egress);
        found.incoming = self.outside(pair, Direction::Ingress);
        found
    }

    /// What differs for the addresses that are outside in both states (or in the one that the workload is in).
    fn outside(&self, pair: &Pair, direction: Direction) -> Vec<(IpSet, Arc<Permit>, Arc<Permit>)> {
        let part = |map: &Map<'_>, class: Option<ClassId>| {
            class.map(|class| (map.outside_space(class), map.outside(class, direction)))
        };
        let (old, new) = (part(&self.old, pair.old_class), part(&self.new, pair.new_class));
        let space = match (&old, &new) {
            (Some((a, _)), Some((b, _))) => a.intersection(b),
            (Some((space, _)), None) | (None, Some((space, _))) => space.clone(),
            (None, None) => return Vec::new(),
        };
        let whole = |part: Option<(IpSet, Outside)>| {
            let mut part: Outside = part.map(|(_, part)| part).unwrap_or_default();
            let open = part.iter().fold(IpSet::empty(), |set, (addresses, _)| set.union(addresses));
            part.push((space.difference(&open), Permit::default()));
            part
        };
        let (old, new) = (whole(old), whole(new));
        let mut found: Vec<(IpSet, &Permit, &Permit)> = Vec::new();
        for (a, before) in &old {
            for (b, after) in new.iter().filter(|(_, after)| after != before) {
                let both = self.old.foreign(&self.new.foreign(&a.intersection(b).intersection(&space)));
                if both.is_empty() {
                    continue;
                }
                match found.iter_mut().find(|(_, x, y)| *x == before && *y == after) {
                    Some((known, ..)) => *known = known.union(&both),
                    None => found.push((both, before, after)),
                }
            }
        }
        found.sort_by_cached_key(|(addresses, ..)| addresses.ranges().next());
        let arc = |permit: &Permit| Arc::new(permit.clone());
        found.into_iter().map(|(addresses, before, after)| (addresses, arc(before), arc(after))).collect()
    }
}

/// The permit to a class, if there is such a class.
fn permit(row: &Row, class: Option<ClassId>) -> &Permit {
    static NOTHING: Permit = Permit { allowed: Vec::new(), conditional: Vec::new(), maybe: Vec::new() };
    let at = class.and_then(|class| row.to.binary_search_by_key(&class, |(class, _)| *class).ok());
    let number = at.and_then(|at| row.to.get(at)).map(|(_, number)| *number as usize);
    number.and_then(|number| row.permits.get(number)).unwrap_or(&NOTHING)
}

/// The workloads of a cluster that have pods, with their positions in the map's units.
fn keys(map: &Map<'_>) -> Vec<Key> {
    let cluster: &Cluster = map.cluster();
    let key = |unit: &crate::connections::Unit| {
        cluster.workload(unit.workload).map_or_else(
            || Key { namespace: "".into(), name: "".into(), kind: "".into() },
            |workload| Key {
                namespace: workload.namespace.clone(),
                name: workload.name.clone(),
                kind: workload.kind.as_str().into(),
            },
        )
    };
    map.units().iter().map(key).collect()
}
