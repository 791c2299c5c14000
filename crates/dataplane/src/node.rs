//! One node's enforcement over time. In: compiled clusters, one after the other. Out: the kernel with the program of the last
//! one, live connections judged again when something may have become forbidden, and never an unenforced moment.

use std::collections::BTreeSet;

use ringfence_model::Text;
use ringfence_policy::{Compiled, compiled};

use crate::{
    compile::{Options, Plan, Planner, Program, compile},
    epoch::Addresses,
    netlink::{Error, Wire},
    nft::{Name, Statement, Table},
    reconcile::{Change, Keeper, Member, Transaction, diff},
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
    /// The maps that go by their other names at the moment.
    swapped: BTreeSet<Name>,
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
        let mut swapped = BTreeSet::new();
        if let Some(before) = &table {
            swapped = program.swap_maps(before, &swapped);
            program.table.keep_sizes(before);
        }
        let addresses = Addresses::of(compiled.cluster());
        let (name, first) = (name.into(), program.clone());
        let mut node = Self {
            name,
            options,
            keeper,
            program: first,
            addresses: addresses.clone(),
            swapped,
            unsure: false,
        };
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
        let swapped = program.swap_maps(&self.program.table, &self.swapped);
        program.table.keep_sizes(&self.program.table);
        let transaction = diff(&self.program.table, &program.table);
        let mut addresses = self.addresses.clone();
        let judges_again = addresses.change(&transaction, compiled.cluster()) || self.unsure;
        self.swapped = swapped;
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
        let table = keeper.adopt()?;
        let left = table.as_ref().and_then(|left| epoch_of(left, &options));
        options.epoch = left.unwrap_or(options.epoch);
        let addresses = Addresses::of(compiled.cluster());
        let mut planner = Planner::new(compiled, audited, name, options.clone());
        if let Some(before) = &table {
            planner.keep_sizes(before);
        }
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
    pub fn apply(&mut self, change: &compiled::Change) -> Result<Updated, Error> {
        let Plan { transaction, gone, come, .. } = self.planner.apply(change);
        // What the kernel has not got yet counts as a change that may forbid something.
        let judges_again = self.addresses.change_pod(&transaction, &gone, &come) | self.unsure;
        let changes = transaction.changes.len();
        if self.unsure || self.keeper.current().is_none() {
            self.unsure = true;
            self.keeper.set(self.planner.program().table.clone())?;
        } else if changes > 0 {
            self.unsure = true;
            self.bring(&transaction)?;
        }
        if judges_again {
            self.judge_again()?;
        }
        self.unsure = false;
        Ok(Updated { changes, judges_again })
    }

    /// Brings a transaction to the kernel. Elements of maps that lead elsewhere from now on go by way of another map: see
    /// [`Program::swap_maps`].
    fn bring(&mut self, transaction: &Transaction) -> Result<(), Error> {
        let before = self.keeper.current();
        let elsewhere = |change: &Change| match change {
            Change::AddElements(shape, members) if shape.map => {
                let map = before.and_then(|before| before.maps.get(&shape.name));
                let known = |member: &Member| map.and_then(|map| map.elements.get(&member.key));
                members
                    .iter()
                    .any(|member| known(member).is_some_and(|known| Some(known) != member.verdict.as_ref()))
            }
            _ => false,
        };
        if let Some(before) = before.filter(|_| transaction.changes.iter().any(elsewhere)) {
            let mut program = self.planner.program().clone();
            if !program.swap_maps(before, &BTreeSet::new()).is_empty() {
                self.keeper.set(program.table)?;
                return self.keeper.set(self.planner.program().table.clone());
            }
        }
        self.keeper.apply(transaction)
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
    /// in the kernel without packets that find neither the old nor the new, so there must be two maps. Says which go by their
    /// other names, of which `swapped` did before.
    fn swap_maps(&mut self, before: &Table, swapped: &BTreeSet<Name>) -> BTreeSet<Name> {
        let mut now = BTreeSet::new();
        for (name, map) in &self.table.maps {
            let other = other_name(name);
            let was = swapped.contains(name);
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
        now
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
