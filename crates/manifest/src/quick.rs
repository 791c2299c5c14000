//! The YAML and JSON that manifests are made of, in one pass. In: a document's text. Out: its tree, or nothing when the
//! text is anything but plain sailing; the general parser then decides.
//!
//! It reads block mappings and sequences, flow collections, scalars, blocks of text (`|`, `>`), comments and CRLF.
//! Everything rare (anchors, aliases, tags, merge keys, complex keys, tabs for indentation, nulls in lists) and
//! everything wrong makes it give up. Where it does give a tree, it is the general parser's tree, to the byte:
//! `tests/tree_differential.rs` holds the two against each other. The one liberty: inside brackets and quotes it takes
//! any indentation, and tabs between tokens, as `kubectl` does and the general parser does not.

mod block;
mod flow;
mod plain;
mod quoted;
mod text;

use std::borrow::Cow;

use crate::{
    parse::{MAX_NODES, explain, mapping},
    tree::{Kind, Node},
};

/// Collections nested deeper than this are left to the general parser, which does not recurse.
const MAX_DEPTH: usize = 100;
/// A key longer than this many bytes is left to the general parser (YAML ends a key after 1024 characters).
const MAX_KEY: usize = 1000;

/// The text needs the general parser.
pub(crate) struct GiveUp;

type Read<T> = Result<T, GiveUp>;

/// What the quick reader has to say about a document.
pub(crate) enum Outcome<'a> {
    /// Its tree.
    Tree(Node<'a>),
    /// It has more values than are read; the one at this byte of the document is too many.
    TooMany(usize),
    /// The general parser decides.
    General,
}

/// The tree of a document that starts `base` bytes into its source, if it is simple.
pub(crate) fn parse(text: &str, base: u32) -> Outcome<'_> {
    let fits = u32::try_from(text.len()).is_ok_and(|length| base.checked_add(length).is_some());
    if !fits || !line_ends_are_plain(text) || (!text.is_ascii() && has_odd_characters(text)) {
        return Outcome::General;
    }
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        base,
        at: 0,
        json: false,
        column: 0,
        ended: false,
        depth: 0,
        nodes: 0,
        items: Vec::new(),
        entries: Vec::new(),
    };
    match reader.document() {
        Ok(root) => Outcome::Tree(root),
        Err(GiveUp) if reader.nodes > MAX_NODES => Outcome::TooMany(reader.at),
        Err(GiveUp) => Outcome::General,
    }
}

/// Whether every carriage return is part of a CRLF.
fn line_ends_are_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'\r', bytes).all(|at| bytes.get(at + 1) == Some(&b'\n'))
}

/// Whether a text has byte order marks, or characters that only some take for line breaks.
fn has_odd_characters(text: &str) -> bool {
    text.contains('\u{feff}') || explain::has_foreign_break(text)
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// Where the document starts in its source.
    base: u32,
    /// The next byte to read.
    at: usize,
    /// Whether the document is one flow collection, as JSON is, so that JSON's escapes hold too.
    json: bool,
    /// The column of the first byte that is not blank on the current line; block nodes start there.
    column: usize,
    /// Whether there are no more lines.
    ended: bool,
    depth: usize,
    nodes: usize,
    /// Items and entries of the collections that are still open, innermost last; each takes its own off when it ends, so
    /// that its vector is allocated once.
    items: Vec<Node<'a>>,
    entries: Vec<mapping::Entry<'a>>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Read<Node<'a>> {
        if self.bytes.starts_with(b"---") {
            self.at = 3;
            self.end_line()?;
        } else {
            self.next_line()?;
        }
        if self.ended {
            return Err(GiveUp);
        }
        let root = match self.peek() {
            Some(b'{' | b'[') => {
                self.json = true;
                let root = self.flow()?;
                self.end_line()?;
                root
            }
            _ => self.root()?,
        };
        // What is left is indented less than the root.
        if self.ended { Ok(root) } else { Err(GiveUp) }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn peek_at(&self, offset: usize) -> Option<u8> {
        self.bytes.get(self.at + offset).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Goes from behind a node to the first byte of the next line that holds one: nothing but blanks and a comment may
    /// follow on this line.
    fn end_line(&mut self) -> Read<()> {
        let start = self.at;
        self.skip_blanks();
        match self.peek() {
            None | Some(b'\n' | b'\r') => {}
            Some(b'#') if self.at > start => {}
            Some(_) => return Err(GiveUp),
        }
        self.skip_line();
        self.next_line()
    }

    /// Goes behind the next line break.
    fn skip_line(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = memchr::memchr(b'\n', rest).map_or(self.bytes.len(), |length| self.at + length + 1);
    }

    /// Skips blank lines and comments from the start of a line on, and sets `column`.
    fn next_line(&mut self) -> Read<()> {
        loop {
            let line = self.at;
            while self.peek() == Some(b' ') {
                self.at += 1;
            }
            match self.peek() {
                None => {
                    self.ended = true;
                    self.column = 0;
                    return Ok(());
                }
                Some(b'\n') => self.at += 1,
                Some(b'\r') => self.at += 2,
                Some(b'#') => self.skip_line(),
                Some(b'\t') => return Err(GiveUp),
                Some(byte) => {
                    self.column = self.at - line;
                    return if self.column == 0 && self.is_marker(byte) { Err(GiveUp) } else { Ok(()) };
                }
            }
        }
    }

    /// Whether a line starts with `---` or `...`.
    fn is_marker(&self, first: u8) -> bool {
        matches!(first, b'-' | b'.')
            && self.peek_at(1) == Some(first)
            && self.peek_at(2) == Some(first)
            && matches!(self.peek_at(3), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
    }

    fn span(&self, start: usize, end: usize) -> std::ops::Range<u32> {
        // Both fit: the length of the text was checked at the start.
        let source = |byte: usize| self.base.saturating_add(u32::try_from(byte).unwrap_or(u32::MAX));
        source(start)..source(end)
    }

    /// A byte of the source as a byte of the document.
    fn local(&self, source: u32) -> usize {
        source.saturating_sub(self.base) as usize
    }

    fn slice(&self, start: usize, end: usize) -> Read<&'a str> {
        self.text.get(start..end).ok_or(GiveUp)
    }

    fn scalar_node(&mut self, start: usize, end: usize, text: Cow<'a, str>, plain: bool) -> Read<Node<'a>> {
        self.count()?;
        Ok(Node { span: self.span(start, end), kind: Kind::Scalar { text, plain } })
    }

    fn count(&mut self) -> Read<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { Err(GiveUp) } else { Ok(()) }
    }

    fn open(&mut self) -> Read<()> {
        self.count()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(GiveUp) } else { Ok(()) }
    }

    /// Turns the items from `first` on into a sequence.
    fn close_seq(&mut self, first: usize, start: usize, end: usize) -> Node<'a> {
        self.depth -= 1;
        let items = self.items.drain(first.min(self.items.len())..).collect();
        Node { span: self.span(start, end), kind: Kind::Seq(items) }
    }

    /// Turns the entries from `first` on into a mapping. A key given twice is for the general parser to report.
    fn close_map(&mut self, first: usize, start: usize, end: usize) -> Read<Node<'a>> {
        self.depth -= 1;
        let entries: Vec<_> = self.entries.drain(first.min(self.entries.len())..).collect();
        if mapping::duplicate(&entries).is_some() {
            return Err(GiveUp);
        }
        Ok(Node { span: self.span(start, end), kind: Kind::Map(entries) })
    }

    /// Checks a key; merge keys are for the general parser.
    fn key(&mut self, mut key: Node<'a>) -> Read<Node<'a>> {
        if mapping::is_merge(&key) {
            return Err(GiveUp);
        }
        mapping::check_key(&mut key).map_err(|_| GiveUp)?;
        Ok(key)
    }
}
