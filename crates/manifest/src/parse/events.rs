//! Any YAML, by way of the YAML library's events. In: a document's text. Out: its tree.

use std::{borrow::Cow, ops::Range};

use rustc_hash::FxHashMap;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::{
    MAX_ALIASED_NODES, MAX_DEPTH, MAX_NODES, ParseError, explain,
    mapping::{self, Entry},
    place::Places,
};
use crate::{
    scalar::{self, Scalar},
    tree::{Kind, Node},
};

/// A mapping or sequence whose end has not come yet. Positions are bytes of the document.
struct Open<'a> {
    anchor: usize,
    /// Where it starts, its anchor and tag left out.
    start: usize,
    /// Where its first key or item starts.
    first: Option<usize>,
    /// Where its last value ends.
    end: usize,
    content: Content<'a>,
}

enum Content<'a> {
    Seq(Vec<Node<'a>>),
    Map { entries: Vec<Entry<'a>>, key: Option<Node<'a>> },
}

struct Builder<'a> {
    text: &'a str,
    places: Places<'a>,
    open: Vec<Open<'a>>,
    root: Option<Node<'a>>,
    /// What anchors stand for, and how many nodes that is.
    anchors: FxHashMap<usize, (Node<'a>, usize)>,
    nodes: usize,
    copied: usize,
}

pub(super) fn parse(text: &str, base: u32) -> Result<Option<Node<'_>>, ParseError> {
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    let mut builder = Builder {
        text,
        places: Places::new(text, base),
        open: Vec::new(),
        root: None,
        anchors: FxHashMap::default(),
        nodes: 0,
        copied: 0,
    };
    let mut documents = 0;
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let at = builder.places.byte(error.marker().index());
            explain::syntax(text, at, &builder.places, error.info())
        })?;
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if documents > 1 {
                let at = builder.places.byte(span.start.index());
                return Err(explain::second_document(&builder.places, at));
            }
        }
        builder.event(event, span)?;
    }
    // A document that is only a `---` line comes as one null of no length.
    Ok(builder
        .root
        .filter(|root| root.span.start < root.span.end || !matches!(root.kind, Kind::Scalar { .. })))
}

impl<'a> Builder<'a> {
    fn event(&mut self, event: Event<'a>, span: Span) -> Result<(), ParseError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), span),
            Event::SequenceStart(anchor, tag) => {
                self.start(anchor, tag.as_deref(), span, "seq", Content::Seq(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => self.start(
                anchor,
                tag.as_deref(),
                span,
                "map",
                Content::Map { entries: Vec::new(), key: None },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn bytes(&self, span: Span) -> Range<usize> {
        self.places.byte(span.start.index())..self.places.byte(span.end.index())
    }

    fn scalar(
        &mut self,
        mut text: Cow<'a, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), ParseError> {
        let loose = self.bytes(span);
        let start =
            if anchor > 0 || tag.is_some() { behind_properties(self.text, loose.start) } else { loose.start };
        let (bytes, absent) = match style {
            ScalarStyle::Plain => (start.min(loose.end)..loose.end, text.is_empty()),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                (start..quote_end(self.text, start).unwrap_or(loose.end), false)
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                // The YAML library adds the line break that the last line of the document lacks; `kubectl` does not.
                if loose.end == self.text.len() && !self.text.ends_with('\n') {
                    let last_line = self.text.rsplit('\n').next().unwrap_or_default();
                    let added = if last_line.trim_ascii().is_empty() { "\n\n" } else { "\n" };
                    if text.ends_with(added) {
                        text.to_mut().pop();
                    }
                }
                let bytes = without_blanks(self.text, loose.clone());
                (bytes.clone(), bytes.is_empty())
            }
        };
        let mut plain = style == ScalarStyle::Plain;
        if plain && explain::has_foreign_break(&text) {
            return Err(explain::foreign_break(self.places.span(bytes)));
        }
        if let Some(tag) = tag {
            plain = self.tagged(&text, plain, tag, loose.start..bytes.end)?;
        }
        let mut node_span = self.places.span(bytes.clone());
        let mut end = bytes.end;
        if absent && let Some(key) = self.pending_key() {
            node_span = key.clone();
            end = 0;
        }
        let node = Node { span: node_span, kind: Kind::Scalar { text, plain } };
        self.count(1, &bytes)?;
        self.add(node, anchor, bytes.start..end)
    }

    /// Whether a scalar with a tag is subject to type resolution.
    fn tagged(&self, text: &str, plain: bool, tag: &Tag, bytes: Range<usize>) -> Result<bool, ParseError> {
        let resolved = scalar::resolve(text, true);
        let fits = match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
            (true, "str" | "timestamp") => return Ok(false),
            (false, "!") if tag.handle.is_empty() => return Ok(false),
            (true, "int") => matches!(resolved, Scalar::Int(_)),
            (true, "float") => matches!(resolved, Scalar::Int(_) | Scalar::Float(_)),
            (true, "bool") => matches!(resolved, Scalar::Bool(_)),
            (true, "null") => matches!(resolved, Scalar::Null),
            (true, "merge") if text == "<<" => return Ok(plain),
            _ => return Err(explain::unknown_tag(tag, self.places.span(first_word(self.text, bytes.start)))),
        };
        if fits { Ok(true) } else { Err(explain::wrong_tag(text, &tag.suffix, self.places.span(bytes))) }
    }

    fn start(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
        core: &str,
        content: Content<'a>,
    ) -> Result<(), ParseError> {
        let bytes = self.bytes(span);
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && tag.suffix == core)
        {
            return Err(explain::unknown_tag(tag, self.places.span(first_word(self.text, bytes.start))));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(explain::too_deep(self.places.span(bytes)));
        }
        self.count(1, &bytes)?;
        let start =
            if anchor > 0 || tag.is_some() { behind_properties(self.text, bytes.start) } else { bytes.start };
        self.open.push(Open { anchor, start, first: None, end: start, content });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), ParseError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let loose = self.bytes(span);
        // A flow collection starts with a bracket of its own, before its first item.
        let bracket = matches!(self.text.as_bytes().get(open.start), Some(b'{' | b'['));
        let bytes = if bracket && open.first != Some(open.start) {
            open.start..behind_bracket(self.text, loose.start)
        } else {
            let first = open.first.unwrap_or(open.start);
            first..open.end.max(first)
        };
        let kind = match open.content {
            Content::Seq(items) => Kind::Seq(items),
            Content::Map { entries, .. } => Kind::Map(mapping::finish(entries)?),
        };
        let node = Node { span: self.places.span(bytes.clone()), kind };
        self.add(node, open.anchor, bytes)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), ParseError> {
        let bytes = self.bytes(span);
        let Some((node, nodes)) = self.anchors.get(&anchor) else {
            return Err(explain::alias_in_itself(self.places.span(bytes)));
        };
        let (node, nodes) = (node.clone(), *nodes);
        self.copy(nodes, &bytes)?;
        self.add(node, 0, bytes)
    }

    /// Adds a finished node, which stands at `bytes`, to the innermost open collection.
    fn add(&mut self, mut node: Node<'a>, anchor: usize, bytes: Range<usize>) -> Result<(), ParseError> {
        if anchor > 0 {
            let nodes = size(&node);
            self.copy(nodes, &bytes)?;
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.first.get_or_insert(bytes.start);
        open.end = open.end.max(bytes.end);
        match &mut open.content {
            Content::Seq(items) => items.push(node),
            Content::Map { entries, key } => match key.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    mapping::check_key(&mut node)?;
                    *key = Some(node);
                }
            },
        }
        Ok(())
    }

    fn pending_key(&self) -> Option<&Range<u32>> {
        match &self.open.last()?.content {
            Content::Map { key: Some(key), .. } => Some(&key.span),
            Content::Map { key: None, .. } | Content::Seq(_) => None,
        }
    }

    fn count(&mut self, nodes: usize, at: &Range<usize>) -> Result<(), ParseError> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            Err(explain::too_many_nodes(self.places.span(at.clone())))
        } else {
            Ok(())
        }
    }

    fn copy(&mut self, nodes: usize, at: &Range<usize>) -> Result<(), ParseError> {
        self.copied += nodes;
        if self.copied > MAX_ALIASED_NODES {
            return Err(explain::too_many_copies(self.places.span(at.clone())));
        }
        Ok(())
    }
}

/// How many nodes a tree has.
fn size(node: &Node<'_>) -> usize {
    1 + match &node.kind {
        Kind::Scalar { .. } => 0,
        Kind::Seq(items) => items.iter().map(size).sum(),
        Kind::Map(entries) => entries.iter().map(|(key, value)| size(key) + size(value)).sum(),
    }
}

/// Where a node's content starts whose anchor or tag starts at `start`.
fn behind_properties(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let skip = |mut at: usize, stop: fn(u8) -> bool| {
        while bytes.get(at).is_some_and(|byte| !stop(*byte)) {
            at += 1;
        }
        at
    };
    let mut at = start;
    loop {
        at = match bytes.get(at) {
            Some(b'&' | b'!') => skip(at, |byte| byte.is_ascii_whitespace()),
            Some(b' ' | b'\t' | b'\r' | b'\n') => skip(at, |byte| !byte.is_ascii_whitespace()),
            Some(b'#') => skip(at, |byte| byte == b'\n'),
            _ => return at,
        };
    }
}

/// The bytes from `start` to the next blank.
fn first_word(text: &str, start: usize) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    start..start + rest.find([' ', '\t', '\r', '\n']).unwrap_or(rest.len())
}

/// One past the quote that closes the one at `start`.
fn quote_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = *bytes.get(start).filter(|byte| matches!(byte, b'"' | b'\''))?;
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(quote, b'\\', bytes.get(at..)?)?;
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'\\'), _) if quote == b'"' => at += 2,
            (Some(b'\\'), _) => at += 1,
            (_, Some(b'\'')) if quote == b'\'' => at += 2,
            _ => return Some(at + 1),
        }
    }
}

/// One past the closing bracket that comes next, behind commas, blanks and comments.
fn behind_bracket(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = start;
    loop {
        match bytes.get(at) {
            Some(b'#') => at += memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()).unwrap_or(1),
            Some(b',' | b' ' | b'\t' | b'\r' | b'\n') => at += 1,
            Some(_) => return at + 1,
            None => return at,
        }
    }
}

/// The bytes without the blanks and line breaks at both ends.
fn without_blanks(text: &str, bytes: Range<usize>) -> Range<usize> {
    let Some(part) = text.get(bytes.clone()) else { return bytes };
    let start = bytes.start + (part.len() - part.trim_ascii_start().len());
    let end = bytes.end - (part.len() - part.trim_ascii_end().len());
    start.min(end)..end
}
