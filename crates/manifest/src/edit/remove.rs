//! Items and entries that go. In: where one stands. Out: the edits that take it away with the comments that are its own.

use ringfence_model::origin::Origin;

use super::{
    Edit,
    ground::{Ground, Part},
    meaning::Change,
};
use crate::{
    locate::Locator,
    outline::{Id, Role},
};

/// Removes the item of a sequence that stands at `at`: in block style its lines, with the comment behind it and the
/// comment lines directly above it at its indentation. Above the first item a comment may be about the whole sequence;
/// it goes only where the next item has one of its own. Comments that hold an item themselves (`# - a`) stay.
///
/// `None` for the only item: what is left would be no sequence. See [`super::empty_collection`] and [`remove_entry`].
#[must_use]
pub fn remove_item(locator: &Locator<'_>, at: Origin) -> Option<Vec<Edit>> {
    let ground = Ground::new(locator, at)?;
    let item = ground.item(at)?;
    remove(&ground, item)
}

/// Removes the entry of a mapping whose key stands at `at`, or whose key and value do together; comments as
/// [`remove_item`] has it.
///
/// `None` for the only entry: what is left would be no mapping.
#[must_use]
pub fn remove_entry(locator: &Locator<'_>, at: Origin) -> Option<Vec<Edit>> {
    let ground = Ground::new(locator, at)?;
    let is_key = |id: &Id| ground.node(*id).is_some_and(|node| matches!(node.role, Role::Key(_)));
    let key = ground.outline.exactly(at).find(is_key).or_else(|| {
        let inside = ground.outline.scalars(at.start..at.start.saturating_add(1));
        let key = inside.into_iter().find(|scalar| matches!(scalar.role, Role::Key(_)))?;
        let key =
            ground.outline.exactly(Origin { start: key.span.start, end: key.span.end, ..at }).find(is_key)?;
        (ground.end(ground.part(key)?.last)? == at.end as usize).then_some(key)
    })?;
    let entry = ground.part(key)?;
    remove(&ground, entry)
}

fn remove(ground: &Ground<'_, '_>, part: Part) -> Option<Vec<Edit>> {
    if !ground.is_clean(part.parent) || ground.start(part.first)? == ground.end(part.last)? {
        return None;
    }
    let siblings = ground.parts(part.parent);
    if siblings.len() < 2 {
        return None;
    }
    let edit = if ground.is_flow(part.parent) {
        flow(ground, part, &siblings)?
    } else {
        block(ground, part, &siblings)?
    };
    ground.checked(vec![edit], Change::Remove(part.parent, part.index))
}

/// An item with its comma.
fn flow(ground: &Ground<'_, '_>, part: Part, siblings: &[Part]) -> Option<Edit> {
    let previous = part.index.checked_sub(1).and_then(|at| siblings.get(at));
    let (start, end) = match (previous, siblings.get(part.index + 1)) {
        (Some(previous), _) => (ground.end(previous.last)?, ground.end(part.last)?),
        (None, Some(next)) => (ground.start(part.first)?, ground.start(next.first)?),
        (None, None) => return None,
    };
    let comments = ground.slice(start, ground.start(part.first)?)?.contains('#')
        || ground.slice(ground.end(part.last)?, end)?.contains('#');
    if comments { None } else { ground.edit(start, end, "") }
}

/// Where the lines of an item or entry begin: its dash or its key.
fn mark(ground: &Ground<'_, '_>, part: Part) -> Option<usize> {
    if part.first == part.last { ground.dash(part.first) } else { ground.start(part.first) }
}

fn block(ground: &Ground<'_, '_>, part: Part, siblings: &[Part]) -> Option<Edit> {
    let start = mark(ground, part)?;
    let next = siblings.get(part.index + 1).copied();
    if !is_blank(ground.before(start)) {
        // It shares its line with the dash above it, where the next one takes its place.
        let next = mark(ground, next?)?;
        let behind = ground.slice(ground.line_end(ground.end(part.last)?), next)?;
        return if is_blank(behind) { ground.edit(start, next, "") } else { None };
    }
    let above = comments_above(ground, start);
    let own = part.index > 0
        || match next {
            Some(next) => {
                let next = mark(ground, next)?;
                comments_above(ground, next) < ground.line_start(next)
            }
            None => false,
        };
    let start = if own { above } else { ground.line_start(start) };
    whole_lines(ground, start, ground.end(part.last)?)
}

/// The edit that removes lines, from the start of one to the end of the line that holds `end`. Where the text ends
/// without a line break, it does so afterwards: blank lines before go too.
pub(super) fn whole_lines(ground: &Ground<'_, '_>, start: usize, end: usize) -> Option<Edit> {
    let next = ground.next_line(end);
    let ends_open = next == ground.text.len() && !ground.text.ends_with('\n');
    let start = if ends_open {
        ground
            .slice(0, start)
            .map_or(start, |before| ground.line_end(before.trim_ascii_end().len()).min(start))
    } else {
        start
    };
    ground.edit(start, next, "")
}

/// Where the first of the comment lines starts that stand directly above the line of `at`, as far in as `at`; the start
/// of that line if there are none, or one holds an item.
fn comments_above(ground: &Ground<'_, '_>, at: usize) -> usize {
    let own = ground.line_start(at);
    let indentation = ground.before(at);
    let mut start = own;
    while start > 0 {
        let line_start = ground.line_start(start - 1);
        let line = ground.slice(line_start, start).unwrap_or_default();
        let Some(comment) = line.strip_prefix(indentation).and_then(|line| line.strip_prefix('#')) else {
            break;
        };
        if comment.trim_start().starts_with("- ") {
            return own;
        }
        start = line_start;
    }
    start
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}
