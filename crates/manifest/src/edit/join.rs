//! Two items made one: both must hold instead of either. In: two neighbours of a sequence, both mappings. Out: the edits
//! that put the entries of both into one.

use ringfence_model::origin::Origin;

use super::{
    Edit,
    ground::{Ground, Part},
    meaning::Change,
    remove::whole_lines,
};
use crate::locate::Locator;

/// Makes one item of two neighbours that are mappings without a common key. In block style the second one's dash becomes
/// a blank, and comments stay where they are; in flow style its entries move into the braces of the first.
///
/// `None` where the two are written in different styles or columns.
#[must_use]
pub fn join_items(locator: &Locator<'_>, first: Origin, second: Origin) -> Option<Vec<Edit>> {
    let ground = Ground::new(locator, first)?;
    let (first, second) = (mapping(&ground, first)?, mapping(&ground, second)?);
    let adjacent = first.parent == second.parent && first.index + 1 == second.index;
    if !adjacent || !ground.is_clean(first.parent) {
        return None;
    }
    let edits = match (ground.is_flow(first.first), ground.is_flow(second.first)) {
        (false, false) => blocks(&ground, first, second)?,
        (true, true) if ground.is_flow(first.parent) => vec![neighbours_in_flow(&ground, first, second)?],
        (true, true) => braces_on_lines(&ground, first, second)?,
        _ => return None,
    };
    ground.checked(edits, Change::Join(first.parent, first.index))
}

/// The item at a place, if it is a mapping with entries.
fn mapping(ground: &Ground<'_, '_>, at: Origin) -> Option<Part> {
    let item = ground.outline.exactly(at).filter(|id| ground.outline.entries(*id).is_some());
    let mut parts = item.filter_map(|id| ground.part(id)).filter(|part| part.first == part.last);
    parts.next().filter(|part| !ground.parts(part.first).is_empty())
}

fn blocks(ground: &Ground<'_, '_>, first: Part, second: Part) -> Option<Vec<Edit>> {
    let (start, next) = (ground.start(first.first)?, ground.start(second.first)?);
    let dash = ground.dash(second.first)?;
    let alone = ground.before(dash).bytes().all(|byte| byte == b' ');
    let same_line = ground.line_start(dash) == ground.line_start(next);
    (alone && same_line && ground.column(start) == ground.column(next))
        .then(|| ground.edit(dash, dash + 1, " "))
        .flatten()
        .map(|edit| vec![edit])
}

/// Where the entries of a mapping in braces begin and end.
fn inside(ground: &Ground<'_, '_>, map: Part) -> Option<(usize, usize)> {
    let entries = ground.parts(map.first);
    Some((ground.start(entries.first()?.first)?, ground.end(entries.last()?.last)?))
}

/// `{a: b}, {c: d}`: what stands between the entries becomes a comma.
fn neighbours_in_flow(ground: &Ground<'_, '_>, first: Part, second: Part) -> Option<Edit> {
    let (_, from) = inside(ground, first)?;
    let (to, _) = inside(ground, second)?;
    if ground.slice(from, to)?.contains('#') {
        return None;
    }
    // Entries with a line of their own keep it.
    let before = ground.slice(ground.start(second.first)? + 1, to)?;
    let separator = match before {
        "" => " ",
        blanks => blanks,
    };
    ground.edit(from, to, format!(",{separator}"))
}

/// `- {a: b}` and `- {c: d}`: the second line goes, its entries move into the braces of the first.
fn braces_on_lines(ground: &Ground<'_, '_>, first: Part, second: Part) -> Option<Vec<Edit>> {
    let (_, from) = inside(ground, first)?;
    let (start, end) = inside(ground, second)?;
    let entries = ground.slice(start, end)?;
    let dash = ground.dash(second.first)?;
    let behind = ground.slice(ground.end(second.last)?, ground.line_end(ground.end(second.last)?))?;
    // A comment on a line that goes has no place to stay.
    let comments = behind.contains('#') || ground.slice(dash, ground.end(second.last)?)?.contains('#');
    let alone = ground.before(dash).bytes().all(|byte| byte == b' ');
    if comments || !alone || entries.contains('\n') {
        return None;
    }
    Some(vec![
        ground.edit(from, from, format!(", {entries}"))?,
        whole_lines(ground, ground.line_start(dash), ground.end(second.last)?)?,
    ])
}
