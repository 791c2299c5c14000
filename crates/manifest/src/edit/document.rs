//! Whole documents that come and go. In: a place in one, or a text. Out: the edit that removes or adds a document.

use ringfence_model::origin::{Origin, SourceId};

use super::{
    Edit, Value, apply,
    ground::{Ground, line_break},
    meaning::Meaning,
    remove::remove_item,
    render::Style,
};
use crate::{
    document::{Document, split},
    locate::Locator,
    outline::Outline,
    parse,
};

/// Removes the Kubernetes object that `at` is part of: its document with the `---` line that opens it, or the item of a
/// `List`. Comments at the top of the text that a blank line parts from the object stay. Removing the only document
/// leaves an empty text, or such comments.
#[must_use]
pub fn remove_document(locator: &Locator<'_>, at: Origin) -> Option<Vec<Edit>> {
    let ground = Ground::new(locator, at)?;
    let object = ground.object(at);
    if object != ground.outline.root() {
        return remove_item(locator, ground.origin(object)?);
    }
    let (start, end) = ground.document();
    let text = ground.slice(start, end)?;
    let first_in_text = ground.slice(0, start)?.trim_start_matches('\u{feff}').is_empty();
    let header = if first_in_text { header(text) } else { 0 };
    let edit = ground.edit(start + header, end, "")?;
    // The documents beside it are as they were; what is further away cannot have changed.
    let [before, _, behind] = locator.neighbours(at)?;
    let first = before.map_or(0, |document| document.span.start);
    let around = ground.slice(first as usize, behind.map_or(end, |document| document.span.end as usize))?;
    let others = |text: &str| -> Vec<String> {
        let documents = split(text).into_iter();
        documents.map(|document| document.text.to_owned()).collect()
    };
    let mut meant: Vec<String> =
        [before, behind].into_iter().flatten().map(|document| document.text.to_owned()).collect();
    let kept = text.get(..header)?;
    if !kept.is_empty() && meant.first().is_none_or(|next| next.starts_with("---")) {
        meant.insert(0, kept.to_owned());
    } else if let Some(next) = meant.first_mut().filter(|_| !kept.is_empty()) {
        next.insert_str(0, kept);
    }
    let result = apply(around, &[edit.behind(first)?]).ok()?;
    (others(&result) == meant).then(|| vec![edit])
}

/// The length of the comments at the top of a text, up to the last blank line among them.
fn header(text: &str) -> usize {
    let (mut length, mut kept) = (0, 0);
    let mut comment = false;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if !(trimmed.is_empty() || trimmed.starts_with('#')) {
            break;
        }
        length += line.len();
        comment |= !trimmed.is_empty();
        if comment && trimmed.is_empty() {
            kept = length;
        }
    }
    kept
}

/// Adds a document at the end of a text: YAML behind a `---` line, or JSON behind JSON. `value` is a mapping.
#[must_use]
pub fn append_document(locator: &Locator<'_>, source: SourceId, value: &Value) -> Option<Vec<Edit>> {
    let Value::Map(entries) = value else { return None };
    if entries.is_empty() {
        return None;
    }
    let (text, last) = locator.last_document(source)?;
    let end = u32::try_from(text.len()).ok()?;
    let at = Origin { source, start: end, end };
    let inside = |start: u32| Origin { start, end: start, ..at };
    let ground = last.and_then(|last| Ground::new(locator, inside(last.span.start)));
    let line_break = ground.as_ref().map_or_else(|| line_break(text), Ground::line_break);
    let root = ground.as_ref().map(|ground| (ground, ground.outline.root()));
    let style = root.as_ref().map_or(Style::new(line_break), |(ground, root)| ground.style(*root));
    let ends_open = !text.is_empty() && !text.ends_with('\n');
    // Several JSON objects in a row need no `---`, as long as there is none before them.
    let is_json = style.json && last.is_some_and(|last| last.text.trim_start().starts_with('{'));
    let nothing_before = text.trim_start_matches('\u{feff}').trim().is_empty()
        || (ground.is_none() && last.is_some_and(|last| last.text.trim_end() == "---"));
    let document = if is_json { style.lines(value, "", "  ") } else { style.block(value, 0) };
    let marker = if nothing_before || is_json { String::new() } else { format!("---{line_break}") };
    let (before, behind) = if ends_open { (line_break, "") } else { ("", line_break) };
    let edit = Edit { origin: at, replacement: format!("{before}{marker}{document}{behind}") };
    // Only the last document can change, and not even that behind its last bracket.
    let closed = root.as_ref().is_some_and(|(ground, root)| ground.is_flow(*root))
        && last.is_some_and(|last| last.text.trim_end().ends_with(['}', ']']));
    let first = if closed { end } else { last.map_or(0, |last| last.span.start) };
    checked(text.get(first as usize..)?, first, edit, value)
}

/// The edit, if what begins at byte `first` still means what it did, and the new document is behind it.
fn checked(rest: &str, first: u32, edit: Edit, value: &Value) -> Option<Vec<Edit>> {
    let result = apply(rest, &[edit.behind(first)?]).ok()?;
    let (old, new) = (split(rest), split(&result));
    // Where the last document stays byte for byte, and that is most often so, it need not be read. One that has an error
    // keeps it.
    let same = old.iter().zip(&new).take_while(|(old, new)| old.text == new.text).count();
    let mut meant: Vec<Option<Meaning>> = old.get(same..)?.iter().filter_map(meaning).collect();
    meant.push(Some(Meaning::from(value)));
    let found: Vec<Option<Meaning>> = new.get(same..)?.iter().filter_map(meaning).collect();
    (found == meant).then(|| vec![edit])
}

/// What a document means, if it has no error; nothing for an empty one.
fn meaning(document: &Document<'_>) -> Option<Option<Meaning>> {
    match parse::parse(document.text, 0) {
        Ok(None) => None,
        Ok(Some(root)) => {
            let outline = Outline::new(root);
            Some(Meaning::of(&outline, outline.root(), None))
        }
        Err(_) => Some(None),
    }
}
