//! Changes as nf_tables messages. In: a change. Out: the messages that make it, each small enough for one attribute.

pub(crate) mod element;
pub(crate) mod rule;

use std::ops::Range;

use super::{uapi, wire::Writer};
use crate::{
    nft::{Hook, HookPoint, KeyType},
    reconcile::{Change, Member, SetShape, Transaction},
};

/// Elements in one message; the kernel takes any number, but an attribute ends at 64 KiB.
const CHUNK: usize = 900;
/// Bytes of elements in one message.
const CHUNK_BYTES: usize = 48 * 1024;

/// Encoded changes, not yet framed as a transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoded {
    writer: Writer,
    /// Where each message is, and which change it is of.
    pub(crate) messages: Vec<(Range<usize>, usize)>,
}

impl Encoded {
    /// The messages of a transaction. `flags` are the table's, if it is created.
    pub(crate) fn new(transaction: &Transaction, flags: u32) -> Self {
        let mut encoded = Self::default();
        // The kernel wants a number for every new set; any will do as nothing refers to it.
        let mut sets = 0;
        for (index, change) in transaction.changes.iter().enumerate() {
            encoded.change(&transaction.table, change, index, flags, &mut sets);
        }
        encoded
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.writer.len()
    }

    /// The bytes of one message.
    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.writer.bytes().get(range).unwrap_or(&[])
    }

    fn message(&mut self, index: usize, kind: u16, flags: u16, body: impl FnOnce(&mut Writer)) {
        let start = self.writer.len();
        self.writer.message(kind, flags, uapi::NFPROTO_INET, body);
        self.messages.push((start..self.writer.len(), index));
    }

    fn change(&mut self, table: &str, change: &Change, index: usize, flags: u32, sets: &mut u32) {
        const NEW: u16 = uapi::NLM_F_CREATE | uapi::NLM_F_EXCL;
        match change {
            Change::CreateTable => self.message(index, uapi::NFT_MSG_NEWTABLE, uapi::NLM_F_CREATE, |w| {
                w.text(uapi::NFTA_TABLE_NAME, table);
                w.number(uapi::NFTA_TABLE_FLAGS, flags);
            }),
            Change::DeleteTable => {
                self.message(index, uapi::NFT_MSG_DELTABLE, 0, |w| w.text(uapi::NFTA_TABLE_NAME, table));
            }
            Change::CreateSet(shape) => {
                *sets += 1;
                self.message(index, uapi::NFT_MSG_NEWSET, NEW, |w| set(w, table, shape, *sets));
            }
            Change::DeleteSet(name) => self.message(index, uapi::NFT_MSG_DELSET, 0, |w| {
                w.text(uapi::NFTA_SET_TABLE, table);
                w.text(uapi::NFTA_SET_NAME, name);
            }),
            Change::CreateChain(name, hook) => self.message(index, uapi::NFT_MSG_NEWCHAIN, NEW, |w| {
                w.text(uapi::NFTA_CHAIN_TABLE, table);
                w.text(uapi::NFTA_CHAIN_NAME, name);
                if let Some(hook) = hook {
                    base(w, *hook);
                }
            }),
            Change::DeleteChain(name, _) => self.message(index, uapi::NFT_MSG_DELCHAIN, 0, |w| {
                w.text(uapi::NFTA_CHAIN_TABLE, table);
                w.text(uapi::NFTA_CHAIN_NAME, name);
            }),
            Change::FlushChain(name) => self.message(index, uapi::NFT_MSG_DELRULE, 0, |w| {
                w.text(uapi::NFTA_RULE_TABLE, table);
                w.text(uapi::NFTA_RULE_CHAIN, name);
            }),
            Change::AddRule(chain, rule) => {
                self.message(index, uapi::NFT_MSG_NEWRULE, uapi::NLM_F_CREATE | uapi::NLM_F_APPEND, |w| {
                    w.text(uapi::NFTA_RULE_TABLE, table);
                    w.text(uapi::NFTA_RULE_CHAIN, chain);
                    rule::encode(w, rule);
                });
            }
            Change::AddElements(shape, members) => {
                self.elements(table, shape, members, index, uapi::NFT_MSG_NEWSETELEM, uapi::NLM_F_CREATE);
            }
            Change::DeleteElements(shape, members) => {
                self.elements(table, shape, members, index, uapi::NFT_MSG_DELSETELEM, 0);
            }
        }
    }

    fn elements(
        &mut self,
        table: &str,
        shape: &SetShape,
        members: &[Member],
        index: usize,
        kind: u16,
        flags: u16,
    ) {
        let mut rest = members;
        while !rest.is_empty() {
            let mut taken = 0;
            self.message(index, kind, flags, |w| {
                w.text(uapi::NFTA_SET_ELEM_LIST_TABLE, table);
                w.text(uapi::NFTA_SET_ELEM_LIST_SET, &shape.name);
                w.nested(uapi::NFTA_SET_ELEM_LIST_ELEMENTS, |w| {
                    let start = w.len();
                    for member in rest.iter().take(CHUNK) {
                        element::encode(w, shape, member, kind == uapi::NFT_MSG_NEWSETELEM);
                        taken += 1;
                        if w.len() - start > CHUNK_BYTES {
                            break;
                        }
                    }
                });
            });
            rest = rest.get(taken..).unwrap_or(&[]);
        }
    }
}

fn set(w: &mut Writer, table: &str, shape: &SetShape, id: u32) {
    let concatenated = shape.key.len() > 1;
    let mut flags = 0;
    if shape.interval {
        flags |= uapi::NFT_SET_INTERVAL;
        if concatenated {
            flags |= uapi::NFT_SET_CONCAT;
        }
    }
    if shape.map {
        flags |= uapi::NFT_SET_MAP;
    }
    w.text(uapi::NFTA_SET_TABLE, table);
    w.text(uapi::NFTA_SET_NAME, &shape.name);
    w.number(uapi::NFTA_SET_FLAGS, flags);
    w.number(uapi::NFTA_SET_KEY_TYPE, key_number(&shape.key));
    w.number(uapi::NFTA_SET_KEY_LEN, u32::try_from(element::key_bytes(&shape.key)).unwrap_or(0));
    if shape.map {
        w.number(uapi::NFTA_SET_DATA_TYPE, uapi::NFT_DATA_VERDICT);
        w.number(uapi::NFTA_SET_DATA_LEN, 0);
    }
    w.number(uapi::NFTA_SET_ID, id);
    let fields = shape.interval && concatenated;
    if shape.size.is_some() || fields {
        w.nested(uapi::NFTA_SET_DESC, |w| {
            if let Some(size) = shape.size {
                w.number(uapi::NFTA_SET_DESC_SIZE, size);
            }
            if !fields {
                return;
            }
            w.nested(uapi::NFTA_SET_DESC_CONCAT, |w| {
                for key in &shape.key {
                    w.nested(uapi::NFTA_LIST_ELEM, |w| {
                        w.number(uapi::NFTA_SET_FIELD_LEN, u32::try_from(key.bytes()).unwrap_or(0));
                    });
                }
            });
        });
    }
    if !concatenated {
        // For people's `nft`: the key is in the network's byte order.
        let order: [u8; 4] = 2u32.to_ne_bytes();
        let mut user = vec![uapi::NFTNL_UDATA_SET_KEYBYTEORDER, 4];
        user.extend_from_slice(&order);
        w.attribute(uapi::NFTA_SET_USERDATA, &user);
    }
}

fn base(w: &mut Writer, hook: Hook) {
    w.nested(uapi::NFTA_CHAIN_HOOK, |w| {
        w.number(uapi::NFTA_HOOK_HOOKNUM, hook_number(hook.point));
        w.attribute(uapi::NFTA_HOOK_PRIORITY, &hook.priority.to_be_bytes());
    });
    w.attribute(uapi::NFTA_CHAIN_POLICY, &uapi::NF_ACCEPT.to_be_bytes());
    w.text(uapi::NFTA_CHAIN_TYPE, if hook.nat { "nat" } else { "filter" });
}

/// `NF_INET_PRE_ROUTING` and so on.
pub(crate) fn hook_number(point: HookPoint) -> u32 {
    match point {
        HookPoint::Prerouting => 0,
        HookPoint::Input => 1,
        HookPoint::Forward => 2,
        HookPoint::Output => 3,
        HookPoint::Postrouting => 4,
    }
}

/// The number under which `nft` knows a key's type: six bits a field.
pub(crate) fn key_number(key: &[KeyType]) -> u32 {
    key.iter().fold(0, |number, key| (number << 6) | type_number(*key))
}

/// The number under which `nft` knows a type.
pub(crate) fn type_number(key: KeyType) -> u32 {
    match key {
        KeyType::Ipv4 => 7,
        KeyType::Ipv6 => 8,
        KeyType::Protocol => 12,
        KeyType::Port => 13,
        KeyType::Icmp => 14,
        KeyType::Icmpv6 => 29,
    }
}
