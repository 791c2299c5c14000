//! Quoted scalars on one line. In: a reader at the opening quote. Out: the node; the reader is behind the closing quote.

use std::borrow::Cow;

use super::{GiveUp, Read, Reader};
use crate::tree::Node;

impl<'a> Reader<'a> {
    /// The quoted scalar at the current position, and where it ends.
    pub(super) fn quoted(&mut self) -> Read<(Node<'a>, usize)> {
        let start = self.at;
        let text = if self.peek() == Some(b'"') { self.double_quoted()? } else { self.single_quoted()? };
        let end = self.at;
        Ok((self.scalar_node(start, end, text, false)?, end))
    }

    fn single_quoted(&mut self) -> Read<Cow<'a, str>> {
        let start = self.at + 1;
        let mut doubled = false;
        self.at = start;
        loop {
            let rest = self.bytes.get(self.at..).ok_or(GiveUp)?;
            self.at += memchr::memchr2(b'\'', b'\n', rest).ok_or(GiveUp)?;
            if self.peek() == Some(b'\n') {
                return Err(GiveUp);
            }
            if self.peek_at(1) != Some(b'\'') {
                break;
            }
            doubled = true;
            self.at += 2;
        }
        let text = self.slice(start, self.at)?;
        self.at += 1;
        Ok(if doubled { Cow::Owned(text.replace("''", "'")) } else { Cow::Borrowed(text) })
    }

    fn double_quoted(&mut self) -> Read<Cow<'a, str>> {
        let mut start = self.at + 1;
        let mut text = String::new();
        self.at = start;
        loop {
            let rest = self.bytes.get(self.at..).ok_or(GiveUp)?;
            self.at += memchr::memchr3(b'"', b'\\', b'\n', rest).ok_or(GiveUp)?;
            let part = self.slice(start, self.at)?;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    if text.is_empty() {
                        return Ok(Cow::Borrowed(part));
                    }
                    text.push_str(part);
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    text.push_str(part);
                    self.at += 1;
                    text.push(self.escape()?);
                    start = self.at;
                }
                _ => return Err(GiveUp),
            }
        }
    }

    /// The character that an escape stands for; the reader is behind the backslash (YAML 1.2.2, section 5.7).
    fn escape(&mut self) -> Read<char> {
        let code = self.peek().ok_or(GiveUp)?;
        self.at += 1;
        Ok(match code {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b' ' => ' ',
            b'0' => '\0',
            b'a' => '\x07',
            b'b' => '\x08',
            b'v' => '\x0b',
            b'f' => '\x0c',
            b'e' => '\x1b',
            b'N' => '\u{85}',
            b'_' => '\u{a0}',
            b'L' => '\u{2028}',
            b'P' => '\u{2029}',
            b'x' => char::from_u32(self.hex(2)?).ok_or(GiveUp)?,
            b'U' => char::from_u32(self.hex(8)?).ok_or(GiveUp)?,
            b'u' => match self.hex(4)? {
                // JSON writes characters beyond the first plane as two halves (RFC 8259, section 7).
                high @ 0xd800..0xdc00 if self.json => {
                    if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u")) {
                        return Err(GiveUp);
                    }
                    self.at += 2;
                    match self.hex(4)? {
                        low @ 0xdc00..0xe000 => {
                            let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                            char::from_u32(code).ok_or(GiveUp)?
                        }
                        _ => return Err(GiveUp),
                    }
                }
                other => char::from_u32(other).ok_or(GiveUp)?,
            },
            _ => return Err(GiveUp),
        })
    }

    fn hex(&mut self, digits: usize) -> Read<u32> {
        let text = self.text.get(self.at..self.at + digits).ok_or(GiveUp)?;
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(GiveUp);
        }
        self.at += digits;
        u32::from_str_radix(text, 16).map_err(|_| GiveUp)
    }
}
