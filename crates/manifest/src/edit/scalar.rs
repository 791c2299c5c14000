//! Other scalars and other keys. In: where one stands. Out: the edit that changes it and keeps its quotes.

use ringfence_model::origin::Origin;

use super::{Edit, Value, ground::Ground, meaning::Change};
use crate::{
    locate::Locator,
    outline::{Content, Id, Role},
};

/// Puts another scalar in the place of the one at `at`, which is an item or a value. A string keeps the quotes of the
/// old one. A value that is not there (`port:`) is written behind its key, whose bytes `at` then is.
///
/// `None` for what is no scalar, and for blocks of text (`|`, `>`).
#[must_use]
pub fn replace_scalar(locator: &Locator<'_>, at: Origin, value: &Value) -> Option<Vec<Edit>> {
    let ground = Ground::new(locator, at)?;
    let old = ground.outline.exactly(at).find(|id| {
        ground.node(*id).is_some_and(|node| {
            matches!(node.role, Role::Item(_) | Role::Value(_)) && matches!(node.content, Content::Scalar(..))
        })
    })?;
    if matches!(value, Value::Seq(_) | Value::Map(_)) || !ground.is_clean(old) {
        return None;
    }
    let (start, end) = (at.start as usize, at.end as usize);
    let part = ground.part(old)?;
    let edit = if part.first != part.last && ground.start(part.first)? == start {
        let behind = ground.text.get(end..)?;
        let blanks = behind.len() - behind.trim_start_matches([' ', '\t']).len();
        let colon = behind.get(blanks..)?.strip_prefix(':').map(|_| end + blanks + 1)?;
        ground.edit(colon, colon, format!(" {}", written(&ground, old, value)?))?
    } else {
        ground.edit(start, end, written(&ground, old, value)?)?
    };
    ground.checked(vec![edit], Change::Replace(old, value))
}

/// Gives the key at `at` another name, in the quotes that it has.
#[must_use]
pub fn rename_key(locator: &Locator<'_>, at: Origin, name: &str) -> Option<Vec<Edit>> {
    let ground = Ground::new(locator, at)?;
    let is_key = |id: &Id| ground.node(*id).is_some_and(|node| matches!(node.role, Role::Key(_)));
    let key = ground.outline.exactly(at).find(is_key)?;
    let part = ground.part(key)?;
    if !ground.is_clean(key) {
        return None;
    }
    let text = written(&ground, key, &Value::from(name))?;
    let edit = ground.edit(at.start as usize, at.end as usize, text)?;
    ground.checked(vec![edit], Change::Rename(part.parent, part.index, name))
}

/// A scalar as it is written in the place of another; nothing if that is a block of text.
fn written(ground: &Ground<'_, '_>, old: Id, value: &Value) -> Option<String> {
    let node = ground.node(old)?;
    let parent = node.parent?;
    let first = ground.text.get(node.span.start as usize..)?.chars().next();
    let quote = first.filter(|first| matches!(first, '"' | '\''));
    let Content::Scalar(_, plain) = &node.content else { return None };
    let quote = match (plain, quote) {
        (false, None) => return None,
        (true, _) => None,
        (false, quote) => quote,
    };
    let style = super::render::Style { quote, ..ground.style(parent) };
    Some(match value {
        Value::Text(text) => style.text(text, ground.is_flow(parent)),
        _ => style.flow(value),
    })
}
