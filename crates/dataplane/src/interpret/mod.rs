//! Runs a program on packets without a kernel. In: a table, a packet on a hook. Out: what nftables would do with it, and
//! which rules did it.
//!
//! This is the data plane's program as a third judge: it knows nothing of policies, only what statements mean.

mod index;
mod packet;
mod prepare;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use self::{
    index::{Index, Key},
    prepare::{Base, Go, Prepared, Step},
};
use crate::nft::{Field, HookPoint, LogTo, Name, Reject};
use ringfence_model::address::Family;

pub use packet::{ICMP, ICMPV6, Packet, SCTP, TCP, Tracked, UDP, state};

/// Rules that one packet may look at. No program that a node can use comes near to it; one that jumps from every one of many
/// rules through many chains does.
pub const BUDGET: u32 = 1 << 20;

/// A table made ready to run, by [`Machine::new`].
pub struct Machine {
    sets: Vec<Index<()>>,
    maps: Vec<Index<Go>>,
    chains: Vec<Prepared>,
    /// In the order in which the kernel runs them.
    bases: Vec<Base>,
}

/// Why a table cannot run: the kernel would refuse it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A rule or an element names what is not there, or enters a base chain.
    #[error("nothing in the table that can be used here is called `{0}`")]
    Missing(Name),
    /// A set and a map have one name.
    #[error("`{0}` is both a set and a map")]
    Twice(Name),
    /// A key with no or too many fields.
    #[error("the key of `{0}` has no field, or more than the kernel has registers for")]
    Key(Name),
    /// An element that is not of its set's type.
    #[error("an element of `{0}` does not fit its key")]
    Element(Name),
    /// Two elements that share a value.
    #[error("elements of `{0}` overlap")]
    Overlap(Name),
    /// A rule looks up other fields than the set's key has.
    #[error("a rule of `{0}` looks up fields that are not the key of `{1}`")]
    Fields(Name, Name),
    /// A rule compares a field with a value of another type.
    #[error("a rule of `{0}` compares a field with a value of another type")]
    Value(Name),
    /// A log prefix that is too long.
    #[error("a log prefix in `{0}` is too long")]
    Prefix(Name),
    /// A chain that reaches itself.
    #[error("the chain `{0}` reaches itself, or a chain that does")]
    Loop(Name),
    /// Too many chains within one another.
    #[error("below the chain `{0}` chains lie too deep within one another")]
    Deep(Name),
}

/// A packet that looked at more than [`BUDGET`] rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the packet looked at more than {BUDGET} rules")]
pub struct Exhausted;

/// What statements depend on besides the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance {
    /// Whether packets come so slowly that limits hold.
    pub within_rate: bool,
    /// How random numbers fall.
    pub random: Draw,
}

impl Default for Chance {
    fn default() -> Self {
        Self { within_rate: true, random: Draw::Seed(0) }
    }
}

/// How random numbers fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Every draw is the one that holds.
    Hit,
    /// No draw is the one that holds, except one in one.
    Miss,
    /// Evenly, from this seed.
    Seed(u64),
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Every base chain of the hook let it pass.
    Accept,
    /// It was dropped.
    Drop,
    /// It was dropped, and the sender was told.
    Reject(Reject),
}

/// A rule: its chain and its position, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<'a> {
    /// The chain.
    pub chain: &'a str,
    /// The position.
    pub rule: usize,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran<'a> {
    /// What became of the packet.
    pub fate: Fate,
    /// The connection's mark afterwards; nothing without a connection.
    pub mark: Option<u32>,
    /// The logs written, in order.
    pub logs: Vec<&'a LogTo>,
    /// The rules whose counters counted it, in order.
    pub counters: Vec<Place<'a>>,
    /// The new destination, if it has one.
    pub dnat: Option<(IpAddr, u16)>,
    /// Whether the source becomes the outgoing interface's address.
    pub masquerade: bool,
    /// Every rule that gave a verdict, in order: jumps and gotos too. The last is what decided, unless a base chain ended
    /// without a verdict.
    pub trace: Vec<Place<'a>>,
}

/// How a rule went on.
enum Next {
    /// Its end, or a statement that did not hold.
    Rule,
    Go(Go),
    Reject(Reject),
}

impl Machine {
    /// Runs a packet through all base chains of a hook.
    ///
    /// # Errors
    /// The program is so entangled that the packet would look at more than [`BUDGET`] rules.
    pub fn run(&self, point: HookPoint, packet: &Packet, chance: Chance) -> Result<Ran<'_>, Exhausted> {
        let mut run = Run {
            machine: self,
            packet: *packet,
            chance,
            left: BUDGET,
            translated: false,
            ran: Ran {
                fate: Fate::Accept,
                mark: None,
                logs: Vec::new(),
                counters: Vec::new(),
                dnat: None,
                masquerade: false,
                trace: Vec::new(),
            },
        };
        let from = self.bases.partition_point(|base| base.point < point);
        for base in self.bases.iter().skip(from).take_while(|base| base.point == point) {
            if base.nat && (run.translated || !run.is_new()) {
                continue;
            }
            run.ran.fate = run.base(base.chain)?;
            if run.ran.fate != Fate::Accept {
                break;
            }
        }
        run.ran.mark = match run.packet.tracked {
            Tracked::Connection { mark, .. } => Some(mark),
            Tracked::Invalid | Tracked::Untracked => None,
        };
        Ok(run.ran)
    }
}

/// A packet on its way.
struct Run<'a> {
    machine: &'a Machine,
    packet: Packet,
    chance: Chance,
    left: u32,
    /// Whether a chain of type `nat` decided: later ones on the hook do not run.
    translated: bool,
    ran: Ran<'a>,
}

impl<'a> Run<'a> {
    /// Chains of type `nat` see the first packet of a connection only.
    fn is_new(&self) -> bool {
        matches!(self.packet.tracked, Tracked::Connection { state, .. } if state & state::NEW != 0)
    }

    /// Runs one base chain.
    fn base(&mut self, chain: usize) -> Result<Fate, Exhausted> {
        let mut stack: Vec<(usize, usize)> = Vec::new();
        let (mut chain, mut rule) = (chain, 0);
        loop {
            let machine: &'a Machine = self.machine;
            let current = machine.chains.get(chain);
            let next = match current.and_then(|current| Some((current, current.rules.get(rule)?))) {
                Some((current, steps)) => {
                    self.left = self.left.checked_sub(1).ok_or(Exhausted)?;
                    let place = Place { chain: &current.name, rule };
                    let next = self.rule(place, steps);
                    if !matches!(next, Next::Rule) {
                        self.ran.trace.push(place);
                    }
                    next
                }
                // The end of a chain is a return.
                None => Next::Go(Go::Return),
            };
            match next {
                Next::Rule => rule += 1,
                Next::Reject(reject) => return Ok(Fate::Reject(reject)),
                Next::Go(Go::Accept) => return Ok(Fate::Accept),
                Next::Go(Go::Drop) => return Ok(Fate::Drop),
                Next::Go(Go::Jump(to)) => {
                    stack.push((chain, rule + 1));
                    (chain, rule) = (to, 0);
                }
                Next::Go(Go::Goto(to)) => (chain, rule) = (to, 0),
                Next::Go(Go::Return) => match stack.pop() {
                    Some(back) => (chain, rule) = back,
                    None => return Ok(Fate::Accept),
                },
            }
        }
    }

    /// Runs one rule.
    fn rule(&mut self, place: Place<'a>, steps: &'a [Step]) -> Next {
        for step in steps {
            let holds = match step {
                Step::Is { field, first, last, negated } => {
                    self.field(*field).is_some_and(|value| (*first <= value && value <= *last) != *negated)
                }
                Step::In { fields, set, negated } => self.key(fields).is_some_and(|key| {
                    self.machine.sets.get(*set).is_some_and(|set| set.get(&key).is_some() != *negated)
                }),
                Step::Map { fields, map } => {
                    let found =
                        self.key(fields).and_then(|key| self.machine.maps.get(*map)?.get(&key).copied());
                    match found {
                        Some(go) => return Next::Go(go),
                        None => false,
                    }
                }
                Step::Family(family) => Family::of(self.packet.destination) == *family,
                Step::Reply(wanted) => {
                    matches!(self.packet.tracked, Tracked::Connection { reply, .. } if reply == *wanted)
                }
                Step::State(bits) => self.state() & bits != 0,
                Step::Mark { mask, value, negated } => match self.packet.tracked {
                    Tracked::Connection { mark, .. } => (mark & mask == *value) != *negated,
                    Tracked::Invalid | Tracked::Untracked => false,
                },
                Step::SetMark { mask, value } => self.set_mark(*mask, *value),
                Step::Limit => self.chance.within_rate,
                Step::Random { one_in } => self.draw(*one_in),
                Step::Counter => {
                    self.ran.counters.push(place);
                    true
                }
                Step::Log(log) => {
                    self.ran.logs.push(log);
                    true
                }
                Step::Dnat(address, port) => {
                    // A translation of the other family goes on with the next statement.
                    if address.is_ipv4() == self.packet.destination.is_ipv4() {
                        self.translate(*address, *port);
                        return Next::Go(Go::Accept);
                    }
                    true
                }
                Step::Masquerade => {
                    self.translated = true;
                    self.ran.masquerade = true;
                    return Next::Go(Go::Accept);
                }
                Step::Reject(reject) => {
                    if *reject != Reject::TcpReset || self.packet.protocol == TCP {
                        return Next::Reject(*reject);
                    }
                    false
                }
                Step::Go(go) => return Next::Go(*go),
            };
            if !holds {
                break;
            }
        }
        Next::Rule
    }

    /// A field's value; nothing if the packet does not have it.
    fn field(&self, field: Field) -> Option<u128> {
        let address = |address: IpAddr, family: Family| match (address, family) {
            (IpAddr::V4(address), Family::V4) => Some(u32::from(address).into()),
            (IpAddr::V6(address), Family::V6) => Some(address.into()),
            _ => None,
        };
        match field {
            Field::Source(family) => address(self.packet.source, family),
            Field::Destination(family) => address(self.packet.destination, family),
            Field::Protocol => Some(self.packet.protocol.into()),
            Field::SourcePort => self.packet.source_port().map(u128::from),
            Field::DestinationPort => self.packet.destination_port().map(u128::from),
            Field::IcmpType => self.packet.icmp_type(ICMP).map(u128::from),
            Field::Icmpv6Type => self.packet.icmp_type(ICMPV6).map(u128::from),
        }
    }

    /// A key; nothing if the packet lacks one of the fields.
    fn key(&self, fields: &[Field]) -> Option<Key> {
        let mut key = Key::new();
        for field in fields {
            key.push(self.field(*field)?);
        }
        Some(key)
    }

    fn state(&self) -> u32 {
        match self.packet.tracked {
            Tracked::Connection { state, .. } => state,
            Tracked::Invalid => state::INVALID,
            Tracked::Untracked => state::UNTRACKED,
        }
    }

    /// Setting some bits reads the others first, which ends the rule of a packet without a connection.
    fn set_mark(&mut self, mask: u32, value: u32) -> bool {
        match &mut self.packet.tracked {
            Tracked::Connection { mark, .. } => {
                *mark = (*mark & !mask) | (value & mask);
                true
            }
            Tracked::Invalid | Tracked::Untracked => mask == u32::MAX,
        }
    }

    fn draw(&mut self, one_in: u32) -> bool {
        match &mut self.chance.random {
            Draw::Hit => one_in > 0,
            Draw::Miss => one_in == 1,
            Draw::Seed(seed) => {
                // SplitMix64: small, even, and the same everywhere.
                *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *seed;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^= z >> 31;
                z.checked_rem(u64::from(one_in)) == Some(0)
            }
        }
    }

    /// Later base chains on the hook see the new destination.
    fn translate(&mut self, address: IpAddr, port: u16) {
        self.translated = true;
        self.ran.dnat = Some((address, port));
        self.packet.destination = address;
        if matches!(self.packet.protocol, TCP | UDP | SCTP) {
            let [high, low] = port.to_be_bytes();
            self.packet.transport = self.packet.transport.map(|[a, b, ..]| [a, b, high, low]);
        }
    }
}
