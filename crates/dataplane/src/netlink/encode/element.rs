//! Elements of sets and maps. In: a member. Out: one element of the kernel, or the two that are the ends of a range.

use super::{super::uapi, Writer};
use crate::{
    nft::{KeyType, Value, Verdict},
    reconcile::{Member, SetShape},
};

/// Appends the element.
///
/// A single field with ranges is a tree of starts and of ends (the first value after the range); a range up to the
/// highest value has no end. A concatenation has both bounds in one element.
pub(crate) fn encode(w: &mut Writer, shape: &SetShape, member: &Member, adding: bool) {
    let [first, last] = [bounds(member, |value| value.0), bounds(member, |value| value.1)]
        .map(|values| bytes(&shape.key, &values));
    let data = |w: &mut Writer| {
        if let (Some(to), true) = (&member.verdict, adding) {
            w.nested(uapi::NFTA_SET_ELEM_DATA, |w| verdict(w, to));
        }
    };
    if shape.interval && shape.key.len() == 1 {
        let end = after(&last);
        w.nested(uapi::NFTA_LIST_ELEM, |w| {
            key(w, uapi::NFTA_SET_ELEM_KEY, &first);
            data(w);
            if end.is_none() && adding {
                // For people's `nft`: nothing ends this range.
                let mut user = vec![uapi::NFTNL_UDATA_SET_ELEM_FLAGS, 4];
                user.extend_from_slice(&1u32.to_ne_bytes());
                w.attribute(uapi::NFTA_SET_ELEM_USERDATA, &user);
            }
        });
        if let Some(end) = end {
            w.nested(uapi::NFTA_LIST_ELEM, |w| {
                w.number(uapi::NFTA_SET_ELEM_FLAGS, uapi::NFT_SET_ELEM_INTERVAL_END);
                key(w, uapi::NFTA_SET_ELEM_KEY, &end);
            });
        }
    } else {
        w.nested(uapi::NFTA_LIST_ELEM, |w| {
            key(w, uapi::NFTA_SET_ELEM_KEY, &first);
            if shape.interval {
                key(w, uapi::NFTA_SET_ELEM_KEY_END, &last);
            }
            data(w);
        });
    }
}

/// A verdict as data.
pub(crate) fn verdict(w: &mut Writer, verdict: &Verdict) {
    let (code, chain) = match verdict {
        Verdict::Accept => (uapi::NF_ACCEPT, None),
        Verdict::Drop => (uapi::NF_DROP, None),
        Verdict::Return => (uapi::NFT_RETURN, None),
        Verdict::Jump(chain) => (uapi::NFT_JUMP, Some(chain)),
        Verdict::Goto(chain) => (uapi::NFT_GOTO, Some(chain)),
    };
    w.nested(uapi::NFTA_DATA_VERDICT, |w| {
        w.attribute(uapi::NFTA_VERDICT_CODE, &code.to_be_bytes());
        if let Some(chain) = chain {
            w.text(uapi::NFTA_VERDICT_CHAIN, chain);
        }
    });
}

/// The bytes of a value of a type.
pub(crate) fn value_bytes(key: KeyType, value: u128) -> Vec<u8> {
    let all = value.to_be_bytes();
    all.get(all.len() - key.bytes()..).unwrap_or(&[]).to_vec()
}

/// Bytes of a key in the kernel: of one field its own, in a concatenation each filled up to four.
pub(crate) fn key_bytes(key: &[KeyType]) -> usize {
    match key {
        [single] => single.bytes(),
        several => several.iter().map(|field| field.bytes().next_multiple_of(4)).sum(),
    }
}

fn bounds(member: &Member, which: impl Fn((u128, u128)) -> u128) -> Vec<u128> {
    member.key.iter().map(|value: &Value| which(value.bounds())).collect()
}

fn bytes(key: &[KeyType], values: &[u128]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key_bytes(key));
    for (field, value) in key.iter().zip(values) {
        bytes.extend_from_slice(&value_bytes(*field, *value));
        if key.len() > 1 {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    bytes
}

fn key(w: &mut Writer, kind: u16, bytes: &[u8]) {
    w.nested(kind, |w| w.attribute(uapi::NFTA_DATA_VALUE, bytes));
}

/// The next number, of as many bytes; nothing after the highest.
fn after(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut next = bytes.to_vec();
    for byte in next.iter_mut().rev() {
        let (value, carry) = byte.overflowing_add(1);
        *byte = value;
        if !carry {
            return Some(next);
        }
    }
    None
}
