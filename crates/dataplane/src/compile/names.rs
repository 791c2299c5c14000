//! Names of chains, sets and maps. In: what a thing is. Out: a short name that depends on that alone, so that it stays when
//! pods come and go.

use std::{collections::BTreeMap, sync::Arc};

use crate::nft::Name;

/// FNV-1a, 64 bits: the same on every machine and in every version.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The names given so far. Things whose hashes collide, by accident or on purpose, get different names all the same.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: BTreeMap<Name, Arc<str>>,
}

impl Names {
    /// The name of what `content` describes: the kind and twelve digits. Whether it is new is said too.
    pub(super) fn of(&mut self, kind: &str, content: &str) -> (Name, bool) {
        let mut hash = hash(content);
        loop {
            let name: Name = format!("{kind}_{:012x}", hash >> 16).into();
            match self.given.get(&name) {
                None => {
                    self.given.insert(name.clone(), content.into());
                    return (name, true);
                }
                Some(known) if **known == *content => return (name, false),
                Some(_) => hash = hash.wrapping_add(1 << 16),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_hashes_do_not_make_equal_names() {
        let mut names = Names::default();
        let (first, new) = names.of("c", "one");
        assert!(new && names.of("c", "one") == (first.clone(), false));
        names.given.insert(first.clone(), "another with this hash".into());
        let (second, new) = names.of("c", "one");
        assert!(new && second != first);
        assert_eq!(names.of("c", "one"), (second, false));
    }
}
