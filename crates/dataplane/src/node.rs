//! One node's enforcement over time. In: compiled clusters, one after the other. Out: the kernel with the program of the last
//! one, live connections judged again when something may have become forbidden, and never an unenforced moment.

use ringfence_model::Text;
use ringfence_policy::Compiled;

use crate::{
    compile::{Options, Program, compile},
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
        let left = keeper.adopt()?;
        if let Some(epoch) = left.as_ref().and_then(|left| epoch_of(left, &options)) {
            options.epoch = epoch + 1;
        }
        let mut program = compile(compiled, audited, name, &options);
        if let Some(left) = &left {
            program.table.keep_sizes(left);
        }
        keeper.set(program.table.clone())?;
        let addresses = Addresses::of(compiled.cluster());
        Ok(Self { name: name.into(), options, keeper, program, addresses, unsure: false })
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

    /// Changes the program to that of another state of the cluster, in one transaction.
    ///
    /// # Errors
    /// Those of [`Keeper::set`]. If the program is beyond the kernel's limits, the one before stays. After other errors
    /// either may be in effect until the next update, or [`Self::repair`], which puts the one before back.
    pub fn update(&mut self, compiled: &Compiled, audited: Option<&Compiled>) -> Result<Updated, Error> {
        let mut program = compile(compiled, audited, &self.name, &self.options);
        program.table.keep_sizes(&self.program.table);
        let transaction = diff(&self.program.table, &program.table);
        let mut addresses = self.addresses.clone();
        let judges_again = addresses.change(&transaction, compiled.cluster()) || self.unsure;
        if judges_again {
            program.set_epoch(&self.next_epoch());
        }
        self.load(program, judges_again)?;
        self.addresses = addresses;
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
        program.set_epoch(&self.next_epoch());
        self.load(program, true)?;
        Ok(true)
    }

    fn next_epoch(&self) -> Options {
        Options { epoch: self.options.epoch + 1, ..self.options.clone() }
    }

    /// Makes the kernel's program this one, of this epoch or the next.
    fn load(&mut self, program: Program, next_epoch: bool) -> Result<(), Error> {
        let result = self.keeper.set(program.table.clone());
        if !matches!(result, Err(Error::Limit(_))) && next_epoch {
            // Even if it failed: the kernel may have taken it, and marked connections.
            self.options.epoch += 1;
        }
        match result {
            Ok(()) => {
                (self.program, self.unsure) = (program, false);
                Ok(())
            }
            // Nothing was sent.
            Err(error @ Error::Limit(_)) => Err(error),
            Err(error) => {
                self.unsure = true;
                Err(error)
            }
        }
    }

    /// Removes the table: nothing is enforced any more, and nothing of ours is left.
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

impl Program {
    /// Makes it the same program at another epoch.
    fn set_epoch(&mut self, options: &Options) {
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
