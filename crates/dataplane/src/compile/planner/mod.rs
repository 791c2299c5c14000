//! One node's program kept up to date. In: a compiled cluster, then one change after the other. Out: after each, the program
//! that compiling the changed cluster makes, and the transaction that leads there, with work in proportion to the change.
//!
//! A pod that is one more of its kind is a few elements. Whatever else a change does to a group of pods, that group is
//! surveyed anew; namespaces, and pods that share addresses, make everything anew.

mod group;
mod pool;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use rayon::prelude::*;
use ringfence_model::{Text, address::Family, verdict::Direction};
use ringfence_policy::{
    Compiled,
    compiled::{Change, Enforcement, Index, Moved, Standing, Subjects, Survey, View},
};

use super::{
    Note, Options, Program, compile,
    entry::{Entries, address_set},
    frame::Frame,
    verdicts::Purpose,
};
use crate::{
    nft::{Name, Table},
    reconcile::{Transaction, diff},
};
use group::{Group, Piece};
use pool::{Collision, Journal, Pool};

const DIRECTIONS: [Direction; 2] = [Direction::Egress, Direction::Ingress];

/// What a change comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// From the program before to the one after.
    pub transaction: Transaction,
    /// Addresses that the pod that changed had before.
    pub gone: Vec<IpAddr>,
    /// Addresses that the pod that changed has now.
    pub come: Vec<IpAddr>,
    /// Whether the whole program was made anew.
    pub anew: bool,
}

/// A node's program, kept up to date.
#[derive(Debug)]
pub struct Planner {
    node: Text,
    options: Options,
    sides: Vec<Side>,
    program: Program,
    /// Nothing while two things in the program would have one name, which a whole compilation sorts out.
    parts: Option<Parts>,
}

/// What is enforced, or what audits would enforce.
#[derive(Debug)]
struct Side {
    purpose: Purpose,
    view: View,
    compiled: Compiled,
    index: Index,
}

/// The side by its number, direction, key and family of a group.
type Key = (usize, Direction, String, Family);

/// What a program is made of.
#[derive(Debug, Default)]
struct Parts {
    groups: BTreeMap<Key, Group>,
    pool: Pool,
    /// The part of the table that depends on no single group.
    frame: Option<Table>,
}

/// What is to be done about groups.
#[derive(Default)]
struct Todo {
    /// Groups that end.
    ended: BTreeSet<Key>,
    /// Groups to be made, with a survey that still holds if there is one.
    made: BTreeMap<Key, (Subjects, Option<Survey>)>,
    /// Whether the frame and the notes may have changed.
    frame: bool,
}

impl Side {
    /// Whether a group matters to it.
    fn wants(&self, subjects: &Subjects) -> bool {
        self.purpose == Purpose::Enforce || subjects.policies.iter().any(|policy| policy.audit)
    }

    /// Calls with the engine's view, and keeps what that knows.
    fn look<T>(&mut self, with: impl FnOnce(&mut Enforcement<'_>) -> T) -> T {
        let mut enforcement = self.compiled.enforcement_with(std::mem::take(&mut self.index));
        let result = with(&mut enforcement);
        self.index = enforcement.into_index();
        result
    }

    /// All groups, by key.
    fn groups(&mut self, number: usize) -> BTreeMap<Key, Subjects> {
        let found = self.look(|enforcement| {
            DIRECTIONS.into_iter().flat_map(|direction| enforcement.subjects(direction)).collect::<Vec<_>>()
        });
        let mut groups = BTreeMap::new();
        for subjects in found.into_iter().filter(|subjects| self.wants(subjects)) {
            for family in families(&subjects) {
                groups.insert((number, subjects.direction, subjects.key.clone(), family), subjects.clone());
            }
        }
        groups
    }
}

fn families(subjects: &Subjects) -> impl Iterator<Item = Family> {
    let has = |family: &Family| subjects.addresses.iter().any(|address| Family::of(*address) == *family);
    Family::BOTH.into_iter().filter(has)
}

impl Planner {
    /// Makes the program of a node. `audited` is the same cluster compiled with its audit policies, as for [`compile`].
    #[must_use]
    pub fn new(compiled: Compiled, audited: Option<Compiled>, node: &str, options: Options) -> Self {
        let view =
            View { strict_own_node: options.strict_own_node, allow_reasons: options.log_allowed.is_some() };
        let enforced = (Purpose::Enforce, view, compiled);
        let audited = audited.map(|audited| (Purpose::Audit, View { allow_reasons: false, ..view }, audited));
        let sides = [enforced].into_iter().chain(audited).map(|(purpose, view, compiled)| Side {
            purpose,
            view,
            compiled,
            index: Index::default(),
        });
        let mut planner = Self {
            node: node.into(),
            sides: sides.collect(),
            program: Program::empty(&options),
            options,
            parts: None,
        };
        planner.make();
        planner
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The cluster as it is after all changes.
    #[must_use]
    pub fn compiled(&self) -> Option<&Compiled> {
        self.sides.first().map(|side| &side.compiled)
    }

    /// The same with its audit policies, if they are looked at.
    #[must_use]
    pub fn audited(&self) -> Option<&Compiled> {
        self.sides.get(1).map(|side| &side.compiled)
    }

    /// Applies a change.
    pub fn apply(&mut self, change: Change) -> Plan {
        let pod = match &change {
            Change::Pod(pod, ..) => Some((pod.namespace.clone(), pod.name.clone())),
            Change::PodGone(namespace, name) => Some((namespace.clone(), name.clone())),
            _ => None,
        };
        let anew = matches!(change, Change::Namespace(_));
        let Some(mut parts) = self.parts.take().filter(|_| !anew) else {
            let standing = |side: Option<&Side>| {
                let (namespace, name) = pod.as_ref()?;
                side?.compiled.standing(namespace, name)
            };
            let before = standing(self.sides.first());
            self.sides.iter_mut().for_each(|side| side.compiled.apply(change.clone()));
            let after = standing(self.sides.first());
            return self.anew(before.as_ref(), after.as_ref());
        };
        let mut journal = Journal::default();
        let mut todo = Todo::default();
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        let mut whole = false;
        match pod {
            Some((namespace, name)) => {
                for number in 0..self.sides.len() {
                    let Some(side) = self.sides.get_mut(number) else { continue };
                    let before = side.compiled.standing(&namespace, &name);
                    let groups = before.as_ref().map(|standing| side.look(|seen| groups_of(seen, standing)));
                    side.compiled.apply(change.clone());
                    let after = side.compiled.standing(&namespace, &name);
                    if number == 0 {
                        (gone, come) = (addresses(before.as_ref()), addresses(after.as_ref()));
                    }
                    let both = [before.as_ref(), after.as_ref()];
                    let Some(moved) = side.look(|seen| seen.replace(before.as_ref(), after.as_ref())) else {
                        whole = true;
                        continue;
                    };
                    if whole {
                        continue;
                    }
                    let job = Job {
                        node: &self.node,
                        number,
                        moved: &moved,
                        both,
                        groups: groups.unwrap_or_default(),
                    };
                    job.run(side, &mut parts, &mut self.program, &mut journal, &mut todo);
                }
            }
            None => {
                for number in 0..self.sides.len() {
                    let Some(side) = self.sides.get_mut(number) else { continue };
                    side.compiled.apply(change.clone());
                    regroup(number, side, &mut parts, &mut todo);
                }
            }
        }
        let done = !whole && self.carry_out(&mut parts, &mut journal, todo).is_ok();
        if !done {
            journal.undo(&mut self.program.table);
            let plan = self.anew(None, None);
            return Plan { gone, come, ..plan };
        }
        self.parts = Some(parts);
        let transaction = journal.transaction(&mut self.program.table);
        Plan { transaction, gone, come, anew: false }
    }

    /// Lets live connections be judged again: what is allowed carries the mark of another epoch from now on.
    pub fn set_epoch(&mut self, epoch: u32) -> Transaction {
        self.options.epoch = epoch;
        let mut journal = Journal::default();
        if let Some(mut parts) = self.parts.take() {
            self.program.epoch_mark = self.options.epoch_mark();
            self.set_frame(&mut parts, &mut journal);
            self.parts = Some(parts);
            return journal.transaction(&mut self.program.table);
        }
        let before = self.program.table.clone();
        self.program.set_epoch(&self.options);
        diff(&before, &self.program.table)
    }

    /// Makes everything anew, and says what that changes.
    fn anew(&mut self, before: Option<&Standing>, after: Option<&Standing>) -> Plan {
        let old = std::mem::replace(&mut self.program, Program::empty(&self.options));
        self.make();
        let transaction = diff(&old.table, &self.program.table);
        Plan { transaction, gone: addresses(before), come: addresses(after), anew: true }
    }

    /// Makes everything.
    fn make(&mut self) {
        let (mut parts, mut journal, mut todo) = (Parts::default(), Journal::default(), Todo::default());
        todo.frame = true;
        for (number, side) in self.sides.iter_mut().enumerate() {
            let own = &self.options.own_addresses;
            side.index = side.compiled.enforcement(&self.node, own, side.view).into_index();
            let groups = side.groups(number);
            todo.made.extend(groups.into_iter().map(|(key, subjects)| (key, (subjects, None))));
        }
        self.parts = match self.carry_out(&mut parts, &mut journal, todo) {
            Ok(()) => Some(parts),
            Err(Collision) => {
                if let Some(enforced) = self.sides.first() {
                    let audited = self.sides.get(1).map(|side| &side.compiled);
                    self.program = compile(&enforced.compiled, audited, &self.node, &self.options);
                }
                None
            }
        };
    }

    /// Ends groups and makes groups.
    fn carry_out(&mut self, parts: &mut Parts, journal: &mut Journal, todo: Todo) -> Result<(), Collision> {
        let Todo { ended, made, frame } = todo;
        if ended.is_empty() && made.is_empty() && !frame {
            return Ok(());
        }
        for key in &ended {
            if let Some(group) = parts.groups.remove(key) {
                parts.pool.remove(&mut self.program, journal, &group);
            }
        }
        // The dispatch maps must be there before what they lead to.
        let audits = made.keys().any(|(side, ..)| *side > 0);
        if audits || parts.frame.is_none() {
            self.frame_with(parts, journal, audits);
        }
        let mut work: Vec<Vec<(Key, Subjects, Option<Survey>)>> =
            self.sides.iter().map(|_| Vec::new()).collect();
        for (key, (subjects, survey)) in made {
            if let Some(work) = work.get_mut(key.0) {
                work.push((key, subjects, survey));
            }
        }
        for (number, work) in work.into_iter().enumerate() {
            let Some(side) = self.sides.get_mut(number) else { continue };
            let (purpose, options) = (side.purpose, &self.options);
            let pieces: Vec<Option<(Key, Group, Piece)>> = side.look(|seen| {
                let make = |(key, subjects, survey): (Key, Subjects, Option<Survey>)| {
                    let family = key.3;
                    let mut survey = survey.or_else(|| seen.survey(&subjects, family))?;
                    let peers = survey.peers(seen, &subjects);
                    let piece = Piece::new(options, purpose, seen, &subjects, family, &peers);
                    let (uses, enters, sets) = (piece.uses(), piece.enters(), piece.sets.clone());
                    Some((key, Group { subjects, family, survey: Some(survey), sets, enters, uses }, piece))
                };
                work.into_par_iter().map(make).collect()
            });
            for (key, group, piece) in pieces.into_iter().flatten() {
                let wanted = parts.pool.add(&mut self.program, journal, number, piece)?;
                parts.groups.insert(key, group);
                for name in &wanted {
                    let Some((_, _, shared, family)) = parts.pool.shared.get(name) else { continue };
                    if self.program.table.sets.contains_key(name) {
                        continue;
                    }
                    let members = side.look(|seen| seen.members(*shared, *family));
                    journal.set(&mut self.program.table, name, Some(address_set(*family, members)));
                }
            }
        }
        parts.pool.sweep(&mut self.program.table, journal);
        self.set_frame(parts, journal);
        self.set_notes(parts);
        Ok(())
    }

    fn set_frame(&mut self, parts: &mut Parts, journal: &mut Journal) {
        self.frame_with(parts, journal, parts.groups.keys().any(|(side, ..)| *side > 0));
    }

    /// Puts the chains that every packet goes through in place.
    fn frame_with(&mut self, parts: &mut Parts, journal: &mut Journal, audits: bool) {
        let Some(enforced) = self.sides.first_mut() else { return };
        let families = enforced.look(|seen| seen.families().to_vec());
        let entries = Entries {
            subjects: parts.pool.subjects.keys().copied().collect(),
            judges_node: parts.pool.judges_node(),
            ..Entries::default()
        };
        let frame = Frame { options: &self.options, families: &families, audits };
        let endings = super::verdicts::Verdicts::new(&self.options, &families).chains;
        let new = frame.table(entries, endings);
        let old = parts.frame.replace(new.clone()).unwrap_or_else(|| Table::new(new.name.clone()));
        let table = &mut self.program.table;
        let names =
            |a: Vec<&Name>, b: Vec<&Name>| a.into_iter().chain(b).cloned().collect::<BTreeSet<Name>>();
        for name in names(old.chains.keys().collect(), new.chains.keys().collect()) {
            let chain = new.chains.get(&name);
            if old.chains.get(&name) != chain {
                journal.chain(table, &name, chain.cloned());
            }
        }
        for name in names(old.sets.keys().collect(), new.sets.keys().collect()) {
            let set = new.sets.get(&name);
            if old.sets.get(&name) != set {
                journal.set(table, &name, set.cloned());
            }
        }
        for name in names(old.maps.keys().collect(), new.maps.keys().collect()) {
            let map = new.maps.get(&name);
            if old.maps.contains_key(&name) != map.is_some() {
                journal.map(table, &name, map.cloned());
            }
        }
    }

    fn set_notes(&mut self, parts: &Parts) {
        let mut notes: BTreeSet<Note> = parts.pool.notes.keys().cloned().collect();
        let Some(enforced) = self.sides.first_mut() else { return };
        let covered = !parts.pool.subjects.is_empty();
        enforced.look(|seen| notes.extend(super::notes(seen, covered)));
        self.program.notes = notes.into_iter().collect();
    }
}

fn addresses(standing: Option<&Standing>) -> Vec<IpAddr> {
    standing.map_or_else(Vec::new, |standing| standing.pod().addresses.clone())
}

/// The keys of the groups that a pod belongs to.
fn groups_of(seen: &Enforcement<'_>, standing: &Standing) -> [Option<String>; 2] {
    DIRECTIONS.map(|direction| seen.group_of(standing, direction))
}

/// One pod changed on one side.
struct Job<'a> {
    node: &'a Text,
    number: usize,
    moved: &'a Moved,
    both: [Option<&'a Standing>; 2],
    /// The groups that it was in.
    groups: [Option<String>; 2],
}

impl Job<'_> {
    fn run(
        self,
        side: &mut Side,
        parts: &mut Parts,
        program: &mut Program,
        journal: &mut Journal,
        todo: &mut Todo,
    ) {
        let [before, after] = self.both;
        let now = after.map(|standing| side.look(|seen| groups_of(seen, standing))).unwrap_or_default();
        let local = |keys: &[Option<String>; 2]| keys.iter().any(Option::is_some);
        if local(&self.groups) || local(&now) {
            self.regroup(&now, side, parts, program, journal, todo);
        }
        let on_node = |standing: &&Standing| standing.pod().node.as_ref() == Some(self.node);
        todo.frame |= self.both.iter().flatten().any(on_node);
        if self.moved.is_empty() {
            return;
        }
        let [gone, come] = self.moved.addresses();
        let shared = parts.pool.shared.iter().filter(|(_, (_, side, ..))| *side == self.number);
        for (name, (_, _, shared, family)) in shared {
            for (list, standing, comes) in [(&gone, before, false), (&come, after, true)] {
                let Some(standing) = standing else { continue };
                if side.look(|seen| seen.holds(*shared, standing)) {
                    for address in list.iter().filter(|address| Family::of(**address) == *family) {
                        journal.listing(&mut program.table, name, *address, comes);
                    }
                }
            }
        }
        side.look(|seen| {
            for (key, group) in &mut parts.groups {
                if key.0 != self.number || todo.ended.contains(key) {
                    continue;
                }
                let survey = group.survey.as_mut();
                let listings =
                    survey.and_then(|survey| survey.replace(seen, &group.subjects, self.moved, self.both));
                let elements = listings.filter(|listings| {
                    let size = |at: usize| Some(program.table.sets.get(group.sets.get(at)?)?.elements.len());
                    // The last of a list takes the list away, and the first needs one.
                    listings.iter().all(|listing| {
                        size(listing.behaviour).is_some_and(|size| listing.comes || size > gone.len())
                    })
                });
                match elements {
                    Some(listings) => {
                        for listing in listings {
                            if let Some(set) = group.sets.get(listing.behaviour) {
                                journal.listing(&mut program.table, set, listing.address, listing.comes);
                            }
                        }
                    }
                    None => {
                        todo.ended.insert(key.clone());
                        todo.made.insert(key.clone(), (group.subjects.clone(), None));
                    }
                }
            }
        });
    }

    /// The pod is, or was, one of the subjects.
    fn regroup(
        &self,
        now: &[Option<String>; 2],
        side: &mut Side,
        parts: &mut Parts,
        program: &mut Program,
        journal: &mut Journal,
        todo: &mut Todo,
    ) {
        let [before, after] = self.both.map(addresses);
        for ((direction, was), is) in DIRECTIONS.into_iter().zip(&self.groups).zip(now) {
            if was == is && before == after {
                continue;
            }
            todo.frame = true;
            for (key, addresses, comes) in [(was, &before, false), (is, &after, true)] {
                let Some(key) = key else { continue };
                for family in Family::BOTH {
                    let key = (self.number, direction, key.clone(), family);
                    let Some(group) = parts.groups.get_mut(&key) else { continue };
                    for address in addresses {
                        let known = &mut group.subjects.addresses;
                        match (known.binary_search(address), comes) {
                            (Ok(at), false) => _ = known.remove(at),
                            (Err(at), true) => known.insert(at, *address),
                            _ => continue,
                        }
                        if Family::of(*address) == family {
                            if comes {
                                parts.pool.enter(program, journal, group, *address);
                            } else {
                                parts.pool.leave(program, journal, group, *address);
                            }
                        }
                    }
                    if group.addresses().next().is_none() {
                        todo.ended.insert(key);
                    } else {
                        todo.ended.remove(&key);
                    }
                }
            }
        }
        let known = |key: &Option<String>, direction, family| {
            let key = key.as_ref().map(|key| (self.number, direction, key.clone(), family));
            key.is_none_or(|key| parts.groups.contains_key(&key))
        };
        let mut lacking = after.iter().map(|address| Family::of(*address)).flat_map(|family| {
            DIRECTIONS.into_iter().zip(now).map(move |(direction, key)| (key, direction, family))
        });
        if lacking.any(|(key, direction, family)| !known(key, direction, family)) {
            let groups = side.groups(self.number).into_iter();
            let new = groups.filter(|(key, _)| !parts.groups.contains_key(key));
            todo.made.extend(new.map(|(key, subjects)| (key, (subjects, None))));
        }
    }
}

/// Policies changed on one side: finds the groups that are no more what they were.
fn regroup(number: usize, side: &mut Side, parts: &mut Parts, todo: &mut Todo) {
    let wanted = side.groups(number);
    let of_side = parts.groups.iter().filter(|(key, _)| key.0 == number);
    let same = |key: &Key, group: &Group| {
        let now = wanted.get(key);
        now.is_some_and(|now| now.same(&group.subjects) && now.addresses == group.subjects.addresses)
    };
    let ended: BTreeSet<Key> =
        of_side.filter(|(key, group)| !same(key, group)).map(|(key, _)| key.clone()).collect();
    if ended.is_empty() && wanted.keys().all(|key| parts.groups.contains_key(key)) {
        return;
    }
    // A group whose subjects are those of one that ends may go on with what is known of that.
    let mut known: BTreeMap<(Direction, Family, IpAddr), Key> = BTreeMap::new();
    for key in &ended {
        for address in
            parts.groups.get(key).into_iter().flat_map(|group| group.addresses().collect::<Vec<_>>())
        {
            known.insert((key.1, key.3, address), key.clone());
        }
    }
    let mut surveys: BTreeMap<Key, (Subjects, Survey)> = BTreeMap::new();
    for key in ended {
        // The group itself is taken away later, by what it uses: its survey can go before.
        if let Some(group) = parts.groups.get_mut(&key) {
            let survey = group.survey.take();
            surveys.extend(survey.map(|survey| (key.clone(), (group.subjects.clone(), survey))));
        }
        todo.ended.insert(key);
    }
    side.look(|seen| {
        for (key, subjects) in wanted {
            if parts.groups.contains_key(&key) && !todo.ended.contains(&key) {
                continue;
            }
            let mut addresses = subjects.addresses.iter().filter(|address| Family::of(**address) == key.3);
            let before = addresses.find_map(|address| known.get(&(key.1, key.3, *address)));
            let holds = |(was, survey): &(Subjects, Survey)| seen.still(survey, was, &subjects);
            let survey = before.filter(|before| surveys.get(*before).is_some_and(holds));
            let survey = survey.cloned().and_then(|before| surveys.remove(&before)).map(|(_, survey)| survey);
            todo.made.insert(key, (subjects, survey));
        }
    });
}
