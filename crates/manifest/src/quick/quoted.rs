//! Quoted scalars. In: a reader at the opening quote. Out: the node; the reader is behind the closing quote.

use std::borrow::Cow;

use super::{GiveUp, Read, Reader};
use crate::tree::Node;

impl<'a> Reader<'a> {
    /// The quoted scalar at the current position, and how many lines it takes.
    pub(super) fn quoted(&mut self) -> Read<(Node<'a>, usize)> {
        let start = self.at;
        let (text, lines) =
            if self.peek() == Some(b'"') { self.double_quoted()? } else { self.single_quoted()? };
        let end = self.at;
        Ok((self.scalar_node(start, end, text, false)?, lines))
    }

    fn single_quoted(&mut self) -> Read<(Cow<'a, str>, usize)> {
        let mut start = self.at + 1;
        let mut lines = 1;
        let mut text: Option<String> = None;
        self.at = start;
        loop {
            let rest = self.bytes.get(self.at..).ok_or(GiveUp)?;
            self.at += memchr::memchr2(b'\'', b'\n', rest).ok_or(GiveUp)?;
            let part = self.slice(start, self.at)?;
            if self.peek() == Some(b'\n') {
                lines += self.fold(text.get_or_insert_default(), part)?;
            } else if self.peek_at(1) == Some(b'\'') {
                let text = text.get_or_insert_default();
                text.push_str(part);
                text.push('\'');
                self.at += 2;
            } else {
                self.at += 1;
                return Ok((joined(text, part), lines));
            }
            start = self.at;
        }
    }

    fn double_quoted(&mut self) -> Read<(Cow<'a, str>, usize)> {
        let mut start = self.at + 1;
        let mut lines = 1;
        let mut text: Option<String> = None;
        self.at = start;
        loop {
            let rest = self.bytes.get(self.at..).ok_or(GiveUp)?;
            self.at += memchr::memchr3(b'"', b'\\', b'\n', rest).ok_or(GiveUp)?;
            let part = self.slice(start, self.at)?;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok((joined(text, part), lines));
                }
                Some(b'\\') => {
                    let text = text.get_or_insert_default();
                    text.push_str(part);
                    self.at += 1;
                    if matches!(self.peek(), Some(b'\n' | b'\r')) {
                        // The line break is escaped, and with it the blanks that follow.
                        lines += self.line_breaks(text)?;
                    } else {
                        text.push(self.escape()?);
                    }
                }
                _ => lines += self.fold(text.get_or_insert_default(), part)?,
            }
            start = self.at;
        }
    }

    /// Ends a line of a quoted scalar, of which `part` is not yet in `text`: the blanks around its end become one, and
    /// each blank line a line break. Returns how many lines were ended; the reader is at the next one's first character.
    fn fold(&mut self, text: &mut String, part: &str) -> Read<usize> {
        // A blank that an escape stands for is not one at the end of the line, so only `part` is trimmed.
        text.push_str(part.trim_ascii_end());
        let before = text.len();
        let breaks = self.line_breaks(text)?;
        if text.len() == before {
            text.push(' ');
        }
        Ok(breaks)
    }

    /// Skips line breaks and the blanks around them; each behind the first is one of the text's. Returns how many there
    /// are.
    fn line_breaks(&mut self, text: &mut String) -> Read<usize> {
        let mut breaks = 0;
        loop {
            match self.peek() {
                Some(b'\n') => {
                    breaks += 1;
                    self.at += 1;
                    if self.peek().is_some_and(|byte| self.is_marker(byte)) {
                        return Err(GiveUp);
                    }
                    if breaks > 1 {
                        text.push('\n');
                    }
                }
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(_) => return Ok(breaks),
                None => return Err(GiveUp),
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

fn joined<'a>(text: Option<String>, part: &'a str) -> Cow<'a, str> {
    match text {
        None => Cow::Borrowed(part),
        Some(mut text) => {
            text.push_str(part);
            Cow::Owned(text)
        }
    }
}
