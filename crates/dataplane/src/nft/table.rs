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
    /// Elements of all sets and maps together: more take the kernel seconds and hundreds of megabytes.
    pub const ELEMENTS: usize = 1_000_000;
    /// Priority of connection tracking, before which addresses are not translated (`NF_IP_PRI_CONNTRACK`).
    pub const CONNTRACK: i32 = -200;
}
