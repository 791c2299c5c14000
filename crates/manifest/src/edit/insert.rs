//! New items and entries. In: where they belong and what they are. Out: the edit that writes them as their neighbours are
//! written.

use ringfence_model::origin::Origin;

use super::{
    Edit, Value,
    ground::{Ground, Part},
    meaning::Change,
    render::Style,
};
use crate::{
    locate::Locator,
    outline::{Content, Id, Role},
};

/// Adds an item behind the one that stands at `at`, with the indentation of its dash, or its comma and line.
#[must_use]
pub fn insert_item_after(locator: &Locator<'_>, at: Origin, value: &Value) -> Option<Vec<Edit>> {
    let ground = Ground::new(locator, at)?;
    let item = ground.item(at)?;
    insert(&ground, item, value)
}

/// Adds an item at the end of the sequence at `at`, which may be `[]`. `None` for a value that is not there.
#[must_use]
pub fn append_item(locator: &Locator<'_>, at: Origin, value: &Value) -> Option<Vec<Edit>> {
    let ground = Ground::new(locator, at)?;
    let seq = ground.outline.exactly(at).find(|id| ground.outline.items(*id).is_some())?;
    match ground.parts(seq).last() {
        Some(last) => insert(&ground, *last, value),
        None => into_empty(&ground, seq, |text| text.flow(value), Change::Insert(seq, 0, value)),
    }
}

/// Adds an entry at the end of the mapping at `at`, which may be `{}`. `None` if the key is there already.
#[must_use]
pub fn append_entry(locator: &Locator<'_>, at: Origin, key: &str, value: &Value) -> Option<Vec<Edit>> {
    let ground = Ground::new(locator, at)?;
    let map = ground.outline.exactly(at).find(|id| ground.outline.entries(*id).is_some())?;
    if let Some(last) = ground.parts(map).last() {
        return entry_behind(&ground, *last, key, value);
    }
    let style = ground.style(map);
    let inside = |inside: &Style| format!("{}: {}", style.key(key, true), inside.flow(value));
    into_empty(&ground, map, inside, Change::Entry(map, 0, key, value))
}

/// Adds an entry behind the one whose key stands at `at`. `None` if the key is there already.
#[must_use]
pub fn insert_entry_after(locator: &Locator<'_>, at: Origin, key: &str, value: &Value) -> Option<Vec<Edit>> {
    let ground = Ground::new(locator, at)?;
    let is_key = |id: &Id| ground.node(*id).is_some_and(|node| matches!(node.role, Role::Key(_)));
    let before = ground.outline.exactly(at).find(is_key)?;
    entry_behind(&ground, ground.part(before)?, key, value)
}

fn entry_behind(ground: &Ground<'_, '_>, behind: Part, key: &str, value: &Value) -> Option<Vec<Edit>> {
    let map = behind.parent;
    if !ground.is_clean(map) || ground.outline.entry(map, key).is_some() {
        return None;
    }
    let style = ground.style(map);
    let edit = if ground.is_flow(map) {
        let inside = |lines: Option<(&str, &str)>| {
            let value =
                lines.map_or_else(|| style.flow(value), |(indent, step)| style.lines(value, indent, step));
            format!("{}: {value}", style.key(key, true))
        };
        behind_in_flow(ground, behind, inside)?
    } else {
        let column = ground.column(ground.start(ground.parts(map).first()?.first)?);
        line_behind(ground, behind, column, &style.entry(key, value, column))?
    };
    ground.checked(vec![edit], Change::Entry(map, behind.index + 1, key, value))
}

fn insert(ground: &Ground<'_, '_>, behind: Part, value: &Value) -> Option<Vec<Edit>> {
    let Part { parent, index, first: item, .. } = behind;
    if !ground.is_clean(parent) {
        return None;
    }
    let mut style = ground.style(parent);
    let edit = if ground.is_flow(parent) {
        let inside = |lines: Option<(&str, &str)>| {
            lines.map_or_else(|| style.flow(value), |(indent, step)| style.lines(value, indent, step))
        };
        behind_in_flow(ground, behind, inside)?
    } else {
        let dash = ground.dash(item)?;
        let column = ground.column(dash);
        let start = ground.start(item)?;
        let blanks = ground.slice(dash + 1, start).filter(|blanks| !blanks.contains(['\n', '-']))?;
        let neighbour = &ground.node(item)?.content;
        let is_flow = !matches!(neighbour, Content::Scalar(..)) && ground.is_flow(item);
        let text = match value {
            // Items in braces get a neighbour in braces.
            Value::Seq(_) | Value::Map(_) if is_flow => {
                let flow = ground.style(item);
                style.json = flow.json;
                style.flow(value)
            }
            _ => style.block(value, column + 1 + blanks.len()),
        };
        line_behind(ground, behind, column, &format!("-{blanks}{text}"))?
    };
    ground.checked(vec![edit], Change::Insert(parent, index + 1, value))
}

/// Writes into empty brackets.
fn into_empty(
    ground: &Ground<'_, '_>,
    id: Id,
    inside: impl Fn(&Style) -> String,
    change: Change<'_>,
) -> Option<Vec<Edit>> {
    if !ground.is_clean(id) {
        return None;
    }
    let (start, end) = (ground.start(id)?, ground.end(id)?);
    let brackets = ground.slice(start, end)?;
    if !matches!(brackets.split_whitespace().collect::<String>().as_str(), "[]" | "{}") {
        return None;
    }
    let edit = ground.edit(start + 1, end.checked_sub(1)?, inside(&ground.style(id)))?;
    ground.checked(vec![edit], change)
}

/// Writes a line of its own behind the last line of an item or entry; `text` may have more lines.
fn line_behind(ground: &Ground<'_, '_>, part: Part, column: usize, text: &str) -> Option<Edit> {
    let line_end = ground.line_end(ground.end(part.last)?);
    let indentation = " ".repeat(column);
    ground.edit(line_end, line_end, format!("{}{indentation}{text}", ground.line_break()))
}

/// Writes behind an item or entry of a flow collection: on the same line, or on a line of its own where its neighbour
/// has one. `inside` is given the indentation of that line and what each level adds to it.
fn behind_in_flow(
    ground: &Ground<'_, '_>,
    part: Part,
    inside: impl Fn(Option<(&str, &str)>) -> String,
) -> Option<Edit> {
    let (start, end) = (ground.start(part.first)?, ground.end(part.last)?);
    let rest = ground.slice(end, ground.line_end(end))?;
    let text = if ground.before(start).bytes().all(|byte| matches!(byte, b' ' | b'\t')) {
        // A comment behind the neighbour would go to the new one.
        if rest.contains('#') {
            return None;
        }
        let indentation = ground.indentation(start);
        let outer = ground.indentation(ground.start(part.parent)?);
        let step = indentation.strip_prefix(outer).filter(|step| !step.is_empty()).unwrap_or("  ");
        // JSON is printed with a line for each value; flow style within YAML keeps a value on its line.
        let lines = ground.style(part.parent).json.then_some((indentation, step));
        format!(",{}{indentation}{}", ground.line_break(), inside(lines))
    } else {
        let compact = ground.is_compact(part);
        format!("{}{}", if compact { "," } else { ", " }, inside(None))
    };
    ground.edit(end, end, text)
}
