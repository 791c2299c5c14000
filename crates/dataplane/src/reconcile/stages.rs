//! Transactions in which sets come or go, or that do not go through the socket in one piece. In: a transaction. Out: three in its place, of which the
//! first prepares what nothing leads to yet, the second changes what packets meet, and the third clears away what nothing
//! leads to any more; so packets meet the old program or the new one, never a mixture.

use std::collections::BTreeSet;

use super::{Change, Transaction};
use crate::nft::{Name, Rule, Statement};

/// The three stages; together they are the transaction.
pub(super) struct Stages {
    /// May be applied in parts.
    pub(super) prepare: Transaction,
    /// Only as a whole.
    pub(super) switch: Transaction,
    /// May be applied in parts.
    pub(super) clean: Transaction,
    /// Whether something goes and comes again under its name, so that what leads to it has no place before or after.
    renews: bool,
}

impl Stages {
    /// Whether sets are made or deleted outside of the switch.
    pub(super) fn changes_sets(&self) -> bool {
        if self.renews {
            return false;
        }
        let made = self.prepare.changes.iter().any(|change| matches!(change, Change::CreateSet(_)));
        made || self.clears_sets()
    }

    /// Whether sets are cleared away.
    pub(super) fn clears_sets(&self) -> bool {
        self.clean.changes.iter().any(|change| matches!(change, Change::DeleteSet(_)))
    }
}

/// Splits a transaction.
pub(super) fn stages(transaction: &Transaction) -> Stages {
    let mut created: BTreeSet<(Kind, &Name)> = BTreeSet::new();
    let mut deleted: BTreeSet<(Kind, &Name)> = BTreeSet::new();
    let mut hooked: BTreeSet<(Kind, &Name)> = BTreeSet::new();
    let mut unhooked: BTreeSet<(Kind, &Name)> = BTreeSet::new();
    let mut renews = false;
    for change in &transaction.changes {
        match change {
            Change::CreateSet(shape) => _ = created.insert((Kind::Set, &shape.name)),
            // What hooks into the kernel is met by packets at once, and until it is gone.
            Change::CreateChain(name, None) => _ = created.insert((Kind::Chain, name)),
            Change::CreateChain(name, Some(_)) => _ = hooked.insert((Kind::Chain, name)),
            Change::DeleteChain(name, Some(_)) => _ = unhooked.insert((Kind::Chain, name)),
            Change::DeleteTable => renews = true,
            Change::DeleteSet(name) => _ = deleted.insert((Kind::Set, name)),
            Change::DeleteChain(name, None) => _ = deleted.insert((Kind::Chain, name)),
            _ => {}
        }
    }
    // What is made anew under the same name is neither only there before nor only after.
    let made: BTreeSet<(Kind, &Name)> = created.union(&hooked).copied().collect();
    let gone: BTreeSet<(Kind, &Name)> = deleted.union(&unhooked).copied().collect();
    let renewed: BTreeSet<(Kind, &Name)> = made.intersection(&gone).copied().collect();
    renews |= !renewed.is_empty();
    let is_new = |kind, name| created.contains(&(kind, name)) && !renewed.contains(&(kind, name));
    let is_old = |kind, name| deleted.contains(&(kind, name)) && !renewed.contains(&(kind, name));
    let empty = || Transaction { table: transaction.table.clone(), changes: Vec::new() };
    let mut stages = Stages { prepare: empty(), switch: empty(), clean: empty(), renews };
    for change in &transaction.changes {
        let stage = match change {
            Change::DeleteTable | Change::CreateTable => &mut stages.prepare,
            Change::CreateSet(shape) if is_new(Kind::Set, &shape.name) => &mut stages.prepare,
            Change::CreateChain(name, None) if is_new(Kind::Chain, name) => &mut stages.prepare,
            Change::AddElements(shape, _) if is_new(Kind::Set, &shape.name) => &mut stages.prepare,
            Change::AddRule(name, rule) if is_new(Kind::Chain, name) && !looks_into(rule, &renewed) => {
                &mut stages.prepare
            }
            Change::DeleteSet(name) if is_old(Kind::Set, name) => &mut stages.clean,
            Change::DeleteChain(name, None) if is_old(Kind::Chain, name) => &mut stages.clean,
            Change::FlushChain(name) if is_old(Kind::Chain, name) => &mut stages.clean,
            Change::DeleteElements(shape, _) if is_old(Kind::Set, &shape.name) => &mut stages.clean,
            _ => &mut stages.switch,
        };
        stage.changes.push(change.clone());
    }
    stages
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Set,
    Chain,
}

fn looks_into(rule: &Rule, renewed: &BTreeSet<(Kind, &Name)>) -> bool {
    rule.statements.iter().any(|statement| match statement {
        Statement::In { set, .. } => renewed.contains(&(Kind::Set, set)),
        Statement::VerdictMap { map, .. } => renewed.contains(&(Kind::Set, map)),
        _ => false,
    })
}
