//! Blocks of text (`|`, `>`). In: a reader at the indicator. Out: the node; the reader is at the first byte of the next
//! line that belongs to something else.

use std::borrow::Cow;

use super::{GiveUp, Read, Reader};
use crate::tree::Node;

/// One line of the text, without its indentation and line break.
struct Line<'a> {
    start: usize,
    text: &'a str,
}

impl<'a> Reader<'a> {
    /// A block of text below a key or dash in column `parent`; and where its content ends. Indentation indicators,
    /// folding of more than plain paragraphs, and texts without a final line break are for the general parser.
    pub(super) fn block_text(&mut self, parent: usize) -> Read<(Node<'a>, usize)> {
        let folded = self.peek() == Some(b'>');
        self.at += 1;
        let chomp = self.peek().filter(|byte| matches!(byte, b'-' | b'+'));
        if chomp.is_some() {
            self.at += 1;
        }
        self.end_of_header()?;
        let leading = self.blank_lines()?;
        let indent = self.spaces();
        let first = self.at + indent;
        if indent <= parent || matches!(self.bytes.get(first), None | Some(b'\t' | b'\r' | b'\n')) {
            return Err(GiveUp);
        }
        let mut text = String::new();
        let mut start = None;
        let mut end = first;
        // Blank lines that count only if content follows, or are kept.
        let mut blank = leading;
        let mut lines = 0;
        let mut only = None;
        while let Some(line) = self.content_line(indent)? {
            let trimmed = line.text.trim_ascii_end();
            if line.text.is_empty() {
                blank += 1;
                continue;
            }
            if folded && (blank > 0 || line.text.starts_with([' ', '\t']) || chomp == Some(b'+')) {
                return Err(GiveUp);
            }
            if start.is_none() {
                start = Some(line.start);
            }
            if !trimmed.is_empty() {
                end = line.start + trimmed.len();
            }
            if lines == 0 && blank == 0 {
                only = Some(line);
            } else {
                if let Some(first) = only.take() {
                    text.push_str(first.text);
                }
                if lines > 0 {
                    text.push(if folded { ' ' } else { '\n' });
                }
                text.extend(std::iter::repeat_n('\n', blank));
                text.push_str(line.text);
            }
            lines += 1;
            blank = 0;
        }
        let start = start.ok_or(GiveUp)?;
        let text = match (only, chomp) {
            (Some(line), Some(b'-')) => Cow::Borrowed(line.text),
            (Some(line), None) if self.bytes.get(line.start + line.text.len()) == Some(&b'\n') => {
                Cow::Borrowed(self.slice(line.start, line.start + line.text.len() + 1)?)
            }
            (only, _) => {
                if let Some(line) = only {
                    text.push_str(line.text);
                }
                if chomp != Some(b'-') {
                    text.push('\n');
                }
                if chomp == Some(b'+') {
                    text.extend(std::iter::repeat_n('\n', blank));
                }
                Cow::Owned(text)
            }
        };
        self.next_line()?;
        Ok((self.scalar_node(start, end, text, false)?, end))
    }

    fn end_of_header(&mut self) -> Read<()> {
        let start = self.at;
        self.skip_blanks();
        match self.peek() {
            Some(b'\n' | b'\r') => {}
            Some(b'#') if self.at > start => {}
            _ => return Err(GiveUp),
        }
        self.skip_line();
        Ok(())
    }

    /// Skips empty lines; one with blanks in it may be wider than the first line of content, which is an error.
    fn blank_lines(&mut self) -> Read<usize> {
        let mut lines = 0;
        loop {
            match (self.peek(), self.peek_at(1)) {
                (Some(b'\n'), _) => self.at += 1,
                (Some(b'\r'), Some(b'\n')) => self.at += 2,
                (None, _) => return Err(GiveUp),
                _ => return Ok(lines),
            }
            lines += 1;
        }
    }

    /// How many spaces come next.
    fn spaces(&self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        rest.iter().position(|byte| *byte != b' ').unwrap_or(rest.len())
    }

    /// The line at the current position, if it belongs to a text indented by `indent`; goes behind it.
    fn content_line(&mut self, indent: usize) -> Read<Option<Line<'a>>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let spaces = self.spaces().min(indent);
        let line_end = memchr::memchr(b'\n', rest);
        let next = self.bytes.get(self.at + spaces);
        if spaces < indent && !matches!(next, Some(b'\n' | b'\r')) {
            return if next.is_none() { Err(GiveUp) } else { Ok(None) };
        }
        // Without a final line break, parsers differ on whether the text ends in one.
        let length = line_end.ok_or(GiveUp)?;
        let start = self.at + spaces;
        let end = self.at + length;
        let text = self.slice(start, end)?;
        self.at = end + 1;
        Ok(Some(Line { start, text: text.strip_suffix('\r').unwrap_or(text) }))
    }
}
