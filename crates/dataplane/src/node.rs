//! One node's enforcement over time. In: compiled clusters, one after the other. Out: the kernel with the program of the last
//! one, live connections judged again when something may have become forbidden, and never an unenforced moment.

use ringfence_model::Text;
use ringfence_policy::{Compiled, compiled::Change};

use crate::{
    compile::{Options, Plan, Planner, Program, compile},
    epoch::Addresses,
    netlink::{Error, Wire},
    nft::{Statement, Table},
    reconcile::{Keeper, diff},
};

/// A node with its program in the kernel.
#[derive(Debug)]
pub struct Node<W = crate::netlink::Socket> {
    name: Text,
    options: Options,
    keeper: Keeper<W>,
    program: Program,
    addresses: Addresses,
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
        take_over(&mut keeper, &mut options)?;
        let program = compile(compiled, audited, name, &options);
        keeper.set(program.table.clone())?;
        let addresses = Addresses::of(compiled.cluster());
        Ok(Self { name: name.into(), options, keeper, program, addresses })
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

    /// Changes the program to that of another state of the cluster, in one transaction.
    ///
    /// # Errors
    /// Those of [`Keeper::set`]. If the program is beyond the kernel's limits, the one before stays.
    pub fn update(&mut self, compiled: &Compiled, audited: Option<&Compiled>) -> Result<Updated, Error> {
        let mut program = compile(compiled, audited, &self.name, &self.options);
        let transaction = diff(&self.program.table, &program.table);
        let mut addresses = self.addresses.clone();
        let judges_again = addresses.change(&transaction, compiled.cluster());
        let mut options = self.options.clone();
        if judges_again {
            options.epoch += 1;
            program.set_epoch(&options);
        }
        self.keeper.set(program.table.clone())?;
        (self.program, self.addresses, self.options) = (program, addresses, options);
        Ok(Updated { changes: transaction.changes.len(), judges_again })
    }

    /// Reads the table back and puts right what somebody else has changed. Says whether there was something to put right.
    ///
    /// # Errors
    /// Those of [`Keeper::repair`].
    pub fn repair(&mut self) -> Result<bool, Error> {
        self.keeper.repair()
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
    /// Whether the kernel did not take the last program.
    behind: bool,
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
        take_over(&mut keeper, &mut options)?;
        let addresses = Addresses::of(compiled.cluster());
        let planner = Planner::new(compiled, audited, name, options.clone());
        keeper.set(planner.program().table.clone())?;
        Ok(Self { options, keeper, planner, addresses, behind: false })
    }

    /// The program: that in the kernel, unless the last change ended with an error.
    #[must_use]
    pub fn program(&self) -> &Program {
        self.planner.program()
    }

    /// Applies a change of the cluster, in one transaction.
    ///
    /// # Errors
    /// Those of [`Keeper::apply`] and [`Keeper::set`]. The change is kept: [`Self::repair`], or the next change, brings it
    /// to the kernel.
    pub fn apply(&mut self, change: Change) -> Result<Updated, Error> {
        let Plan { mut transaction, gone, come, .. } = self.planner.apply(change);
        // What the kernel has not got yet counts as a change that may forbid something.
        let judges_again = self.addresses.change_pod(&transaction, &gone, &come) | self.behind;
        if judges_again {
            self.options.epoch += 1;
            transaction.changes.extend(self.planner.set_epoch(self.options.epoch).changes);
        }
        let changes = transaction.changes.len();
        if self.behind || self.keeper.current().is_none() {
            self.behind = true;
            self.keeper.set(self.planner.program().table.clone())?;
        } else if changes > 0 {
            self.behind = true;
            self.keeper.apply(&transaction)?;
        }
        self.behind = false;
        Ok(Updated { changes, judges_again })
    }

    /// Reads the table back and puts right what somebody else has changed, or what an error left undone. Says whether there
    /// was something to put right.
    ///
    /// # Errors
    /// Those of [`Keeper::repair`] and [`Keeper::set`].
    pub fn repair(&mut self) -> Result<bool, Error> {
        if self.behind {
            self.keeper.set(self.planner.program().table.clone())?;
            self.behind = false;
            return Ok(true);
        }
        self.keeper.repair()
    }

    /// As [`Node::remove`].
    ///
    /// # Errors
    /// Those of [`Keeper::remove`].
    pub fn remove(mut self) -> Result<(), Error> {
        self.keeper.remove()
    }
}

/// Goes on where an earlier process ended: connections that it let pass are judged again.
fn take_over<W: Wire>(keeper: &mut Keeper<W>, options: &mut Options) -> Result<(), Error> {
    if let Some(left) = keeper.adopt()?
        && let Some(epoch) = epoch_of(&left, options)
    {
        options.epoch = epoch + 1;
    }
    Ok(())
}

/// The epoch with which a program marks what it allows: nothing if it is none of ours, or for another mask.
fn epoch_of(table: &Table, options: &Options) -> Option<u32> {
    let statements = table.chains.values().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.statements);
    let marks = statements.filter_map(|statement| match statement {
        Statement::SetMark { mask, value } if *mask == options.mark_mask && *value != options.dead_mark() => {
            Some(value >> mask.trailing_zeros().min(u32::BITS - 1))
        }
        _ => None,
    });
    marks.filter(|epoch| *epoch > 0).max()
}

impl Program {
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
