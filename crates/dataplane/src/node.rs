//! One node's enforcement over time. In: compiled clusters, one after the other. Out: the kernel with the program of the last
//! one, live connections judged again when something may have become forbidden, and never an unenforced moment.

use std::collections::BTreeSet;

use ringfence_model::Text;
use ringfence_policy::{Compiled, compiled::Change};

use crate::{
    compile::{Options, Plan, Planner, Program, compile},
    epoch::Addresses,
    netlink::{Error, Wire},
    nft::{Name, Statement, Table},
    reconcile::{Keeper, diff},
};

/// A node with its program in the kernel.
#[derive(Debug)]
pub struct Node<W = crate::netlink::Socket> {
    name: Text,
    options: Options,
    keeper: Keeper<W>,
    /// The program that ought to be in the kernel.
    program: Program,
    addresses: Addresses,
    /// Whether it may not be: a change failed, or somebody else was there.
    unsure: bool,
}

/// What an update did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updated {
    /// Changes that the kernel was asked for; none if nothing differs.
    pub changes: usize,
    /// Whether live connections are judged again.
    pub judges_again: bool,
}

impl<W: Wire> Node<W> {
    /// Loads a node's program, or changes what an earlier process has left into it without an unenforced moment; live
    /// connections are then judged again. If nothing was left, the first epoch is that of the options: a caller who may have
    /// enforced on this machine before, and has removed its table since, takes one that no live connection can bear.
    ///
    /// # Errors
    /// Those of [`Keeper::set`]; what was there before is then still in effect.
    pub fn start(
        mut keeper: Keeper<W>,
        compiled: &Compiled,
        audited: Option<&Compiled>,
        name: &str,
        mut options: Options,
    ) -> Result<Self, Error> {
        let table = keeper.adopt()?;
        let left = table.as_ref().and_then(|left| epoch_of(left, &options));
        options.epoch = left.unwrap_or(options.epoch);
        let mut program = compile(compiled, audited, name, &options);
        if let Some(table) = &table {
            program.swap_maps(table);
            program.table.keep_sizes(table);
        }
        let addresses = Addresses::of(compiled.cluster());
        let (name, first) = (name.into(), program.clone());
        let mut node =
            Self { name, options, keeper, program: first, addresses: addresses.clone(), unsure: false };
        node.load(program, addresses, left.is_some())?;
        Ok(node)
    }

    /// The program in the kernel.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &Text {
        &self.name
    }

    /// The address of the socket that changes are made with, for [`Watch::touched`](crate::netlink::Watch::touched).
    pub fn port(&self) -> u32 {
        self.keeper.port()
    }

    /// Whether the kernel may have another program than [`Self::program`], because a change failed. [`Self::repair`] or a later
    /// update settles it.
    #[must_use]
    pub fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// Changes the program to that of another state of the cluster, in one step for every packet.
    ///
    /// # Errors
    /// Those of [`Keeper::set`]. If the program is beyond the kernel's limits, the one before stays. After other errors
    /// either may be in effect, or live connections not be judged again yet, until the next update or [`Self::repair`].
    pub fn update(&mut self, compiled: &Compiled, audited: Option<&Compiled>) -> Result<Updated, Error> {
        let mut program = compile(compiled, audited, &self.name, &self.options);
        program.swap_maps(&self.program.table);
        program.table.keep_sizes(&self.program.table);
        let transaction = diff(&self.program.table, &program.table);
        let mut addresses = self.addresses.clone();
        let judges_again = addresses.change(&transaction, compiled.cluster()) || self.unsure;
        self.load(program, addresses, judges_again)?;
        Ok(Updated { changes: transaction.changes.len(), judges_again })
    }

    /// Reads the table back and puts right what somebody else has changed, or what a failed update has left. Says whether
    /// there was something to put right. If so, live connections are judged again: meanwhile some may have been marked
    /// that the program would not have allowed.
    ///
    /// # Errors
    /// Those of [`Keeper::repair`].
    pub fn repair(&mut self) -> Result<bool, Error> {
        if !self.unsure {
            let result = self.keeper.repair();
            self.unsure = !matches!(result, Ok(false));
            result?;
        }
        if !self.unsure {
            return Ok(false);
        }
        let mut program = self.program.clone();
        program.set_epoch(&self.options);
        self.load(program, self.addresses.clone(), true)?;
        Ok(true)
    }

    /// Makes the kernel's program this one, of the present epoch. Then, and only then, the epoch goes on if live connections
    /// are to be judged again: while a change takes effect, packets may meet sets as they were before, and what is allowed by
    /// that must not bear the mark of the new epoch.
    fn load(&mut self, program: Program, addresses: Addresses, judges_again: bool) -> Result<(), Error> {
        let result = self.keeper.set(program.table.clone());
        // Of what is beyond limits nothing was sent.
        self.unsure |= !matches!(result, Ok(()) | Err(Error::Limit(_)));
        result?;
        (self.program, self.addresses) = (program, addresses);
        if judges_again {
            self.unsure = true;
            // Even if it fails: the kernel may take it, and mark connections.
            self.options.epoch += 1;
            self.program.set_epoch(&self.options);
            self.keeper.set(self.program.table.clone())?;
        }
        self.unsure = false;
        Ok(())
    }

    /// Removes the table: nothing is enforced any more, and nothing of ours is left.
    ///
    /// # Errors
    /// Those of [`Keeper::remove`].
    pub fn remove(mut self) -> Result<(), Error> {
        self.keeper.remove()
    }
}

/// A node that is told of single changes, each of which costs what it touches, not a whole program.
#[derive(Debug)]
pub struct LiveNode<W = crate::netlink::Socket> {
    options: Options,
    keeper: Keeper<W>,
    planner: Planner,
    addresses: Addresses,
    /// Whether the kernel may have another program: a change failed, or somebody else was there.
    unsure: bool,
}

impl<W: Wire> LiveNode<W> {
    /// As [`Node::start`].
    ///
    /// # Errors
    /// Those of [`Keeper::set`]; what was there before is then still in effect.
    pub fn start(
        mut keeper: Keeper<W>,
        compiled: Compiled,
        audited: Option<Compiled>,
        name: &str,
        mut options: Options,
    ) -> Result<Self, Error> {
        let left = keeper.adopt()?.and_then(|left| epoch_of(&left, &options));
        options.epoch = left.unwrap_or(options.epoch);
        let addresses = Addresses::of(compiled.cluster());
        let planner = Planner::new(compiled, audited, name, options.clone());
        let mut node = Self { options, keeper, planner, addresses, unsure: false };
        node.keeper.set(node.planner.program().table.clone())?;
        if left.is_some() {
            node.judge_again()?;
        }
        Ok(node)
    }

    /// The program: that in the kernel, unless the last change ended with an error.
    #[must_use]
    pub fn program(&self) -> &Program {
        self.planner.program()
    }

    /// Applies a change of the cluster, in one step for every packet.
    ///
    /// # Errors
    /// Those of [`Keeper::apply`] and [`Keeper::set`]. The change is kept: [`Self::repair`], or the next change, brings it
    /// to the kernel.
    pub fn apply(&mut self, change: Change) -> Result<Updated, Error> {
        let Plan { transaction, gone, come, .. } = self.planner.apply(change);
        // What the kernel has not got yet counts as a change that may forbid something.
        let judges_again = self.addresses.change_pod(&transaction, &gone, &come) | self.unsure;
        let changes = transaction.changes.len();
        if self.unsure || self.keeper.current().is_none() {
            self.unsure = true;
            self.keeper.set(self.planner.program().table.clone())?;
        } else if changes > 0 {
            self.unsure = true;
            self.keeper.apply(&transaction)?;
        }
        if judges_again {
            self.judge_again()?;
        }
        self.unsure = false;
        Ok(Updated { changes, judges_again })
    }

    /// Moves the epoch on, in a transaction of its own: see [`Node::update`].
    fn judge_again(&mut self) -> Result<(), Error> {
        self.unsure = true;
        self.options.epoch += 1;
        let transaction = self.planner.set_epoch(self.options.epoch);
        self.keeper.apply(&transaction)?;
        self.unsure = false;
        Ok(())
    }

    /// Reads the table back and puts right what somebody else has changed, or what an error left undone. Says whether there
    /// was something to put right.
    ///
    /// # Errors
    /// Those of [`Keeper::repair`] and [`Keeper::set`].
    pub fn repair(&mut self) -> Result<bool, Error> {
        if !self.unsure {
            let result = self.keeper.repair();
            self.unsure = !matches!(result, Ok(false));
            result?;
        }
        if !self.unsure {
            return Ok(false);
        }
        self.keeper.set(self.planner.program().table.clone())?;
        self.judge_again()?;
        Ok(true)
    }

    /// As [`Node::remove`].
    ///
    /// # Errors
    /// Those of [`Keeper::remove`].
    pub fn remove(mut self) -> Result<(), Error> {
        self.keeper.remove()
    }
}

/// The epoch with which a program marks what it allows: nothing if it is none of ours, or for another mask.
fn epoch_of(table: &Table, options: &Options) -> Option<u32> {
    let statements = table.chains.values().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.statements);
    let marks = statements.filter_map(|statement| match statement {
        Statement::SetMark { mask, value } if *mask == options.mark_mask => {
            Some(value >> mask.trailing_zeros().min(u32::BITS - 1))
        }
        _ => None,
    });
    marks.filter(|epoch| *epoch > 0).max()
}

/// The other name of a map.
fn other_name(name: &Name) -> Name {
    format!("{name}_2").into()
}

impl Program {
    /// Gives maps other names than before if some of their elements lead elsewhere now: such an element cannot change
    /// in the kernel without packets that find neither the old nor the new, so there must be two maps.
    fn swap_maps(&mut self, before: &Table) {
        let mut now = BTreeSet::new();
        let statements =
            before.chains.values().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.statements);
        let used: BTreeSet<&Name> = statements
            .filter_map(|statement| match statement {
                Statement::VerdictMap { map, .. } => Some(map),
                _ => None,
            })
            .collect();
        for (name, map) in &self.table.maps {
            let other = other_name(name);
            let was = used.contains(&other);
            let present = before.maps.get(if was { &other } else { name });
            let elsewhere = present.is_some_and(|present| {
                map.elements
                    .iter()
                    .any(|(key, to)| present.elements.get(key).is_some_and(|known| known != to))
            });
            if was != elsewhere {
                now.insert(name.clone());
            }
        }
        for name in &now {
            if let Some(map) = self.table.maps.remove(name) {
                self.table.maps.insert(other_name(name), map);
            }
        }
        let rules = self.table.chains.values_mut().flat_map(|chain| &mut chain.rules);
        for statement in rules.flat_map(|rule| &mut rule.statements) {
            if let Statement::VerdictMap { map, .. } = statement
                && now.contains(map)
            {
                *map = other_name(map);
            }
        }
    }

    /// Makes it the same program at another epoch.
    pub(crate) fn set_epoch(&mut self, options: &Options) {
        let (before, after) = (self.epoch_mark, options.epoch_mark());
        let statements = self
            .table
            .chains
            .values_mut()
            .flat_map(|chain| &mut chain.rules)
            .flat_map(|rule| &mut rule.statements);
        for statement in statements {
            if let Statement::Mark { mask, value, .. } | Statement::SetMark { mask, value } = statement
                && *mask == self.mark_mask
                && *value == before
            {
                *value = after;
            }
        }
        self.epoch_mark = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        compile::Counts,
        nft::{Chain, Field, KeyType, Map, Rule, Value, Verdict},
    };
    use ringfence_model::address::Family;

    /// A program whose map leads one address somewhere.
    fn program(to: &[(u8, &str)]) -> Program {
        let mut table = Table::new("t");
        let elements = to.iter().map(|(last, chain)| {
            (vec![Value::Ipv4([10, 0, 0, *last].into())], Verdict::Jump((*chain).into()))
        });
        let map = Map { key: vec![KeyType::Ipv4], interval: false, elements: elements.collect(), size: None };
        table.maps.insert("in4".into(), map);
        let look_up =
            Statement::VerdictMap { fields: vec![Field::Destination(Family::V4)], map: "in4".into() };
        let rules = vec![Rule { statements: vec![look_up], comment: None }];
        table.chains.insert("judge".into(), Chain { hook: None, rules });
        Program { table, rules: Default::default(), notes: Vec::new(), mark_mask: 0xff00, epoch_mark: 0x100 }
    }

    #[test]
    fn an_element_never_leads_elsewhere_in_place() {
        let steps: [(&[(u8, &str)], &str); 6] = [
            (&[(1, "a")], "in4"),
            // Elements come and go.
            (&[(1, "a"), (2, "b")], "in4"),
            (&[(2, "b")], "in4"),
            // One leads elsewhere.
            (&[(2, "c")], "in4_2"),
            (&[(2, "c"), (3, "a")], "in4_2"),
            (&[(2, "b"), (3, "a")], "in4"),
        ];
        let mut before = program(&[]);
        for (to, name) in steps {
            let mut now = program(to);
            now.swap_maps(&before.table);
            assert_eq!(now.table.maps.keys().map(|name| &**name).collect::<Vec<_>>(), [name]);
            let rule = &now.table.chains["judge"].rules[0].statements[0];
            assert!(matches!(rule, Statement::VerdictMap { map, .. } if **map == *name), "{rule:?}");
            assert_eq!(
                now.counts(),
                Counts { maps: 1, chains: 1, rules: 1, elements: to.len(), ..Counts::default() }
            );
            before = now;
        }
    }
}
