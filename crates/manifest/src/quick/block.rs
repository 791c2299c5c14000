//! Block mappings and sequences. In: a reader at the first byte of one. Out: its node; the reader is at the first byte
//! of the next line that belongs to something else.

use std::borrow::Cow;

use super::{GiveUp, MAX_KEY, Read, Reader, plain::Stop};
use crate::tree::{Kind, Node};

impl<'a> Reader<'a> {
    /// The mapping or sequence that the document consists of.
    pub(super) fn root(&mut self) -> Read<Node<'a>> {
        let column = self.column;
        let (node, _) = self.nested(None, column)?;
        match node.kind {
            Kind::Seq(_) | Kind::Map(_) => Ok(node),
            Kind::Scalar { .. } => Err(GiveUp),
        }
    }

    fn starts_item(&self) -> bool {
        self.peek() == Some(b'-') && matches!(self.peek_at(1), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
    }

    /// The node at the current position, in column `column`, on its own line or behind a dash; and where its content
    /// ends. `parent` is the column of the collection that it belongs to.
    fn nested(&mut self, parent: Option<usize>, column: usize) -> Read<(Node<'a>, usize)> {
        let start = self.at;
        match self.peek().ok_or(GiveUp)? {
            b'-' if self.starts_item() => self.block_seq(column),
            b'{' | b'[' => {
                let node = self.flow()?;
                let end = self.at;
                self.end_line()?;
                Ok((node, end))
            }
            b'"' | b'\'' => {
                let (node, lines) = self.quoted()?;
                if lines == 1 && self.colon(start) {
                    return self.block_map(column, start, node);
                }
                let end = self.at;
                self.end_line()?;
                Ok((node, end))
            }
            _ => {
                let (end, stop) = self.plain_block()?;
                if stop == Stop::Colon {
                    let text = self.slice(start, end)?;
                    let key = self.scalar_node(start, end, Cow::Borrowed(text), true)?;
                    return if self.colon(start) { self.block_map(column, start, key) } else { Err(GiveUp) };
                }
                self.plain_value(parent.ok_or(GiveUp)?, start, end)
            }
        }
    }

    /// A plain scalar whose first line, from `start` to `end`, is read; it goes on in the lines below that are indented
    /// deeper than `parent`.
    fn plain_value(&mut self, parent: usize, start: usize, end: usize) -> Read<(Node<'a>, usize)> {
        let mut folded = String::new();
        let mut end = end;
        loop {
            let behind = self.at;
            self.end_line()?;
            if self.ended || self.column <= parent {
                break;
            }
            // A comment ends the scalar; what follows it so deep is then an error.
            let between = self.bytes.get(behind..self.at).unwrap_or_default();
            if memchr::memchr(b'#', between).is_some() {
                return Err(GiveUp);
            }
            if folded.is_empty() {
                folded.push_str(self.slice(start, end)?);
            }
            match memchr::memchr_iter(b'\n', between).count() {
                0 | 1 => folded.push(' '),
                breaks => folded.extend(std::iter::repeat_n('\n', breaks - 1)),
            }
            let line = self.at;
            let (line_end, stop) = self.plain_rest()?;
            if stop == Stop::Colon {
                return Err(GiveUp);
            }
            end = line_end;
            folded.push_str(self.slice(line, end)?);
        }
        let text =
            if folded.is_empty() { Cow::Borrowed(self.slice(start, end)?) } else { Cow::Owned(folded) };
        Ok((self.scalar_node(start, end, text, true)?, end))
    }

    /// Whether a `:` makes what started at `start` a key; goes behind it.
    fn colon(&mut self, start: usize) -> bool {
        let behind = self.at;
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        if self.peek() == Some(b':')
            && matches!(self.peek_at(1), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
            && self.at - start <= MAX_KEY
        {
            self.at += 1;
            return true;
        }
        self.at = behind;
        false
    }

    /// A sequence whose dashes are in `column`; the reader is at the first.
    fn block_seq(&mut self, column: usize) -> Read<(Node<'a>, usize)> {
        self.open()?;
        let first = self.items.len();
        let mut start = None;
        let mut end;
        loop {
            let dash = self.at;
            self.at += 1;
            while self.peek() == Some(b' ') {
                self.at += 1;
            }
            let (item, item_end) = match self.peek() {
                Some(b'\n' | b'\r' | b'#') | None => {
                    self.skip_line();
                    self.next_line()?;
                    if self.ended || self.column <= column {
                        // A null.
                        return Err(GiveUp);
                    }
                    self.nested(Some(column), self.column)?
                }
                Some(b'|' | b'>') => self.block_text(column)?,
                Some(_) => self.nested(Some(column), column + (self.at - dash))?,
            };
            start.get_or_insert(self.local(item.span.start));
            end = item_end;
            self.items.push(item);
            if self.ended || self.column < column {
                break;
            }
            if self.column > column {
                return Err(GiveUp);
            }
            if !self.starts_item() {
                break;
            }
        }
        Ok((self.close_seq(first, start.unwrap_or_default(), end), end))
    }

    /// A mapping whose keys are in `column`; its first key, which starts at `start`, and the colon are read.
    fn block_map(&mut self, column: usize, start: usize, first_key: Node<'a>) -> Read<(Node<'a>, usize)> {
        self.open()?;
        let first = self.entries.len();
        let mut key = self.key(first_key)?;
        let mut end;
        loop {
            let (value, value_end) = self.value(column, &key)?;
            end = value_end.unwrap_or_else(|| self.local(key.span.end));
            self.entries.push((key, value));
            if self.ended || self.column < column {
                break;
            }
            if self.column > column {
                return Err(GiveUp);
            }
            let key_start = self.at;
            let next = match self.peek() {
                Some(b'"' | b'\'') => match self.quoted()? {
                    (node, 1) => node,
                    _ => return Err(GiveUp),
                },
                _ => {
                    let (end, stop) = self.plain_block()?;
                    if stop == Stop::LineEnd {
                        return Err(GiveUp);
                    }
                    let text = self.slice(key_start, end)?;
                    self.scalar_node(key_start, end, Cow::Borrowed(text), true)?
                }
            };
            if !self.colon(key_start) {
                return Err(GiveUp);
            }
            key = self.key(next)?;
        }
        Ok((self.close_map(first, start, end)?, end))
    }

    /// The value behind the colon of a key in `column`, and where it ends if it is there.
    fn value(&mut self, column: usize, key: &Node<'a>) -> Read<(Node<'a>, Option<usize>)> {
        self.skip_blanks();
        let start = self.at;
        match self.peek() {
            None | Some(b'\n' | b'\r' | b'#') => {
                self.skip_line();
                self.next_line()?;
                if !self.ended {
                    if self.column > column {
                        return self.nested(Some(column), self.column).map(|(node, end)| (node, Some(end)));
                    }
                    if self.column == column && self.starts_item() {
                        return self.block_seq(column).map(|(node, end)| (node, Some(end)));
                    }
                }
                self.count()?;
                let kind = Kind::Scalar { text: Cow::Borrowed(""), plain: true };
                Ok((Node { span: key.span.clone(), kind }, None))
            }
            Some(b'|' | b'>') => self.block_text(column).map(|(node, end)| (node, Some(end))),
            Some(b'{' | b'[') => {
                let node = self.flow()?;
                let end = self.at;
                self.end_line()?;
                Ok((node, Some(end)))
            }
            Some(b'"' | b'\'') => {
                let (node, _) = self.quoted()?;
                let end = self.at;
                self.end_line()?;
                Ok((node, Some(end)))
            }
            Some(_) => {
                let (end, stop) = self.plain_block()?;
                if stop == Stop::Colon {
                    return Err(GiveUp);
                }
                self.plain_value(column, start, end).map(|(node, end)| (node, Some(end)))
            }
        }
    }
}
