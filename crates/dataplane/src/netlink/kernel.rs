//! Transactions. In: changes. Out: all of them in effect, or none and the reason.

use std::{io, ops::Range, thread, time::Duration};

use nix::errno::Errno;

use super::{
    Error, Refusal, Socket, Wire,
    encode::Encoded,
    uapi,
    wire::{Attributes, Message, Messages, Writer, u32_ne},
};
use crate::{
    nft::Table,
    reconcile::{Change, Transaction},
    text,
};

/// How often a transaction is tried that the kernel could not take for now; waits double from 1 ms.
const TRIES: u32 = 8;
/// How often of these for what is in use.
const BUSY: u32 = 2;
/// Bytes of the messages that begin and end a transaction.
const FRAME: usize = 64;

/// nf_tables of one network namespace.
#[derive(Debug)]
pub struct Nftables<W = Socket> {
    pub(super) wire: W,
    pub(super) sequence: u32,
    pub(super) buffer: Vec<u8>,
}

/// What the kernel answered to one message.
#[derive(Clone, Debug)]
struct Answer {
    sequence: u32,
    errno: Option<Errno>,
    detail: Option<String>,
}

impl Nftables {
    /// Opens nf_tables in the current network namespace. The handle stays there whatever the thread does later.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn open() -> Result<Self, Error> {
        Socket::open().map(Self::over).map_err(Error::Open)
    }
}

impl<W: Wire> Nftables<W> {
    /// Speaks over a given wire.
    pub fn over(wire: W) -> Self {
        Self { wire, sequence: 0, buffer: Vec::new() }
    }

    /// Puts a table in the place of whatever has its name, in one transaction.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn load(&mut self, table: &Table) -> Result<(), Error> {
        self.apply(&Transaction::replace(table))
    }

    /// Applies a transaction, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::TooBig`], [`Error::Busy`]: nothing changed. [`Error::Uncertain`]: not known.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<(), Error> {
        self.commit(transaction, 0, None)
    }

    /// Applies a transaction if the ruleset is still of a generation, with flags for a table that it creates.
    pub(crate) fn commit(
        &mut self,
        transaction: &Transaction,
        flags: u32,
        generation: Option<u32>,
    ) -> Result<(), Error> {
        self.commit_encoded(transaction, &Encoded::new(transaction, flags), generation)
    }

    /// As [`Self::commit`], with the transaction's messages made before.
    pub(crate) fn commit_encoded(
        &mut self,
        transaction: &Transaction,
        encoded: &Encoded,
        generation: Option<u32>,
    ) -> Result<(), Error> {
        self.commit_part(transaction, encoded, 0..encoded.messages.len(), generation)
    }

    /// Whether messages go through the socket in one piece.
    ///
    /// # Errors
    /// [`Error::TooBig`]
    pub(crate) fn fits(&mut self, encoded: &Encoded) -> Result<(), Error> {
        let bytes = encoded.len() + FRAME;
        let room = self.wire.room(bytes);
        if bytes > room { Err(Error::TooBig { bytes, room }) } else { Ok(()) }
    }

    /// Applies a transaction in as many pieces as it takes, in order: for changes that nothing depends on yet, or any more.
    pub(crate) fn commit_in_parts(&mut self, transaction: &Transaction, flags: u32) -> Result<(), Error> {
        let encoded = Encoded::new(transaction, flags);
        let room = self.wire.room(encoded.len() + FRAME);
        let (mut start, mut bytes) = (0, FRAME);
        for (index, (range, _)) in encoded.messages.iter().enumerate() {
            if bytes + range.len() > room && index > start {
                self.commit_part(transaction, &encoded, start..index, None)?;
                (start, bytes) = (index, FRAME);
            }
            bytes += range.len();
        }
        self.commit_part(transaction, &encoded, start..encoded.messages.len(), None)
    }

    fn commit_part(
        &mut self,
        transaction: &Transaction,
        encoded: &Encoded,
        messages: Range<usize>,
        generation: Option<u32>,
    ) -> Result<(), Error> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut last = Errno::EAGAIN;
        for attempt in 0..TRIES {
            let (datagram, first) = self.frame(encoded, messages.clone(), generation);
            let room = self.wire.room(datagram.len());
            if datagram.len() > room {
                return Err(Error::TooBig { bytes: datagram.len(), room });
            }
            let answers = match self.exchange(datagram.bytes(), first, messages.len()) {
                Ok(answers) => answers,
                Err(error) => match errno(&error) {
                    Some(Errno::EMSGSIZE) => return Err(Error::TooBig { bytes: datagram.len(), room }),
                    Some(number) if transient(number) => {
                        last = number;
                        pause(attempt);
                        continue;
                    }
                    _ => return Err(Error::Socket(error)),
                },
            };
            // The kernel refuses the whole, so what it refuses first is the cause of what follows.
            let Some(failed) = answers.iter().find(|answer| answer.errno.is_some()) else {
                let whole = answers.iter().any(|answer| answer.sequence == self.sequence.wrapping_sub(1));
                return if whole { Ok(()) } else { Err(Error::Uncertain) };
            };
            let number = failed.errno.unwrap_or(Errno::EIO);
            if number == Errno::ERESTART && generation.is_some() {
                return Err(Error::Unquiet(1));
            }
            // What is in use stays in use unless someone else is at work.
            if !transient(number) || (number == Errno::EBUSY && attempt >= BUSY) {
                let index = failed
                    .sequence
                    .wrapping_sub(first)
                    .checked_sub(1)
                    .and_then(|index| usize::try_from(index).ok());
                let message = index.and_then(|index| encoded.messages.get(messages.start + index));
                let change = message.and_then(|(_, change)| transaction.changes.get(*change));
                let what = change.map_or_else(
                    || format!("put the changes to table `{}` into effect", transaction.table),
                    describe,
                );
                return Err(Error::Refused(Refusal { what, errno: number, detail: failed.detail.clone() }));
            }
            last = number;
            pause(attempt);
        }
        Err(Error::Busy { tries: TRIES, errno: last })
    }

    /// The socket's address, under which the kernel knows the owner of a table.
    pub fn port(&self) -> u32 {
        self.wire.port()
    }

    /// One datagram, its messages numbered from what is returned; the last change asks for an answer.
    fn frame(&mut self, encoded: &Encoded, messages: Range<usize>, generation: Option<u32>) -> (Writer, u32) {
        let first = self.sequence.wrapping_add(1);
        let mut w = Writer::default();
        let mut sequence = first;
        let mut number = |w: &mut Writer, start: usize, last: bool| {
            w.put(start + 8, &sequence.to_ne_bytes());
            if last {
                let flags = w
                    .bytes()
                    .get(start + 6..start + 8)
                    .and_then(|bytes| bytes.first_chunk().copied())
                    .map_or(0, u16::from_ne_bytes);
                w.put(start + 6, &(flags | uapi::NLM_F_ACK).to_ne_bytes());
            }
            sequence = sequence.wrapping_add(1);
        };
        w.begin(generation);
        number(&mut w, 0, false);
        let messages = encoded.messages.get(messages).unwrap_or(&[]);
        for (index, (range, _)) in messages.iter().enumerate() {
            let start = w.len();
            w.append(encoded.bytes(range.clone()));
            number(&mut w, start, index + 1 == messages.len());
        }
        let start = w.len();
        w.end();
        number(&mut w, start, false);
        self.sequence = sequence.wrapping_sub(1);
        (w, first)
    }

    /// Sends a transaction and gathers what the kernel says to it.
    fn exchange(&mut self, datagram: &[u8], first: u32, messages: usize) -> io::Result<Vec<Answer>> {
        self.wire.send(datagram)?;
        let mut answers = Vec::new();
        loop {
            match self.wire.receive(&mut self.buffer) {
                Ok(()) => {
                    for message in Messages(&self.buffer) {
                        // Late answers to something earlier are nobody's.
                        let ours = usize::try_from(message.sequence.wrapping_sub(first))
                            .is_ok_and(|index| index <= messages + 1);
                        if ours && let Some(answer) = answer(&message) {
                            answers.push(answer);
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(answers),
                // Some answers did not fit; those that did still wait.
                Err(error) if matches!(errno(&error), Some(Errno::ENOBUFS | Errno::EINTR)) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The error number of an input or output error.
pub(super) fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}

/// Whether the same may work a moment later.
pub(super) fn transient(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS | Errno::ENOMEM | Errno::EBUSY | Errno::ERESTART
    )
}

/// Waits, longer every time.
pub(super) fn pause(attempt: u32) {
    thread::sleep(Duration::from_millis(1 << attempt));
}

/// What a message says, if it is an acknowledgement or an error.
fn answer(message: &Message<'_>) -> Option<Answer> {
    if message.kind != uapi::NLMSG_ERROR {
        return None;
    }
    let (errno, detail) = acknowledged(message);
    Some(Answer { sequence: message.sequence, errno, detail })
}

/// The error number of an acknowledgement and what the kernel adds to it.
pub(super) fn acknowledged(message: &Message<'_>) -> (Option<Errno>, Option<String>) {
    let code = u32_ne(message.body, 0).unwrap_or(0).cast_signed();
    let mut at = 20;
    if message.flags & uapi::NLM_F_CAPPED == 0 {
        let length = u32_ne(message.body, 4).and_then(|length| usize::try_from(length).ok()).unwrap_or(16);
        at = 4 + length.next_multiple_of(4);
    }
    let detail = (message.flags & uapi::NLM_F_ACK_TLVS != 0)
        .then(|| {
            Attributes(message.body.get(at..).unwrap_or(&[])).text(uapi::NLMSGERR_ATTR_MSG).map(str::to_owned)
        })
        .flatten();
    ((code != 0).then(|| Errno::from_raw(-code)), detail)
}

/// A change, after "the kernel refuses to".
fn describe(change: &Change) -> String {
    match change {
        Change::CreateTable => "create the table".into(),
        Change::DeleteTable => "delete the table".into(),
        Change::CreateSet(shape) => format!("create the set `{}`", shape.name),
        Change::DeleteSet(name) => format!("delete the set `{name}`"),
        Change::CreateChain(name, _) => format!("create the chain `{name}`"),
        Change::DeleteChain(name, _) => format!("delete the chain `{name}`"),
        Change::FlushChain(name) => format!("empty the chain `{name}`"),
        Change::AddRule(chain, rule) => format!("add the rule `{}` to the chain `{chain}`", text::rule(rule)),
        Change::AddElements(shape, members) => {
            format!("add {} elements to the set `{}`", members.len(), shape.name)
        }
        Change::DeleteElements(shape, members) => {
            format!("delete {} elements from the set `{}`", members.len(), shape.name)
        }
    }
}
