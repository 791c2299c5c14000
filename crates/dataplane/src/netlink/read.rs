//! What is in the kernel. In: a table's name. Out: the table as a program, and whatever in it no program of ours contains.

use std::{collections::BTreeSet, io};

use nix::errno::Errno;

use super::{
    Error, Nftables, Wire, decode,
    encode::{element::key_bytes, hook_number, key_number},
    kernel::{acknowledged, errno, pause, transient},
    uapi,
    wire::{Attributes, Messages, Writer},
};
use crate::nft::{Chain, Element, Hook, HookPoint, KeyType, Map, Name, Set, Table, Value, Verdict};

/// How often reading begins again because the ruleset changed meanwhile.
const TRIES: u32 = 16;

/// A table read from the kernel.
#[derive(Clone, Debug)]
pub struct ReadBack {
    /// What of it a program can say.
    pub table: Table,
    /// Chains with rules that no program has.
    pub foreign_rules: BTreeSet<Name>,
    /// Whether it has more that no program has, and so can only be replaced as a whole.
    pub foreign: bool,
    /// The socket that owns it, if one does.
    pub owner: Option<u32>,
    /// Whether it stays when its owner is gone.
    pub persistent: bool,
    /// The ruleset's generation when it was read.
    pub generation: u32,
}

impl ReadBack {
    /// Whether it is exactly this program.
    #[must_use]
    pub fn is(&self, table: &Table) -> bool {
        !self.foreign && self.foreign_rules.is_empty() && self.table == *table
    }
}

/// One raw message: kind and what follows the netlink header.
type Raw = (u16, Vec<u8>);

impl<W: Wire> Nftables<W> {
    /// Reads a table of family `inet`; nothing if there is none.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Unquiet`], [`Error::Socket`].
    pub fn read(&mut self, name: &str) -> Result<Option<ReadBack>, Error> {
        for attempt in 0..TRIES {
            let generation = self.generation()?;
            match self.read_once(name, generation) {
                Ok(read) if self.generation()? == generation => return Ok(read),
                // Something went while it was read.
                Ok(_) | Err(Error::Read(Errno::ENOENT)) => {}
                Err(Error::Read(number)) if transient(number) => {}
                Err(error) => return Err(error),
            }
            pause(attempt.min(4));
        }
        Err(Error::Unquiet(TRIES))
    }

    /// The ruleset's generation: it changes with every transaction of anyone in this namespace.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Socket`].
    pub fn generation(&mut self) -> Result<u32, Error> {
        for attempt in 0..TRIES {
            let answers = match self.ask(uapi::NFT_MSG_GETGEN, false, |_| {}) {
                Err(Error::Read(number)) if transient(number) => {
                    pause(attempt.min(4));
                    continue;
                }
                answers => answers?,
            };
            if let Some((_, body)) = answers.first() {
                return attributes(body).number(uapi::NFTA_GEN_ID).ok_or(Error::Read(Errno::EBADMSG));
            }
        }
        Err(Error::Read(Errno::EAGAIN))
    }

    fn read_once(&mut self, name: &str, generation: u32) -> Result<Option<ReadBack>, Error> {
        let found = match self.ask(uapi::NFT_MSG_GETTABLE, false, |w| w.text(uapi::NFTA_TABLE_NAME, name)) {
            Err(Error::Read(Errno::ENOENT)) => return Ok(None),
            found => found?,
        };
        let Some((_, body)) = found.first() else { return Err(Error::Read(Errno::EAGAIN)) };
        let flags = attributes(body).number(uapi::NFTA_TABLE_FLAGS).unwrap_or(0);
        let mut read = ReadBack {
            table: Table::new(name),
            foreign_rules: BTreeSet::new(),
            foreign: flags & uapi::NFT_TABLE_F_DORMANT != 0,
            owner: attributes(body)
                .number(uapi::NFTA_TABLE_OWNER)
                .filter(|_| flags & uapi::NFT_TABLE_F_OWNER != 0),
            persistent: flags & uapi::NFT_TABLE_F_PERSIST != 0,
            generation,
        };
        for (_, body) in self.ask(uapi::NFT_MSG_GETSET, true, |w| w.text(uapi::NFTA_SET_TABLE, name))? {
            self.read_set(&mut read, attributes(&body))?;
        }
        for (_, body) in self.ask(uapi::NFT_MSG_GETCHAIN, true, |w| w.text(uapi::NFTA_CHAIN_TABLE, name))? {
            read.chain(attributes(&body));
        }
        for (_, body) in self.ask(uapi::NFT_MSG_GETRULE, true, |w| w.text(uapi::NFTA_RULE_TABLE, name))? {
            read.rule(attributes(&body));
        }
        for kind in [uapi::NFT_MSG_GETOBJ, uapi::NFT_MSG_GETFLOWTABLE] {
            let others = self.ask(kind, true, |w| w.text(uapi::NFTA_TABLE_NAME, name))?;
            read.foreign |=
                others.iter().any(|(_, body)| attributes(body).text(uapi::NFTA_TABLE_NAME) == Some(name));
        }
        Ok(Some(read))
    }

    fn read_set(&mut self, read: &mut ReadBack, attributes: Attributes<'_>) -> Result<(), Error> {
        if attributes.text(uapi::NFTA_SET_TABLE) != Some(&read.table.name) {
            return Ok(());
        }
        let name = attributes.text(uapi::NFTA_SET_NAME).unwrap_or("").to_owned();
        let number = |kind| attributes.number(kind).unwrap_or(0);
        let flags = number(uapi::NFTA_SET_FLAGS);
        let (interval, map) = (flags & uapi::NFT_SET_INTERVAL != 0, flags & uapi::NFT_SET_MAP != 0);
        let known = decode::key_types(number(uapi::NFTA_SET_KEY_TYPE)).filter(|key| {
            let mut expected = if map { uapi::NFT_SET_MAP } else { 0 };
            if interval {
                expected |= uapi::NFT_SET_INTERVAL | if key.len() > 1 { uapi::NFT_SET_CONCAT } else { 0 };
            }
            key_number(key) == number(uapi::NFTA_SET_KEY_TYPE)
                && usize::try_from(number(uapi::NFTA_SET_KEY_LEN)) == Ok(key_bytes(key))
                && flags == expected
                && (!map || number(uapi::NFTA_SET_DATA_TYPE) == uapi::NFT_DATA_VERDICT)
        });
        let Some(key) = known else {
            read.foreign = true;
            return Ok(());
        };
        let description = attributes.nested(uapi::NFTA_SET_DESC);
        let size = description.and_then(|of| of.number(uapi::NFTA_SET_DESC_SIZE)).filter(|size| *size > 0);
        let table = read.table.name.clone();
        let messages = self.ask(uapi::NFT_MSG_GETSETELEM, true, |w| {
            w.text(uapi::NFTA_SET_ELEM_LIST_TABLE, &table);
            w.text(uapi::NFTA_SET_ELEM_LIST_SET, &name);
        })?;
        let mut entries = Vec::new();
        for (_, body) in &messages {
            let Some(list) = self::attributes(body).nested(uapi::NFTA_SET_ELEM_LIST_ELEMENTS) else {
                continue;
            };
            entries.extend(list.map(|(_, value)| Attributes(value)));
        }
        let elements =
            if interval && key.len() == 1 { ranges(&key, &entries) } else { boxes(&key, interval, &entries) };
        let Some(elements) =
            elements.filter(|elements| elements.iter().all(|(_, verdict)| verdict.is_some() == map))
        else {
            read.foreign = true;
            return Ok(());
        };
        if map {
            let elements =
                elements.into_iter().filter_map(|(element, verdict)| Some((element, verdict?))).collect();
            read.table.maps.insert(name.into(), Map { key, interval, size, elements });
        } else {
            let elements = elements.into_iter().map(|(element, _)| element).collect();
            read.table.sets.insert(name.into(), Set { key, interval, size, elements });
        }
        Ok(())
    }

    /// Asks for one object or, in a dump, for all; the answers without the final word.
    fn ask(&mut self, kind: u16, dump: bool, body: impl FnOnce(&mut Writer)) -> Result<Vec<Raw>, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut w = Writer::default();
        let flags = if dump { uapi::NLM_F_DUMP } else { 0 };
        let family = if kind == uapi::NFT_MSG_GETGEN { 0 } else { uapi::NFPROTO_INET };
        w.message(kind, flags, family, body);
        w.put(8, &sequence.to_ne_bytes());
        self.wire.send(w.bytes()).map_err(failed)?;
        let mut answers = Vec::new();
        let mut broken = None;
        loop {
            match self.wire.receive(&mut self.buffer) {
                Ok(()) => {}
                // Something was lost: what came is not all, but the rest must be taken out of the way.
                Err(error) if errno(&error) == Some(Errno::ENOBUFS) => {
                    broken = Some(Errno::ENOBUFS);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Error::Read(broken.unwrap_or(Errno::EAGAIN)));
                }
                Err(error) => return Err(failed(error)),
            }
            for message in Messages(&self.buffer) {
                if message.sequence != sequence {
                    continue;
                }
                if message.flags & uapi::NLM_F_DUMP_INTR != 0 && dump {
                    broken = Some(Errno::EINTR);
                }
                match message.kind {
                    uapi::NLMSG_ERROR => {
                        return match acknowledged(&message).0 {
                            Some(errno) => Err(Error::Read(errno)),
                            None => Ok(answers),
                        };
                    }
                    uapi::NLMSG_DONE => return broken.map_or(Ok(answers), |errno| Err(Error::Read(errno))),
                    _ => answers.push((message.kind, message.body.to_vec())),
                }
            }
            if !dump && !answers.is_empty() {
                return Ok(answers);
            }
        }
    }
}

impl ReadBack {
    fn chain(&mut self, attributes: Attributes<'_>) {
        if attributes.text(uapi::NFTA_CHAIN_TABLE) != Some(&self.table.name) {
            return;
        }
        let Some(name) = attributes.text(uapi::NFTA_CHAIN_NAME) else { return };
        let hook = match attributes.nested(uapi::NFTA_CHAIN_HOOK) {
            None => None,
            Some(at) => {
                let hook = hook(attributes, at);
                self.foreign |= hook.is_none();
                hook
            }
        };
        self.table.chains.insert(name.into(), Chain { hook, rules: Vec::new() });
    }

    fn rule(&mut self, attributes: Attributes<'_>) {
        if attributes.text(uapi::NFTA_RULE_TABLE) != Some(&self.table.name) {
            return;
        }
        let Some(name) = attributes.text(uapi::NFTA_RULE_CHAIN) else { return };
        match (decode::rule(attributes), self.table.chains.get_mut(name)) {
            (Some(rule), Some(chain)) => chain.rules.push(rule),
            (None, _) => {
                self.foreign_rules.insert(name.into());
            }
            (_, None) => self.foreign = true,
        }
    }
}

fn hook(chain: Attributes<'_>, at: Attributes<'_>) -> Option<Hook> {
    const POINTS: [HookPoint; 5] = [
        HookPoint::Prerouting,
        HookPoint::Input,
        HookPoint::Forward,
        HookPoint::Output,
        HookPoint::Postrouting,
    ];
    let number = at.number(uapi::NFTA_HOOK_HOOKNUM)?;
    let nat = match chain.text(uapi::NFTA_CHAIN_TYPE)? {
        "nat" => true,
        "filter" => false,
        _ => return None,
    };
    // Our base chains let pass what no rule stops.
    (chain.number(uapi::NFTA_CHAIN_POLICY)?.cast_signed() == uapi::NF_ACCEPT).then_some(())?;
    Some(Hook {
        point: POINTS.into_iter().find(|point| hook_number(*point) == number)?,
        nat,
        priority: at.number(uapi::NFTA_HOOK_PRIORITY)?.cast_signed(),
    })
}

type Entries = Vec<(Element, Option<Verdict>)>;

fn boxes(key: &[KeyType], interval: bool, entries: &[Attributes<'_>]) -> Option<Entries> {
    let mut elements = Vec::new();
    for entry in entries {
        let first = value(*entry, uapi::NFTA_SET_ELEM_KEY)?;
        let last = if interval { value(*entry, uapi::NFTA_SET_ELEM_KEY_END).unwrap_or(first) } else { first };
        let mut at = 0;
        let mut element = Vec::new();
        for field in key {
            let part = |bytes: &[u8]| bytes.get(at..at + field.bytes()).map(decode::number);
            element.push(Value::from_bounds(*field, part(first)?, part(last)?)?);
            at += field.bytes().next_multiple_of(4);
        }
        elements.push((element, data(*entry)?));
    }
    Some(elements)
}

/// Starts and ends, in any order, as ranges.
fn ranges(key: &[KeyType], entries: &[Attributes<'_>]) -> Option<Entries> {
    let field = *key.first()?;
    let mut points = Vec::new();
    for entry in entries {
        let start =
            entry.number(uapi::NFTA_SET_ELEM_FLAGS).unwrap_or(0) & uapi::NFT_SET_ELEM_INTERVAL_END == 0;
        points.push((decode::number(value(*entry, uapi::NFTA_SET_ELEM_KEY)?), start, data(*entry)?));
    }
    // Where one range ends and the next begins, the end comes first.
    points.sort_by_key(|(at, start, _)| (*at, *start));
    let mut elements = Vec::new();
    let mut open: Option<(u128, Option<Verdict>)> = None;
    for (at, start, verdict) in points {
        match (open.take(), start) {
            (Some((first, to)), false) => {
                elements.push((vec![Value::from_bounds(field, first, at.checked_sub(1)?)?], to));
            }
            (None, true) => open = Some((at, verdict)),
            // `nft` marks what is below the first range with an end at 0.
            (None, false) if at == 0 => {}
            _ => return None,
        }
    }
    if let Some((first, to)) = open {
        let max = u128::MAX >> (128 - 8 * field.bytes());
        elements.push((vec![Value::from_bounds(field, first, max)?], to));
    }
    Some(elements)
}

fn value<'a>(entry: Attributes<'a>, kind: u16) -> Option<&'a [u8]> {
    entry.nested(kind)?.get(uapi::NFTA_DATA_VALUE)
}

/// The verdict of an element; nothing at all if it has data of another kind.
fn data(entry: Attributes<'_>) -> Option<Option<Verdict>> {
    match entry.nested(uapi::NFTA_SET_ELEM_DATA) {
        Some(data) => decode::verdict(data).map(Some),
        None => Some(None),
    }
}

/// The attributes after the netfilter header.
fn attributes(body: &[u8]) -> Attributes<'_> {
    Attributes(body.get(4..).unwrap_or(&[]))
}

fn failed(error: io::Error) -> Error {
    match errno(&error) {
        Some(number) if transient(number) => Error::Read(number),
        _ => Error::Socket(error),
    }
}
