//! The text around the nodes of one document: lines, dashes, gaps, style. In: a place. Out: what builders ask about it,
//! and edits that are known to do what is meant.

use ringfence_model::origin::Origin;

use super::{
    Edit, apply,
    meaning::{Change, Meaning},
    render::Style,
};
use crate::{
    locate::{Locator, Spot},
    outline::{Content, Flat, Id, Outline, Role},
    parse,
};

/// Nothing above this is read again for an edit: 1 MiB. There may be thousands of edits.
const MOST_READ: usize = 1 << 20;

/// How far blocks are indented where no other block shows it.
const BLOCK_STEP: usize = 2;

/// One document and the text around it. Bytes are those of the whole text.
pub(super) struct Ground<'l, 's> {
    spot: Spot<'l, 's>,
    pub(super) text: &'s str,
    pub(super) outline: &'l Outline<'s>,
}

/// A sequence or mapping, and one of its items or entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) parent: Id,
    pub(super) index: usize,
    /// The item, or the key of the entry.
    pub(super) first: Id,
    /// The item, or the value of the entry.
    pub(super) last: Id,
}

impl<'l, 's> Ground<'l, 's> {
    /// The ground of the document that contains `at`.
    pub(super) fn new(locator: &'l Locator<'s>, at: Origin) -> Option<Self> {
        let spot = locator.spot(at)?;
        Some(Self { text: spot.text, outline: spot.outline, spot })
    }

    /// The document's bytes.
    pub(super) fn document(&self) -> (usize, usize) {
        let span = &self.spot.document.span;
        (span.start as usize, span.end as usize)
    }

    /// The root of the Kubernetes object at `at`.
    pub(super) fn object(&self, at: Origin) -> Id {
        self.spot.object(at)
    }

    pub(super) fn origin(&self, id: Id) -> Option<Origin> {
        self.spot.origin(id)
    }

    pub(super) fn node(&self, id: Id) -> Option<&'l Flat<'s>> {
        self.outline.node(id)
    }

    pub(super) fn start(&self, id: Id) -> Option<usize> {
        self.node(id).map(|node| node.span.start as usize)
    }

    pub(super) fn end(&self, id: Id) -> Option<usize> {
        self.node(id).map(|node| node.span.end as usize)
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> Option<&'s str> {
        self.text.get(start..end)
    }

    /// The item of a sequence that stands at `at`.
    pub(super) fn item(&self, at: Origin) -> Option<Part> {
        self.outline.exactly(at).find_map(|id| match self.node(id)?.role {
            Role::Item(_) => self.part(id),
            Role::Root | Role::Key(_) | Role::Value(_) => None,
        })
    }

    /// An item by its node, or an entry by its key's or value's.
    pub(super) fn part(&self, id: Id) -> Option<Part> {
        let node = self.node(id)?;
        let parent = node.parent?;
        match node.role {
            Role::Root => None,
            Role::Item(index) => Some(Part { parent, index, first: id, last: id }),
            Role::Key(index) | Role::Value(index) => {
                let (first, last) = *self.outline.entries(parent)?.get(index)?;
                Some(Part { parent, index, first, last })
            }
        }
    }

    /// The items or entries of a sequence or mapping.
    pub(super) fn parts(&self, parent: Id) -> Vec<Part> {
        let part = |(index, (first, last))| Part { parent, index, first, last };
        match self.node(parent).map(|node| &node.content) {
            Some(Content::Seq(items)) => items.iter().map(|id| (*id, *id)).enumerate().map(part).collect(),
            Some(Content::Map(entries)) => entries.iter().copied().enumerate().map(part).collect(),
            Some(Content::Scalar(..)) | None => Vec::new(),
        }
    }

    /// Whether a sequence or mapping is written with brackets: they stand before its first item or key.
    pub(super) fn is_flow(&self, id: Id) -> bool {
        let Some(node) = self.node(id) else { return false };
        let first = match &node.content {
            Content::Seq(items) => items.first(),
            Content::Map(entries) => entries.first().map(|(key, _)| key),
            Content::Scalar(..) => return false,
        };
        first.and_then(|first| self.node(*first)).is_none_or(|first| first.span.start != node.span.start)
    }

    /// Whether a node's own text, and what stands before it, has no anchor, alias, tag, merge key or explicit key.
    /// What is longer than 1 MiB is not looked through.
    pub(super) fn is_clean(&self, id: Id) -> bool {
        let small = |node: &&Flat<'_>| node.span.end.saturating_sub(node.span.start) as usize <= MOST_READ;
        let Some(node) = self.node(id).filter(|node| node.original).filter(small) else { return false };
        let start = self.outline.scalar_end_before(node.span.start).unwrap_or(self.spot.document.span.start);
        let mut done = start as usize;
        for scalar in self.outline.scalars(node.span.clone()) {
            let (from, to) = (scalar.span.start as usize, scalar.span.end as usize);
            if from >= done {
                if !self.slice(done, from).is_some_and(is_plain_gap) {
                    return false;
                }
                done = to;
            }
        }
        let end = node.span.end as usize;
        done >= end || self.slice(done, end).is_some_and(is_plain_gap)
    }

    /// Where the line that contains `at` starts, behind a byte order mark.
    pub(super) fn line_start(&self, at: usize) -> usize {
        let first = if self.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let behind = self.spot.lines.partition_point(|start| *start <= at);
        let start = behind.checked_sub(1).and_then(|line| self.spot.lines.get(line));
        start.copied().filter(|start| *start > 0).unwrap_or_else(|| first.min(at))
    }

    /// Where the line that contains `at` ends, its line break left out.
    pub(super) fn line_end(&self, at: usize) -> usize {
        let next = self.next_line(at);
        let line = self.slice(at, next).unwrap_or_default();
        let kept = line.strip_suffix("\r\n").or_else(|| line.strip_suffix('\n')).unwrap_or(line);
        at + kept.len()
    }

    /// Where the line behind the one that contains `at` starts.
    pub(super) fn next_line(&self, at: usize) -> usize {
        let behind = self.spot.lines.partition_point(|start| *start <= at);
        self.spot.lines.get(behind).copied().unwrap_or(self.text.len())
    }

    /// What stands before `at` on its line.
    pub(super) fn before(&self, at: usize) -> &'s str {
        self.slice(self.line_start(at), at).unwrap_or_default()
    }

    /// The column of a byte, from 0. Before the keys and dashes of block style there is only ASCII.
    pub(super) fn column(&self, at: usize) -> usize {
        self.before(at).len()
    }

    /// The spaces that the line of `at` starts with.
    pub(super) fn indentation(&self, at: usize) -> &'s str {
        let before = self.before(at);
        before.get(..before.len() - before.trim_start_matches([' ', '\t']).len()).unwrap_or_default()
    }

    /// The line break of this text.
    pub(super) fn line_break(&self) -> &'static str {
        let first = self.spot.lines.get(1).and_then(|next| self.slice(0, *next));
        if first.is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" }
    }

    /// Where the dash of a block sequence's item is.
    pub(super) fn dash(&self, item: Id) -> Option<usize> {
        let start = self.node(item)?.span.start;
        let gap_start =
            self.outline.scalar_end_before(start).unwrap_or(self.spot.document.span.start) as usize;
        // An item that is a block sequence itself has its first dash behind its own.
        let mut own = 0;
        let mut inner = item;
        while let Some(first) = self.outline.items(inner).and_then(<[Id]>::first)
            && !self.is_flow(inner)
        {
            own += 1;
            inner = *first;
        }
        let gap = self.slice(gap_start, start as usize)?;
        let mut dashes = Vec::new();
        let mut line = gap_start;
        for part in gap.split_inclusive('\n') {
            let code = part.split('#').next().unwrap_or_default();
            dashes.extend(code.match_indices('-').map(|(at, _)| line + at));
            line += part.len();
        }
        dashes.into_iter().rev().nth(own)
    }

    /// How values are written near this collection.
    pub(super) fn style(&self, collection: Id) -> Style {
        let json = self.is_flow(collection) && self.is_json(collection);
        let quote = self.quote_of_items(collection);
        // Between brackets there are no blocks.
        let (step, dash_indent) = if self.is_flow(collection) {
            (BLOCK_STEP, BLOCK_STEP)
        } else {
            (self.step(collection), self.dash_indent(collection))
        };
        Style { json, quote, line_break: self.line_break(), step, dash_indent }
    }

    /// Whether the keys of the nearest flow mapping are in double quotes; if there is none, whether all is flow style.
    fn is_json(&self, collection: Id) -> bool {
        let key_of = |id: Id| self.outline.entries(id).and_then(<[_]>::first).map(|(key, _)| *key);
        let mut at = Some(collection);
        let child = self.outline.items(collection).and_then(<[Id]>::first).copied().and_then(key_of);
        let mut key = child;
        while let Some(id) = at.filter(|id| key.is_none() && self.is_flow(*id)) {
            key = key_of(id);
            at = self.outline.parent(id);
        }
        match key.and_then(|key| self.start(key)) {
            Some(start) => self.text.as_bytes().get(start) == Some(&b'"'),
            None => self.is_flow(self.outline.root()),
        }
    }

    /// The quote that all items of a sequence of strings have.
    fn quote_of_items(&self, collection: Id) -> Option<char> {
        let items = self.outline.items(collection)?;
        let quote = |id: &Id| {
            let start = self.text.get(self.start(*id)?..)?;
            start.chars().next().filter(|first| matches!(first, '"' | '\''))
        };
        let first = quote(items.first()?)?;
        items.iter().all(|item| quote(item) == Some(first)).then_some(first)
    }

    /// How far keys are indented below the key that they belong to.
    fn step(&self, near: Id) -> usize {
        let of = |id: Id| -> Option<usize> {
            let node = self.node(id)?;
            let (Role::Value(entry), Some(parent), Content::Map(_)) = (node.role, node.parent, &node.content)
            else {
                return None;
            };
            let (key, _) = self.outline.entries(parent)?.get(entry)?;
            if self.is_flow(id) || self.is_flow(parent) || !node.original {
                return None;
            }
            self.column(node.span.start as usize).checked_sub(self.column(self.start(*key)?))
        };
        self.nearest(near, of).filter(|step| *step > 0).unwrap_or(BLOCK_STEP)
    }

    /// How far dashes are indented below the key that they belong to.
    fn dash_indent(&self, near: Id) -> usize {
        let of = |id: Id| -> Option<usize> {
            let node = self.node(id)?;
            let (Role::Value(entry), Some(parent), Content::Seq(items)) =
                (node.role, node.parent, &node.content)
            else {
                return None;
            };
            let (key, _) = self.outline.entries(parent)?.get(entry)?;
            if self.is_flow(id) || !node.original {
                return None;
            }
            self.column(self.dash(*items.first()?)?).checked_sub(self.column(self.start(*key)?))
        };
        self.nearest(near, of).unwrap_or(BLOCK_STEP)
    }

    /// The answer for a node or the nearest of its ancestors that has one; else for the first node of the document.
    fn nearest(&self, near: Id, of: impl Fn(Id) -> Option<usize>) -> Option<usize> {
        let mut at = Some(near);
        while let Some(id) = at {
            if let Some(answer) = of(id) {
                return Some(answer);
            }
            at = self.outline.parent(id);
        }
        self.outline.ids().find_map(of)
    }

    /// Whether the items or entries around this one are parted by commas without a blank behind them.
    pub(super) fn is_compact(&self, part: Part) -> bool {
        let siblings = self.parts(part.parent);
        let pairs = siblings.iter().zip(siblings.iter().skip(1));
        let mut gaps = pairs.filter_map(|(a, b)| self.slice(self.end(a.last)?, self.start(b.first)?));
        gaps.next().is_some_and(|gap| gap == ",") && gaps.all(|gap| gap == ",")
    }

    /// The edit that puts `replacement` in the place of the bytes `start..end`.
    pub(super) fn edit(&self, start: usize, end: usize, replacement: impl Into<String>) -> Option<Edit> {
        let origin = Origin {
            source: self.spot.source,
            start: u32::try_from(start).ok()?,
            end: u32::try_from(end).ok()?,
        };
        Some(Edit { origin, replacement: replacement.into() })
    }

    /// The edits, if the document then reads as meant.
    pub(super) fn checked(&self, edits: Vec<Edit>, change: Change<'_>) -> Option<Vec<Edit>> {
        let reads_as_meant =
            self.item_reads_as_meant(&edits, change).or_else(|| self.reads_as_meant(&edits, change));
        reads_as_meant?.then_some(edits)
    }

    fn reads_as_meant(&self, edits: &[Edit], change: Change<'_>) -> Option<bool> {
        let (start, end) = self.document();
        if end - start > MOST_READ {
            return None;
        }
        let meant = Meaning::of(self.outline, self.outline.root(), Some(change))?;
        let found = self.edited(edits, self.document())?;
        let outline = Outline::new(parse::parse(&found, 0).ok()??);
        Some(Meaning::of(&outline, outline.root(), None)? == meant)
    }

    /// The same for a change of an item of a `List`, of which nothing else has to be read; nothing if that cannot be told
    /// from the item alone. A `List` may hold a whole cluster.
    fn item_reads_as_meant(&self, edits: &[Edit], change: Change<'_>) -> Option<bool> {
        let object = self.outline.object(change.at());
        if object == self.outline.root() {
            return None;
        }
        let (start, end) = (self.start(object)?, self.end(object)?);
        let is_block = !self.is_flow(object);
        let bytes = if is_block {
            let dash = self.dash(object)?;
            let alone = self.before(dash).bytes().all(|byte| byte == b' ');
            alone.then(|| (self.line_start(dash), self.next_line(end)))?
        } else {
            (start, end)
        };
        let found = self.edited(edits, bytes)?;
        let outline = Outline::new(parse::parse(&found, 0).ok()??);
        // In block style the item comes with its dash.
        let item = match outline.items(outline.root()) {
            Some([item]) if is_block => *item,
            None if !is_block => outline.root(),
            _ => return None,
        };
        Some(Meaning::of(&outline, item, None)? == Meaning::of(self.outline, object, Some(change))?)
    }

    /// Some bytes of the text as they are with the edits, if all of them are there.
    fn edited(&self, edits: &[Edit], (start, end): (usize, usize)) -> Option<String> {
        let first = u32::try_from(start).ok()?;
        let edits: Vec<Edit> = edits.iter().map(|edit| edit.behind(first)).collect::<Option<_>>()?;
        apply(self.slice(start, end)?, &edits).ok()
    }
}

/// The line break of a text: that of its first line.
pub(super) fn line_break(text: &str) -> &'static str {
    match text.find('\n').and_then(|at| text.get(..at)) {
        Some(line) if line.ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    }
}

/// Whether there is nothing between two scalars but blanks, comments, brackets, commas, colons, dashes and the headers of
/// blocks of text.
fn is_plain_gap(gap: &str) -> bool {
    gap.split('\n').all(|line| {
        let code = line.split('#').next().unwrap_or_default();
        let (code, header) =
            code.find(['|', '>']).and_then(|at| code.split_at_checked(at)).unwrap_or((code, ""));
        code.bytes().all(|byte| b" \t\r-:,[]{}".contains(&byte))
            && header
                .bytes()
                .skip(1)
                .all(|byte| matches!(byte, b'+' | b'-' | b'1'..=b'9' | b' ' | b'\t' | b'\r'))
    })
}
