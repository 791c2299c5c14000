//! The chains that every packet goes through. In: the entry chains and their maps. Out: the whole table.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::{address::Family, verdict::Direction};

use super::{
    entry::{Entries, address_value, digit, dispatch, empty_dispatch, hairpin, key_type},
    options::Options,
    verdicts::{Purpose, go, goto, is, rule},
};
use crate::{
    interpret::{ICMP, ICMPV6, state},
    nft::{Chain, Field, Hook, HookPoint, KeyType, Name, Rule, Set, Statement, Table, Value, Verdict},
};

/// Where those come that passed.
const PASSED: &str = "passed";
/// The types of ICMPv6 messages by which neighbours find each other (RFC 4861).
const NEIGHBOURS: &str = "neighbours";

/// The types of ICMP messages that are errors (RFC 1122 3.2.2).
const ERRORS_V4: [u8; 3] = [3, 11, 12];
/// The types of ICMPv6 messages that are errors (RFC 4443 2.1).
const ERRORS_V6: [u8; 4] = [1, 2, 3, 4];

/// What the chains depend on besides pods and policies.
pub(super) struct Frame<'a> {
    pub(super) options: &'a Options,
    pub(super) families: &'a [Family],
    /// Whether there are audit policies for pods of the node.
    pub(super) audits: bool,
}

impl Frame<'_> {
    /// Puts everything together.
    pub(super) fn table(&self, entries: Entries, verdicts: BTreeMap<Name, Chain>) -> Table {
        let mut table = Table::new(self.options.table.as_str());
        let Entries { classes, chains, sets, maps, subjects, judges_node, .. } = entries;
        table.sets = sets;
        table.sets.extend(classes.sets);
        table.maps = maps;
        table.maps.extend(classes.maps);
        table.chains = chains;
        table.chains.extend(classes.chains);
        table.chains.extend(verdicts);
        for family in self.families {
            let own = subjects.iter().filter(|address| Family::of(**address) == *family);
            let pairs = own.map(|address| vec![address_value(*address), address_value(*address)]);
            let key = vec![key_type(*family), key_type(*family)];
            table.sets.insert(
                hairpin(*family),
                Set { key, interval: false, size: None, elements: pairs.collect() },
            );
            for direction in [Direction::Egress, Direction::Ingress] {
                for reply in [false, true] {
                    let name = dispatch(Purpose::Enforce, direction, *family, reply);
                    table.maps.entry(name).or_insert_with(|| empty_dispatch(*family));
                }
                if self.audits {
                    let name = dispatch(Purpose::Audit, direction, *family, false);
                    table.maps.entry(name).or_insert_with(|| empty_dispatch(*family));
                }
            }
        }
        if judges_node {
            for family in self.families {
                let (key, kinds) = match family {
                    Family::V4 => (KeyType::Icmp, ERRORS_V4.as_slice()),
                    Family::V6 => (KeyType::Icmpv6, ERRORS_V6.as_slice()),
                };
                let elements = kinds.iter().map(|kind| vec![Value::Icmp(*kind)]).collect();
                table
                    .sets
                    .insert(errors(*family), Set { key: vec![key], interval: false, size: None, elements });
            }
        }
        if self.families.contains(&Family::V6) {
            let elements = (133..=137).map(|kind| vec![Value::Icmp(kind)]).collect::<BTreeSet<_>>();
            let key = vec![KeyType::Icmpv6];
            table.sets.insert(NEIGHBOURS.into(), Set { key, interval: false, size: None, elements });
        }
        let points = [("forward", HookPoint::Forward), ("input", HookPoint::Input)].into_iter();
        // What the node itself sends is looked at only if some of it is denied.
        for (name, point) in points.chain(judges_node.then_some(("output", HookPoint::Output))) {
            table.chains.insert(name.into(), self.base(point));
        }
        for family in self.families {
            for judges in [Judges::Both, Judges::Sources] {
                for reply in [false, true] {
                    let rules = if reply { replies(judges, *family) } else { self.judge(judges, *family) };
                    table.chains.insert(judges.chain(*family, reply), chain(rules));
                }
            }
        }
        let mask = self.options.mark_mask;
        let mark = Statement::SetMark { mask, value: self.options.epoch_mark() };
        table.chains.insert(PASSED.into(), chain(vec![rule(vec![mark])]));
        table.set_sizes();
        table
    }

    /// What was allowed passes; the rest is judged.
    fn base(&self, point: HookPoint) -> Chain {
        let Options { mark_mask: mask, priority, .. } = *self.options;
        let known = Statement::Mark { mask, value: self.options.epoch_mark(), negated: false };
        let mut rules = vec![rule(vec![known, go(Verdict::Accept)])];
        // A refusal that the node itself sends, for a pod or for itself, is a packet of the connection that it refuses, and
        // must not be refused in turn. Nothing else is related to a connection and runs against it, except ICMP errors.
        if point == HookPoint::Input {
            let related = Statement::State(state::RELATED);
            rules.push(rule(vec![related, Statement::Reply(true), go(Verdict::Accept)]));
        }
        if point == HookPoint::Output {
            rules.extend(self.refusals());
        }
        let judges = if point == HookPoint::Input { Judges::Sources } else { Judges::Both };
        // The last family needs no test, and a packet of a family without pods passes all the same.
        if let Some((last, others)) = self.families.split_last() {
            for family in others {
                rules.push(rule(vec![Statement::Family(*family), goto(&judges.chain(*family, false))]));
            }
            rules.push(rule(vec![goto(&judges.chain(*last, false))]));
        } else {
            rules.push(rule(vec![goto(PASSED)]));
        }
        Chain { hook: Some(Hook { point, nat: false, priority }), rules }
    }

    /// The kernel's own refusals pass, whatever the node may send: resets, and ICMP errors about packets that were refused,
    /// which belong to no connection because the refused one has none.
    fn refusals(&self) -> Vec<Rule> {
        let mut rules = vec![rule(vec![Statement::State(state::RELATED), go(Verdict::Accept)])];
        for family in self.families {
            let field = if *family == Family::V4 { Field::IcmpType } else { Field::Icmpv6Type };
            let error = Statement::In { fields: vec![field], set: errors(*family), negated: false };
            rules.push(rule(vec![error, Statement::State(state::INVALID), go(Verdict::Accept)]));
        }
        rules
    }

    /// What becomes of a packet that no mark has let pass.
    fn judge(&self, judges: Judges, family: Family) -> Vec<Rule> {
        let mask = self.options.mark_mask;
        let marked = || Statement::Mark { mask, value: 0, negated: true };
        let mut rules = Vec::new();
        if family == Family::V6 {
            let neighbour =
                Statement::In { fields: vec![Field::Icmpv6Type], set: NEIGHBOURS.into(), negated: false };
            rules.push(rule(vec![neighbour, go(Verdict::Accept)]));
        }
        // An error about a connection that was allowed when it was last looked at: its own packets are judged again.
        let icmp = if family == Family::V4 { ICMP } else { ICMPV6 };
        let error = is(Field::Protocol, Value::Protocol(icmp));
        rules.push(rule(vec![error, Statement::State(state::RELATED), marked(), go(Verdict::Accept)]));
        rules.push(rule(vec![Statement::Reply(true), goto(&judges.chain(family, true))]));
        rules.extend(look_up(Purpose::Enforce, judges, family, false));
        if self.audits {
            rules.push(rule(vec![marked(), goto(PASSED)]));
            rules.extend(look_up(Purpose::Audit, judges, family, false));
        }
        rules.push(rule(vec![goto(PASSED)]));
        rules
    }
}

/// Which ends of a packet can be pods of the node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judges {
    /// Both.
    Both,
    /// The source only: the packet is for the node itself. The kernel then has less to validate when a pod comes.
    Sources,
}

impl Judges {
    /// The chain for packets in the direction of their connection's first, or against it.
    fn chain(self, family: Family, reply: bool) -> Name {
        let name = if self == Self::Both { "judge" } else { "input" };
        format!("{name}{}{}", digit(family), if reply { "_r" } else { "" }).into()
    }
}

/// What becomes of one of them that runs against its connection.
fn replies(judges: Judges, family: Family) -> Vec<Rule> {
    let mut rules = look_up(Purpose::Enforce, judges, family, true);
    rules.push(rule(vec![goto(PASSED)]));
    rules
}

/// The side of the connection's source, then that of its destination.
fn look_up(purpose: Purpose, judges: Judges, family: Family, reply: bool) -> Vec<Rule> {
    let mut rules = Vec::new();
    for direction in [Direction::Egress, Direction::Ingress] {
        // A reply runs from the connection's destination to its source.
        let field = match (direction, reply) {
            (Direction::Egress, false) | (Direction::Ingress, true) => Field::Source(family),
            (Direction::Ingress, false) | (Direction::Egress, true) => Field::Destination(family),
        };
        if judges == Judges::Both || field == Field::Source(family) {
            let map = dispatch(purpose, direction, family, reply);
            rules.push(rule(vec![Statement::VerdictMap { fields: vec![field], map }]));
        }
    }
    rules
}

fn chain(rules: Vec<Rule>) -> Chain {
    Chain { hook: None, rules }
}

/// Types of messages that are errors.
fn errors(family: Family) -> Name {
    format!("errors{}", digit(family)).into()
}
