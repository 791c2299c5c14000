//! Flow collections, and so JSON. In: a reader at the opening bracket. Out: the node; the reader is behind the closing
//! bracket.

use std::borrow::Cow;

use super::{GiveUp, MAX_KEY, Read, Reader, plain::is_blank_or_end};
use crate::tree::Node;

impl<'a> Reader<'a> {
    /// The flow collection at the current position.
    pub(super) fn flow(&mut self) -> Read<Node<'a>> {
        self.open()?;
        let start = self.at;
        self.at += 1;
        if self.bytes.get(start) == Some(&b'[') { self.flow_seq(start) } else { self.flow_map(start) }
    }

    fn flow_seq(&mut self, start: usize) -> Read<Node<'a>> {
        let first = self.items.len();
        self.flow_space()?;
        while self.peek() != Some(b']') {
            let item = self.flow_value()?;
            self.items.push(item);
            self.flow_space()?;
            if !self.flow_next(b']')? {
                break;
            }
        }
        self.at += 1;
        Ok(self.close_seq(first, start, self.at))
    }

    fn flow_map(&mut self, start: usize) -> Read<Node<'a>> {
        let first = self.entries.len();
        self.flow_space()?;
        while self.peek() != Some(b'}') {
            let key_start = self.at;
            let (key, quoted) = match self.peek() {
                Some(b'"' | b'\'') => match self.quoted()? {
                    (key, 1) => (key, true),
                    _ => return Err(GiveUp),
                },
                _ => {
                    let end = self.plain_flow()?;
                    let text = self.slice(key_start, end)?;
                    (self.scalar_node(key_start, end, Cow::Borrowed(text), true)?, false)
                }
            };
            let key = self.key(key)?;
            self.skip_blanks();
            // Behind a quoted key the value may follow at once, as in compact JSON.
            let is_key = self.peek() == Some(b':') && (quoted || is_blank_or_end(self.peek_at(1)));
            if !is_key || self.at - key_start > MAX_KEY {
                return Err(GiveUp);
            }
            self.at += 1;
            self.flow_space()?;
            let value = self.flow_value()?;
            self.entries.push((key, value));
            self.flow_space()?;
            if !self.flow_next(b'}')? {
                break;
            }
        }
        self.at += 1;
        self.close_map(first, start, self.at)
    }

    /// The value at the current position; one that is not there is for the general parser.
    fn flow_value(&mut self) -> Read<Node<'a>> {
        let start = self.at;
        match self.peek() {
            Some(b'{' | b'[') => self.flow(),
            Some(b'"' | b'\'') => Ok(self.quoted()?.0),
            _ => {
                let end = self.plain_flow()?;
                let text = self.slice(start, end)?;
                self.scalar_node(start, end, Cow::Borrowed(text), true)
            }
        }
    }

    /// Behind an item: goes behind the comma, if there is one, to what follows. Otherwise the collection must end here,
    /// with `close`.
    fn flow_next(&mut self, close: u8) -> Read<bool> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.flow_space()?;
                Ok(true)
            }
            Some(byte) if byte == close => Ok(false),
            _ => Err(GiveUp),
        }
    }

    /// Skips blanks, line breaks and comments.
    fn flow_space(&mut self) -> Read<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\n') => {
                    self.at += 1;
                    if self.peek().is_some_and(|byte| self.is_marker(byte)) {
                        return Err(GiveUp);
                    }
                }
                Some(b'#') if is_blank_or_end(self.bytes.get(self.at.wrapping_sub(1)).copied()) => {
                    let rest = self.bytes.get(self.at..).unwrap_or_default();
                    self.at += memchr::memchr(b'\n', rest).ok_or(GiveUp)?;
                }
                Some(_) => return Ok(()),
                None => return Err(GiveUp),
            }
        }
    }
}
