//! Where a value was written. In: source texts by name. Out: origins that turn into `file:line:column` and snippets.

use std::{ops::Range, sync::OnceLock};

use crate::Text;

/// Number of a source text within [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// The bytes `start..end` of one source text. [`Origin::NONE`] marks a value that no text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The text that holds the value.
    pub source: SourceId,
    /// First byte of the value.
    pub start: u32,
    /// One past the last byte of the value.
    pub end: u32,
}

impl Origin {
    /// The origin of a value that no text holds (made in a test, implied by another object).
    pub const NONE: Self = Self { source: SourceId(u32::MAX), start: 0, end: 0 };

    /// Whether a text holds the value.
    #[must_use]
    pub fn is_some(self) -> bool {
        self.source != Self::NONE.source
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self::NONE
    }
}

/// Line and column, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One text and the name that people know it by (a relative path, `<stdin>`, an object of a live cluster).
#[derive(Clone, Debug)]
pub struct Source {
    /// The name shown to people.
    pub name: Text,
    /// The whole text.
    pub text: Text,
    lines: OnceLock<Vec<u32>>,
    /// The number of characters that begin before every block of bytes; asked for only where lines are long.
    blocks: OnceLock<Vec<u32>>,
}

/// Bytes of a block in [`Source::characters_before`]; the column of a place in a shorter line is counted.
const BLOCK: usize = 1 << 12;

impl Source {
    /// Byte offset of the start of every line; built on first use.
    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let mut starts = vec![0];
            for (at, byte) in self.text.bytes().enumerate() {
                if byte == b'\n' {
                    starts.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
                }
            }
            starts
        })
    }

    /// Line and column of a byte offset; offsets past the end count as the end.
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        let lines = self.lines();
        let line = lines.partition_point(|start| *start <= offset).max(1);
        let start = lines.get(line - 1).copied().unwrap_or(0) as usize;
        let end = (offset as usize).min(self.text.len());
        let column = if end.saturating_sub(start) > BLOCK {
            self.characters_before(end).saturating_sub(self.characters_before(start))
        } else {
            self.text.get(start..end).map_or(0, |before| before.chars().count())
        };
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
        }
    }

    /// How many characters begin before a byte: what the blocks before its own hold, and the rest counted. A text that is one
    /// line of many megabytes is not counted anew for every place in it.
    fn characters_before(&self, byte: usize) -> usize {
        let bytes = self.text.as_bytes();
        let begin = |bytes: &[u8]| bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        let blocks = self.blocks.get_or_init(|| {
            let mut sum = 0;
            let before = bytes.chunks(BLOCK).map(|block| {
                let before = sum;
                sum += u32::try_from(begin(block)).unwrap_or(u32::MAX);
                before
            });
            before.collect()
        });
        let (block, from) = (byte / BLOCK, byte / BLOCK * BLOCK);
        match blocks.get(block) {
            Some(before) => *before as usize + bytes.get(from..byte).map_or(0, begin),
            None => begin(bytes),
        }
    }

    /// The bytes of a line (from 1) without its line break; nothing past the end.
    #[must_use]
    pub fn line_span(&self, line: u32) -> Option<Range<usize>> {
        let lines = self.lines();
        let index = (line as usize).saturating_sub(1);
        let start = *lines.get(index)? as usize;
        let end = lines.get(index + 1).map_or(self.text.len(), |next| *next as usize);
        let kept = self.text.get(start..end)?.trim_end_matches(['\n', '\r']).len();
        Some(start..start + kept)
    }

    /// The text of a line (from 1) without its line break; empty past the end.
    #[must_use]
    pub fn line(&self, line: u32) -> &str {
        self.line_span(line).and_then(|span| self.text.get(span)).unwrap_or("")
    }
}

/// All source texts of one input, in the order they were read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    sources: Vec<Source>,
}

impl Sources {
    /// Adds a text and returns its number.
    pub fn add(&mut self, name: impl Into<Text>, text: impl Into<Text>) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX - 1));
        let (name, text) = (name.into(), text.into());
        self.sources.push(Source { name, text, lines: OnceLock::new(), blocks: OnceLock::new() });
        id
    }

    /// The source with this number.
    #[must_use]
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(id.0 as usize)
    }

    /// All sources, in the order they were read.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.sources
            .iter()
            .enumerate()
            .map(|(at, source)| (SourceId(u32::try_from(at).unwrap_or(u32::MAX)), source))
    }

    /// Line and column where a value starts; nothing for [`Origin::NONE`].
    #[must_use]
    pub fn position(&self, origin: Origin) -> Option<Position> {
        self.get(origin.source).map(|source| source.position(origin.start))
    }

    /// `name:line` of a value, or nothing when no text holds it.
    #[must_use]
    pub fn place(&self, origin: Origin) -> Option<String> {
        let source = self.get(origin.source)?;
        Some(format!("{}:{}", source.name, source.position(origin.start).line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_from_one_and_columns_in_characters() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "é: 1\nbc: 2\n");
        let at = |start| sources.position(Origin { source: id, start, end: start }).unwrap();
        assert_eq!(at(0), Position { line: 1, column: 1 });
        assert_eq!(at(2), Position { line: 1, column: 2 });
        assert_eq!(at(6), Position { line: 2, column: 1 });
        assert_eq!(at(10), Position { line: 2, column: 5 });
        assert_eq!(at(999), Position { line: 3, column: 1 });
        assert_eq!(sources.get(id).unwrap().line(2), "bc: 2");
        assert_eq!(sources.get(id).unwrap().line(9), "");
        assert_eq!(sources.position(Origin::NONE), None);
    }

    #[test]
    fn columns_of_long_lines_are_the_same_as_of_short_ones() {
        let text = format!("a\n{}\nb", "é{x".repeat(5_000));
        let mut sources = Sources::default();
        let id = sources.add("a.json", text.as_str());
        let source = sources.get(id).unwrap();
        for (offset, _) in text.char_indices().skip(2).step_by(7) {
            let column = text.get(2..offset).map(|before| before.chars().count()).unwrap() + 1;
            if offset < text.len() - 2 {
                let position = source.position(u32::try_from(offset).unwrap());
                assert_eq!(position, Position { line: 2, column: u32::try_from(column).unwrap() });
            }
        }
        assert_eq!(source.line_span(2), Some(2..text.len() - 2));
        assert_eq!(source.line_span(4), None);
    }
}
