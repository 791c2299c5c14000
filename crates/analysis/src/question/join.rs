//! Parts of an answer. In: connections with their rulings. Out: those judged alike, joined as far as they make up whole
//! places, families and ranges of ports.

use std::collections::BTreeMap;

use ringfence_model::{
    address::{Family, IpSet},
    port::{PortSet, Protocol},
    verdict::{Condition, Missing, Outcome, Reason, Side, Verdict},
};

use super::{Part, Place, Refusal, Ruling};

/// One connection, or several that differ only in what no policy can tell apart.
pub(super) struct Cell {
    pub(super) from: Place,
    pub(super) to: Place,
    pub(super) families: Vec<Family>,
    pub(super) protocol: Protocol,
    pub(super) asked: PortSet,
    pub(super) target: PortSet,
    pub(super) ruling: Ruling,
    /// Whether it counts only if nothing else does.
    pub(super) aside: bool,
    pub(super) to_itself: bool,
}

/// What makes verdicts alike: everything but the rule that came nearest.
type Gist<'a> = (Outcome, SideGist<'a>, SideGist<'a>);
type SideGist<'a> = (Outcome, &'a [Condition], &'a [Missing], Vec<&'a Reason>);

fn gist(verdict: &Verdict) -> Gist<'_> {
    fn of(side: &Side) -> SideGist<'_> {
        let reasons = side.reasons.iter().filter(|reason| !matches!(reason, Reason::NearMiss(_))).collect();
        (side.outcome, &side.conditions, &side.missing, reasons)
    }
    (verdict.outcome, of(&verdict.egress), of(&verdict.ingress))
}

/// A place while places of one kind are being joined: nothing of it matters but its kind, unless it is a name.
fn kind(place: &Place) -> Place {
    match place {
        Place::Pods(_) => Place::Pods(Vec::new()),
        Place::Addresses(_) => Place::Addresses(IpSet::empty()),
        Place::Name(name) => Place::Name(name.clone()),
    }
}

/// Joins cells that differ in one respect only: ports, then destination, source, family, protocol.
pub(super) fn join(cells: Vec<Cell>) -> Vec<Part> {
    let mut judged: BTreeMap<Gist<'_>, usize> = BTreeMap::new();
    let mut refused: BTreeMap<&Refusal, usize> = BTreeMap::new();
    let mut groups = Vec::with_capacity(cells.len());
    for cell in &cells {
        let next = judged.len() + refused.len();
        groups.push(match &cell.ruling {
            Ruling::Judged { verdict, .. } => *judged.entry(gist(verdict)).or_insert(next),
            Ruling::Refused(refusal) => *refused.entry(refusal).or_insert(next),
        });
    }
    let mut cells: Vec<(usize, Cell)> = groups.into_iter().zip(cells).collect();
    // Ports as they are reached follow those asked for, unless a Service maps one to another.
    let mapped = |cell: &Cell| (cell.asked != cell.target).then(|| cell.target.clone());
    cells = merged(cells, |c| (c.from.clone(), c.to.clone(), c.families.clone(), c.protocol, mapped(c)));
    cells = merged(cells, |c| {
        (c.from.clone(), kind(&c.to), c.families.clone(), c.protocol, c.asked.clone(), c.target.clone())
    });
    cells = merged(cells, |c| {
        (kind(&c.from), c.to.clone(), c.families.clone(), c.protocol, c.asked.clone(), c.target.clone())
    });
    let exact =
        |place: &Place| if matches!(place, Place::Addresses(_)) { kind(place) } else { place.clone() };
    cells = merged(cells, |c| (exact(&c.from), exact(&c.to), c.protocol, c.asked.clone(), c.target.clone()));
    let mut parts: Vec<(usize, Part)> = Vec::new();
    for (group, cell) in cells {
        let same = |(known, part): &&mut (usize, Part)| {
            *known == group && part.from == cell.from && part.to == cell.to && part.families == cell.families
        };
        match parts.iter_mut().find(same) {
            Some((_, part)) => {
                part.asked.push((cell.protocol, cell.asked));
                part.ports.push((cell.protocol, cell.target));
            }
            None => parts.push((
                group,
                Part {
                    from: cell.from,
                    to: cell.to,
                    families: cell.families,
                    asked: vec![(cell.protocol, cell.asked)],
                    ports: vec![(cell.protocol, cell.target)],
                    ruling: cell.ruling,
                },
            )),
        }
    }
    parts.sort_by(|(_, a), (_, b)| (&a.from, &a.to, &a.asked).cmp(&(&b.from, &b.to, &b.asked)));
    parts.into_iter().map(|(_, part)| part).collect()
}

/// Joins the cells of one group that share a key.
fn merged<K: Ord>(cells: Vec<(usize, Cell)>, key: impl Fn(&Cell) -> K) -> Vec<(usize, Cell)> {
    let mut at: BTreeMap<(usize, K), usize> = BTreeMap::new();
    let mut joined: Vec<(usize, Cell)> = Vec::with_capacity(cells.len());
    for (group, cell) in cells {
        let next = joined.len();
        let slot = *at.entry((group, key(&cell))).or_insert(next);
        match joined.get_mut(slot) {
            Some((_, known)) => {
                known.from.join(cell.from);
                known.to.join(cell.to);
                known.asked = known.asked.union(&cell.asked);
                known.target = known.target.union(&cell.target);
                known.families.extend(cell.families);
                known.families.sort_unstable();
                known.families.dedup();
            }
            None => joined.push((group, cell)),
        }
    }
    joined
}
