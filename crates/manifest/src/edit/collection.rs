//! Sequences and mappings as a whole. In: where one stands. Out: the edit that empties it.

use ringfence_model::origin::Origin;

use super::{Edit, ground::Ground, meaning::Change};
use crate::{
    locate::Locator,
    outline::{Content, Role},
};

/// Puts `[]` or `{}` in the place of the value at `at`, a sequence or mapping, and says so behind its key: for a rule
/// that means "no one" this is another thing than to remove the entry.
///
/// Comments inside of it go with it; one behind the key stays.
#[must_use]
pub fn empty_collection(locator: &Locator<'_>, at: Origin) -> Option<Vec<Edit>> {
    let ground = Ground::new(locator, at)?;
    let (id, empty) = ground.outline.exactly(at).find_map(|id| {
        let node = ground.node(id)?;
        match (node.role, &node.content) {
            (Role::Value(_), Content::Seq(_)) => Some((id, "[]")),
            (Role::Value(_), Content::Map(_)) => Some((id, "{}")),
            _ => None,
        }
    })?;
    if !ground.is_clean(id) {
        return None;
    }
    let (start, end) = (ground.start(id)?, ground.end(id)?);
    let edits = if ground.is_flow(id) {
        vec![ground.edit(start, end, empty)?]
    } else {
        let key_end = ground.end(ground.part(id)?.first)?;
        let colon = key_end + ground.slice(key_end, start)?.find(':')? + 1;
        // From the end of the key's line, its comment left where it is, to the end of the last line.
        let (from, to) = (ground.line_end(colon), ground.line_end(end));
        vec![ground.edit(colon, colon, format!(" {empty}"))?, ground.edit(from, to, "")?]
    };
    ground.checked(edits, Change::Empty(id))
}
