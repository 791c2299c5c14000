//! One line of a plain scalar. In: a reader at its first byte. Out: where it ends, and what made it end.

use super::{GiveUp, Read, Reader};

/// What a plain scalar of a block node ends at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A `:` that makes it a key.
    Colon,
    /// The end of the line, or a comment.
    LineEnd,
}

const fn table(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut rest = bytes;
    while let [first, behind @ ..] = rest {
        #[expect(clippy::indexing_slicing, reason = "a byte is below 256, and this runs while compiling")]
        {
            table[*first as usize] = true;
        }
        rest = behind;
    }
    table
}

/// The bytes that may end a plain scalar, outside and inside of a flow collection.
static BLOCK: [bool; 256] = table(b"\n\r\t:#");
static FLOW: [bool; 256] = table(b"\n\r\t:#,[]{}-");
/// The bytes that no plain scalar starts with, `-` and `:` excepted.
static INDICATORS: [bool; 256] = table(b"?,[]{}#&*!|>'\"%@` \t\r\n");

fn is_in(table: &[bool; 256], byte: u8) -> bool {
    table.get(usize::from(byte)).copied().unwrap_or(true)
}

pub(super) fn is_blank_or_end(byte: Option<u8>) -> bool {
    matches!(byte, None | Some(b' ' | b'\t' | b'\r' | b'\n'))
}

fn is_bracket_or_comma(byte: u8) -> bool {
    matches!(byte, b',' | b'[' | b']' | b'{' | b'}')
}

impl Reader<'_> {
    /// Reads the first line of a plain scalar outside of flow collections; the reader is behind its last byte that is not
    /// blank.
    pub(super) fn plain_block(&mut self) -> Read<(usize, Stop)> {
        match self.peek() {
            Some(b'-' | b':') if !is_blank_or_end(self.peek_at(1)) => {}
            Some(b'-' | b':') | None => return Err(GiveUp),
            Some(byte) if is_in(&INDICATORS, byte) => return Err(GiveUp),
            Some(_) => {}
        }
        self.plain_rest()
    }

    /// As [`Self::plain_block`], for a line of a scalar that any character may start.
    pub(super) fn plain_rest(&mut self) -> Read<(usize, Stop)> {
        let start = self.at;
        let stop = loop {
            self.skip_to(&BLOCK);
            match self.peek() {
                None | Some(b'\n' | b'\r') => break Stop::LineEnd,
                Some(b':') if is_blank_or_end(self.peek_at(1)) => break Stop::Colon,
                Some(b'#') if self.bytes.get(self.at.wrapping_sub(1)) == Some(&b' ') => break Stop::LineEnd,
                Some(b'\t') => return Err(GiveUp),
                Some(_) => self.at += 1,
            }
        };
        Ok((self.back_over_spaces(start), stop))
    }

    /// Reads a plain scalar inside of a flow collection; the reader is behind its last byte that is not blank, and
    /// before a comma, a closing bracket, a `:` that makes it a key, a comment or the end of the line.
    pub(super) fn plain_flow(&mut self) -> Read<usize> {
        let start = self.at;
        match self.peek() {
            Some(b'-') if self.peek_at(1).is_some_and(|byte| !is_in(&FLOW, byte) && byte != b' ') => {}
            Some(b'-' | b':') | None => return Err(GiveUp),
            Some(byte) if is_in(&INDICATORS, byte) => return Err(GiveUp),
            Some(_) => {}
        }
        loop {
            self.skip_to(&FLOW);
            match self.peek() {
                None | Some(b'\n' | b'\r' | b',' | b']' | b'}') => break,
                Some(b':') if is_blank_or_end(self.peek_at(1)) => break,
                Some(b':') if self.peek_at(1).is_some_and(is_bracket_or_comma) => return Err(GiveUp),
                Some(b'-') if self.peek_at(1).is_some_and(is_bracket_or_comma) => return Err(GiveUp),
                Some(b'#') if self.bytes.get(self.at.wrapping_sub(1)) == Some(&b' ') => break,
                Some(b'\t' | b'[' | b'{') => return Err(GiveUp),
                Some(_) => self.at += 1,
            }
        }
        Ok(self.back_over_spaces(start))
    }

    fn skip_to(&mut self, stops: &[bool; 256]) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| is_in(stops, *byte)).unwrap_or(rest.len());
        self.at += length;
    }

    fn back_over_spaces(&mut self, start: usize) -> usize {
        while self.at > start && self.bytes.get(self.at - 1) == Some(&b' ') {
            self.at -= 1;
        }
        self.at
    }
}
