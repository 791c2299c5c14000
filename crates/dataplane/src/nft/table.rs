//! A table. In: sets, maps and chains by name. Out: one value, the same for the same input.

use std::{collections::BTreeMap, sync::Arc};

use super::{Chain, Map, Set};

/// Name of a table, set, map or chain: at most [`Limits::NAME`] bytes of letters, digits and `_`.
pub type Name = Arc<str>;

/// A table of family `inet`: everything that one program consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name; a program touches no other table.
    pub name: Name,
    /// Sets by name. Sets, maps and chains are three separate spaces here, but nftables keeps sets and maps in one:
    /// no map may have a set's name.
    pub sets: BTreeMap<Name, Set>,
    /// Maps to verdicts by name.
    pub maps: BTreeMap<Name, Map>,
    /// Chains by name.
    pub chains: BTreeMap<Name, Chain>,
}

impl Table {
    /// A table with nothing in it.
    #[must_use]
    pub fn new(name: impl Into<Name>) -> Self {
        Self { name: name.into(), sets: BTreeMap::new(), maps: BTreeMap::new(), chains: BTreeMap::new() }
    }

    /// Gives every set and map without ranges a size with room for as many elements more.
    pub fn set_sizes(&mut self) {
        for (_, interval, length, size) in self.sized() {
            *size = (!interval).then(|| room_for(length));
        }
    }

    /// Keeps the sizes of another table as long as they do, so that a set whose elements come and go about a limit is not
    /// made anew every time: one that is too small grows, and one that is four times what it would be now shrinks.
    pub fn keep_sizes(&mut self, of: &Self) {
        let sets = of.sets.iter().filter_map(|(name, set)| Some((name, set.size?)));
        let maps = of.maps.iter().filter_map(|(name, map)| Some((name, map.size?)));
        let known: BTreeMap<&Name, u32> = sets.chain(maps).collect();
        for (name, _, length, size) in self.sized() {
            if let (Some(wanted), Some(before)) = (size.as_mut(), known.get(name))
                && usize::try_from(*before).is_ok_and(|before| length <= before)
                && before / 4 < *wanted
            {
                *wanted = *before;
            }
        }
    }

    /// Gives every set and map that has more elements than it may have a larger size.
    pub(crate) fn grow_sizes(&mut self) {
        for (_, _, length, size) in self.sized() {
            if let Some(size) = size
                && !usize::try_from(*size).is_ok_and(|size| length <= size)
            {
                *size = room_for(length);
            }
        }
    }

    /// Name, ranges, number of elements and size of every set and map.
    fn sized(&mut self) -> impl Iterator<Item = (&Name, bool, usize, &mut Option<u32>)> {
        let sets = self.sets.iter_mut();
        let sets = sets.map(|(name, set)| (name, set.interval, set.elements.len(), &mut set.size));
        let maps = self.maps.iter_mut();
        sets.chain(maps.map(|(name, map)| (name, map.interval, map.elements.len(), &mut map.size)))
    }
}

/// The size of a set of so many elements: a power of two at least twice that, so that it changes seldom.
fn room_for(length: usize) -> u32 {
    let twice = u32::try_from(length).unwrap_or(u32::MAX).saturating_mul(2);
    twice.max(Limits::SMALLEST_SIZE).checked_next_power_of_two().unwrap_or(u32::MAX)
}

/// What the kernel (or the oldest `nft` that must print a program) bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits;

impl Limits {
    /// Bytes in a name, without the final zero (`NFT_NAME_MAXLEN`).
    pub const NAME: usize = 255;
    /// Bytes in a log prefix (`NF_LOG_PREFIXLEN` less the final zero).
    pub const LOG_PREFIX: usize = 127;
    /// Bytes in a comment (`NFTNL_UDATA_COMMENT_MAXLEN`).
    pub const COMMENT: usize = 128;
    /// Chains within one another by jump or goto (`NFT_JUMP_STACK_SIZE`).
    pub const DEPTH: usize = 16;
    /// Bytes in a key, each field filled up to four (`NFT_DATA_VALUE_MAXLEN`).
    pub const KEY: usize = 64;
    /// Expressions in a rule (`NFT_RULE_MAXEXPRS`).
    pub const EXPRESSIONS: usize = 128;
    /// Elements that a set with a size has room for, at the least.
    pub const SMALLEST_SIZE: u32 = 64;
    /// Elements of all sets and maps together: more take the kernel seconds and hundreds of megabytes.
    pub const ELEMENTS: usize = 1_000_000;
    /// Priority of connection tracking, before which addresses are not translated (`NF_IP_PRI_CONNTRACK`).
    pub const CONNTRACK: i32 = -200;
}
