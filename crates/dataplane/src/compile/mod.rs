//! From a compiled cluster to one node's program. In: the engine's answers for the node. Out: a table, what the numbers in
//! its log mean, and what is closed for want of a proxy or a fact. A pure value: the same for the same input.
//!
//! A packet is judged once, when its connection is new; then the connection carries a mark, the epoch. To judge, look up
//! the local pod's entry chain by the packet's address (`eg4`, `in4`, ...), test the other end's address against the
//! entry's sets, and look up protocol and port in its class's map. A return lets the packet pass on that side.
//! Replies of connections with an old mark take the same way through mirrored chains (`..._r`).

mod classes;
mod entry;
mod frame;
mod names;
mod options;
mod planner;
mod verdicts;

use std::{collections::BTreeMap, net::IpAddr};

use rayon::prelude::*;
use ringfence_model::{
    Text,
    address::Family,
    verdict::{Condition, Direction, Missing},
};
use ringfence_policy::{
    Compiled,
    compiled::{Enforcement, Peers, Subjects, View},
};

pub use options::{Options, Rate, Refusal};
pub use planner::{Plan, Planner};
pub use verdicts::Logs;

use crate::{nft::Table, prefix::RuleId};
use entry::{Entries, address_set};
use frame::Frame;
use verdicts::{Purpose, Verdicts};

/// Something that a person should know about a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// What a policy allows under conditions is closed, because no proxy looks at them.
    NeedsProxy {
        /// The side.
        direction: Direction,
        /// The rule.
        policy: String,
        /// The conditions.
        conditions: Vec<Condition>,
    },
    /// What depends on a fact that is not known is closed.
    Missing {
        /// The side.
        direction: Direction,
        /// The rule.
        policy: String,
        /// The facts.
        missing: Vec<Missing>,
    },
    /// A pod of the node, `namespace/name`, whose address is not known: no policy of its own applies to it yet.
    NoAddress(Text),
    /// Several pods have this address: it counts as that of the one that came last.
    Claimed(IpAddr),
    /// No address of the node is known: what comes from it or goes to it is not exempt from any policy.
    NoNodeAddress,
}

/// How large a program is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sets.
    pub sets: usize,
    /// Maps to verdicts.
    pub maps: usize,
    /// Chains.
    pub chains: usize,
    /// Rules of all chains.
    pub rules: usize,
    /// Elements of all sets and maps.
    pub elements: usize,
}

/// One node's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The table.
    pub table: Table,
    /// What the numbers in log prefixes stand for.
    pub rules: BTreeMap<RuleId, Logs>,
    /// What a person should know, sorted.
    pub notes: Vec<Note>,
    /// The bits of a connection's mark that are the program's.
    pub mark_mask: u32,
    /// Their value for a connection that this version allowed.
    pub epoch_mark: u32,
}

impl Program {
    /// A program that does nothing.
    fn empty(options: &Options) -> Self {
        Self {
            table: Table::new(options.table.as_str()),
            rules: BTreeMap::new(),
            notes: Vec::new(),
            mark_mask: options.mark_mask,
            epoch_mark: options.epoch_mark(),
        }
    }

    /// How large it is.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Table { sets, maps, chains, .. } = &self.table;
        Counts {
            sets: sets.len(),
            maps: maps.len(),
            chains: chains.len(),
            rules: chains.values().map(|chain| chain.rules.len()).sum(),
            elements: sets.values().map(|set| set.elements.len()).sum::<usize>()
                + maps.values().map(|map| map.elements.len()).sum::<usize>(),
        }
    }
}

/// Makes the program of a node. `audited` is the same cluster compiled with its audit policies
/// ([`Compiled::with_audit`]): what these would deny of what passes is logged.
#[must_use]
pub fn compile(compiled: &Compiled, audited: Option<&Compiled>, node: &str, options: &Options) -> Program {
    let view =
        View { strict_own_node: options.strict_own_node, allow_reasons: options.log_allowed.is_some() };
    let enforcement = compiled.enforcement(node, &options.own_addresses, view);
    let mut verdicts = Verdicts::new(options, enforcement.families());
    let mut entries = Entries::default();
    add(&enforcement, Purpose::Enforce, &mut entries, &mut verdicts, |_| true);
    let mut audits = false;
    if let Some(audited) = audited {
        let audit = audited.enforcement(node, &options.own_addresses, View { allow_reasons: false, ..view });
        let differs = |subjects: &Subjects| subjects.policies.iter().any(|policy| policy.audit);
        audits = add(&audit, Purpose::Audit, &mut entries, &mut verdicts, differs);
    }
    let mut notes = verdicts.notes.clone();
    notes.extend(self::notes(&enforcement, !entries.subjects.is_empty()));
    let table = Frame { options, families: enforcement.families(), audits }.table(entries, verdicts.chains);
    Program {
        table,
        rules: verdicts.rules,
        notes: notes.into_iter().collect(),
        mark_mask: options.mark_mask,
        epoch_mark: options.epoch_mark(),
    }
}

/// What a person should know about the node. `covered` says whether any rule applies to a pod of it.
fn notes(enforcement: &Enforcement<'_>, covered: bool) -> impl Iterator<Item = Note> {
    let claimed = enforcement.claimed().iter().copied().map(Note::Claimed);
    let nameless = enforcement.without_address();
    let nameless = nameless.map(|pod| Note::NoAddress(format!("{}/{}", pod.namespace, pod.name).into()));
    let unknown = (covered && !enforcement.knows_own_node()).then_some(Note::NoNodeAddress);
    claimed.chain(nameless).chain(unknown)
}

/// Adds all groups of pods that `wanted` holds for, and says whether there is any. The groups are independent of each
/// other: the engine works on them side by side.
fn add(
    enforcement: &Enforcement<'_>,
    purpose: Purpose,
    entries: &mut Entries,
    verdicts: &mut Verdicts<'_>,
    wanted: impl Fn(&Subjects) -> bool,
) -> bool {
    let mut work: Vec<(Subjects, Family)> = Vec::new();
    for direction in [Direction::Egress, Direction::Ingress] {
        for subjects in enforcement.subjects(direction).into_iter().filter(&wanted) {
            let has =
                |family: &Family| subjects.addresses.iter().any(|address| Family::of(*address) == *family);
            let families = Family::BOTH.into_iter().filter(has);
            work.extend(families.map(|family| (subjects.clone(), family)));
        }
    }
    let peers: Vec<Option<Peers>> =
        work.par_iter().map(|(subjects, family)| enforcement.peers(subjects, *family)).collect();
    for ((subjects, family), peers) in work.iter().zip(&peers) {
        if let Some(peers) = peers {
            entries.add(enforcement, verdicts, (purpose, *family), subjects, peers);
        }
    }
    for (name, (shared, family)) in std::mem::take(&mut entries.shared) {
        let members = || address_set(family, enforcement.members(shared, family));
        entries.sets.entry(name).or_insert_with(members);
    }
    !work.is_empty()
}
