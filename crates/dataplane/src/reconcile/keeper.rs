//! One table kept in the kernel as it ought to be. In: programs, one after the other. Out: the kernel with the last one,
//! whatever others do to it or goes wrong on the way.

use nix::errno::Errno;

use super::{Change, Transaction, diff, diff::diff_with, stages::stages};
use crate::{
    netlink::{Error, Nftables, ReadBack, Socket, Wire, encode::Encoded, uapi},
    nft::{Name, Table, check},
};

/// How often the table is read back and put right before that is given up.
const ROUNDS: u32 = 8;

/// Whose the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Anyone with the rights may change it; a flush of the whole ruleset takes it away until it is put back.
    Shared,
    /// Only this process changes it, a flush passes it by, and it stays when the process ends. Needs Linux 6.9.
    Owned,
}

/// What is known of the kernel's table.
#[derive(Debug)]
enum Known {
    /// Nothing: it must be read.
    Nothing,
    /// It ought to be this; something went wrong, so it must be read.
    Unsure(Table),
    /// There is none.
    Absent,
    /// It is this.
    Is(Table),
}

/// Keeps a table.
#[derive(Debug)]
pub struct Keeper<W = Socket> {
    nft: Nftables<W>,
    name: Name,
    ownership: Ownership,
    known: Known,
}

impl Keeper {
    /// Keeps a table of the current network namespace. Changes nothing yet.
    ///
    /// # Errors
    /// [`Error::Open`]
    pub fn open(name: impl Into<Name>, ownership: Ownership) -> Result<Self, Error> {
        Ok(Self::over(Nftables::open()?, name, ownership))
    }
}

impl<W: Wire> Keeper<W> {
    /// Keeps a table over a given connection.
    pub fn over(nft: Nftables<W>, name: impl Into<Name>, ownership: Ownership) -> Self {
        Self { nft, name: name.into(), ownership, known: Known::Nothing }
    }

    /// The program that is in the kernel, as far as this process knows.
    pub fn current(&self) -> Option<&Table> {
        match &self.known {
            Known::Is(table) => Some(table),
            Known::Nothing | Known::Unsure(_) | Known::Absent => None,
        }
    }

    /// The socket's address, for [`crate::netlink::Watch::touched`].
    pub fn port(&self) -> u32 {
        self.nft.port()
    }

    /// Takes over what an earlier process left, without changing what packets meet. Returns it: the marks of its
    /// connections tell the epoch that goes on. What in it is no program of ours is missing from it.
    ///
    /// # Errors
    /// [`Error::Owned`] if the owner is alive; those of reading.
    pub fn adopt(&mut self) -> Result<Option<Table>, Error> {
        self.known = Known::Nothing;
        let Some(read) = self.read()? else {
            self.known = Known::Absent;
            return Ok(None);
        };
        self.claim(&read)?;
        let table = read.table.clone();
        if read.is(&table) {
            self.known = Known::Is(read.table);
        }
        Ok(Some(table))
    }

    /// Makes the kernel's table this program, in one step for every packet.
    ///
    /// # Errors
    /// [`Error::Limit`], [`Error::TooBig`], [`Error::Refused`]: the program before is in effect, unchanged. Others: it may be
    /// either, and the next call or [`Self::repair`] finds out.
    pub fn set(&mut self, wanted: Table) -> Result<(), Error> {
        check(&wanted)?;
        let transaction = match &self.known {
            Known::Is(current) => diff(current, &wanted),
            Known::Absent => Transaction::load(&wanted),
            // What is there may be anything; an error leaves it, and what ought to be is tried again by a repair.
            Known::Nothing | Known::Unsure(_) => {
                let result = self.settle(wanted.clone());
                if result.is_err() {
                    self.known = Known::Unsure(wanted);
                }
                return result;
            }
        };
        match self.push(&transaction, None) {
            Ok(()) => {
                self.known = Known::Is(wanted);
                Ok(())
            }
            Err(error) => self.recover(error, wanted),
        }
    }

    /// Applies a transaction that the caller made for [`Self::current`]: for small changes to large programs, which need
    /// not be compared as a whole. A set that gets more elements than it has room for is made anew with more room.
    ///
    /// # Errors
    /// As [`Self::set`], and [`Error::Unknown`]; the result is not checked for limits beforehand, the kernel does that.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<(), Error> {
        if self.current().is_none() {
            return Err(Error::Unknown);
        }
        if self.current().is_some_and(|current| transaction.overfills(current)) {
            let Some(mut wanted) = self.current().cloned() else { return Err(Error::Unknown) };
            transaction.apply_to(&mut wanted);
            wanted.grow_sizes();
            return self.set(wanted);
        }
        match self.push(transaction, None) {
            Ok(()) => {
                if let Known::Is(table) = &mut self.known {
                    transaction.apply_to(table);
                }
                Ok(())
            }
            Err(error) => {
                let Some(mut wanted) = self.current().cloned() else { return Err(error) };
                transaction.apply_to(&mut wanted);
                self.recover(error, wanted)
            }
        }
    }

    /// Reads the table back and puts it right. Says whether there was something to put right.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn repair(&mut self) -> Result<bool, Error> {
        let (Known::Is(wanted) | Known::Unsure(wanted)) = &self.known else { return Ok(false) };
        let wanted = wanted.clone();
        let read = self.read()?;
        if read.is_some_and(|read| read.is(&wanted)) {
            self.known = Known::Is(wanted);
            return Ok(false);
        }
        self.known = Known::Unsure(wanted.clone());
        self.settle(wanted).map(|()| true)
    }

    /// Deletes the table.
    ///
    /// # Errors
    /// Those of a transaction.
    pub fn remove(&mut self) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            self.known = Known::Nothing;
            if self.read()?.is_none() {
                self.known = Known::Absent;
                return Ok(());
            }
            let gone = Transaction { table: self.name.clone(), changes: vec![Change::DeleteTable] };
            match self.nft.commit(&gone, 0, None) {
                Ok(()) | Err(Error::Uncertain) => {}
                Err(Error::Refused(refusal)) if refusal.errno == Errno::ENOENT => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Unquiet(ROUNDS))
    }

    /// What to do about a change that did not go as it should.
    fn recover(&mut self, error: Error, wanted: Table) -> Result<(), Error> {
        match error {
            Error::Limit(_)
            | Error::TooBig { .. }
            | Error::Open(_)
            | Error::Owned(..)
            | Error::Busy { .. }
            | Error::Unknown => Err(error),
            Error::Refused(ref refusal) if !stale(refusal.errno) => Err(error),
            Error::Refused(_) | Error::Uncertain | Error::Read(_) | Error::Unquiet(_) | Error::Socket(_) => {
                let before = std::mem::replace(&mut self.known, Known::Nothing);
                let result = self.settle(wanted.clone());
                if let Err(error) = &result {
                    // The kernel does not want it: what was before goes on. Else the next try is for the new.
                    let refused = matches!(error, Error::Refused(_) | Error::TooBig { .. });
                    self.known = match before {
                        Known::Is(before) if refused => Known::Unsure(before),
                        _ => Known::Unsure(wanted),
                    };
                }
                result
            }
        }
    }

    /// Reads what is there and makes it the program, until it is.
    fn settle(&mut self, wanted: Table) -> Result<(), Error> {
        let mut last = Error::Unquiet(ROUNDS);
        for _ in 0..ROUNDS {
            let read = match self.read() {
                Ok(read) => read,
                Err(error @ (Error::Unquiet(_) | Error::Read(_))) => {
                    last = error;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let transaction = match &read {
                None => Transaction::load(&wanted),
                Some(read) if read.foreign => {
                    let mut transaction = Transaction::load(&wanted);
                    transaction.changes.insert(0, Change::DeleteTable);
                    transaction
                }
                Some(read) => {
                    self.claim(read)?;
                    if read.is(&wanted) {
                        self.known = Known::Is(wanted);
                        return Ok(());
                    }
                    diff_with(&read.table, &wanted, &read.foreign_rules)
                }
            };
            // Claiming the table was a change of its own.
            let claimed =
                self.ownership == Ownership::Owned && read.as_ref().is_some_and(|read| read.owner.is_none());
            let generation = read.as_ref().filter(|_| !claimed).map(|read| read.generation);
            match self.push(&transaction, generation) {
                Ok(()) => {
                    self.known = Known::Is(wanted);
                    return Ok(());
                }
                Err(Error::Refused(refusal)) if !stale(refusal.errno) => return Err(Error::Refused(refusal)),
                Err(
                    error @ (Error::Refused(_) | Error::Uncertain | Error::Unquiet(_) | Error::Busy { .. }),
                ) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Applies a transaction: whole if it fits and no set comes or goes, else prepared, switched over whole, and cleaned up.
    ///
    /// A set that is made is empty to packets for some microseconds after the rules of its transaction are in effect, if it is
    /// one of ranges; and a packet under way in a rule that goes finds the sets of that rule's transaction empty. So sets
    /// are filled before anything leads to them, and go when nothing does any more and no packet is under way that met what did.
    fn push(&mut self, transaction: &Transaction, generation: Option<u32>) -> Result<(), Error> {
        let flags = self.flags();
        let encoded = Encoded::new(transaction, flags);
        let stages = stages(transaction);
        if !stages.changes_sets() && self.nft.fits(&encoded).is_ok() {
            return self.nft.commit_encoded(transaction, &encoded, generation);
        }
        let switch = Encoded::new(&stages.switch, flags);
        self.nft.fits(&switch)?;
        let before = std::mem::replace(&mut self.known, Known::Nothing);
        let prepared = self
            .nft
            .commit_in_parts(&stages.prepare, flags)
            .and_then(|()| self.nft.commit_encoded(&stages.switch, &switch, None));
        if let Err(error) = prepared {
            // What was prepared leads nowhere; it is cleared away here, or by the next that reads the table.
            match before {
                Known::Is(table) => {
                    self.known = Known::Unsure(table.clone());
                    let _ = self.settle(table);
                }
                Known::Absent => _ = self.remove(),
                unsure @ (Known::Nothing | Known::Unsure(_)) => self.known = unsure,
            }
            return Err(error);
        }
        // The program is in effect; what is left over is found by reading.
        if stages.clears_sets() {
            wait_for_packets();
        }
        self.nft.commit_in_parts(&stages.clean, flags).map_err(|_| Error::Uncertain)?;
        self.known = before;
        Ok(())
    }

    fn read(&mut self) -> Result<Option<ReadBack>, Error> {
        let read = self.nft.read(&self.name)?;
        match read.as_ref().and_then(|read| read.owner) {
            Some(owner) if owner != self.nft.port() => Err(Error::Owned(self.name.to_string(), owner)),
            _ => Ok(read),
        }
    }

    /// Becomes the owner of a table that outlived its owner.
    fn claim(&mut self, read: &ReadBack) -> Result<(), Error> {
        if self.ownership == Ownership::Shared || read.owner.is_some() || !read.persistent {
            return Ok(());
        }
        let claim = Transaction { table: self.name.clone(), changes: vec![Change::CreateTable] };
        match self.nft.commit(&claim, self.flags(), None) {
            // Someone else may have been faster, or this process earlier; reading shows.
            Err(Error::Refused(refusal))
                if refusal.errno == Errno::EOPNOTSUPP || refusal.errno == Errno::EPERM =>
            {
                self.read().map(|_| ())
            }
            Err(Error::Uncertain) => self.read().map(|_| ()),
            done => done,
        }
    }

    fn flags(&self) -> u32 {
        match self.ownership {
            Ownership::Shared => 0,
            Ownership::Owned => uapi::NFT_TABLE_F_OWNER | uapi::NFT_TABLE_F_PERSIST,
        }
    }
}

/// Whether an error can come from the table not being what this process takes it for.
fn stale(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::EEXIST | Errno::EBUSY | Errno::ENOTEMPTY | Errno::EPERM)
}

/// Returns when every packet that was under way has left the rules: netfilter judges them within RCU read-side critical
/// sections, and membarrier(2) waits for those that have begun (`synchronize_rcu`), some milliseconds. A map that is deleted
/// is empty at once to packets still in the rules that looked into it. A kernel that cannot wait (`nohz_full`) is not waited for.
fn wait_for_packets() {
    let _ = rustix::thread::membarrier(rustix::thread::MembarrierCommand::Global);
}
