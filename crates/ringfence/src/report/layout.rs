//! Columns of text. In: short pieces. Out: lines that fit a width, pieces kept whole where they can be.

use unicode_width::UnicodeWidthStr as _;

/// The width that reports are made for.
pub(crate) const WIDTH: usize = 80;

/// Joins pieces with `, ` into lines that are no wider than asked for. A piece that is wider alone is broken between
/// its words, and only there.
pub(crate) fn wrap(pieces: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let piece = if at + 1 < pieces.len() { format!("{piece},") } else { piece.clone() };
        if lines.is_empty() {
            lines.push(String::new());
        }
        // A piece that fits on one line is kept whole.
        let words: Vec<&str> =
            if piece.width() <= width { vec![piece.as_str()] } else { piece.split(' ').collect() };
        for word in words {
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) if line.width() + 1 + word.width() <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
    }
    lines
}

/// Two columns side by side, the shorter one filled up with empty lines.
pub(crate) fn beside(left: Vec<String>, right: Vec<String>) -> impl Iterator<Item = (String, String)> {
    let rows = left.len().max(right.len());
    let filled = |column: Vec<String>| column.into_iter().chain(std::iter::repeat(String::new()));
    filled(left).zip(filled(right)).take(rows)
}

/// A text with spaces after it, up to a width.
pub(crate) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stay_whole() {
        let pieces = ["one", "two", "three", "a-very-long-piece"].map(str::to_owned);
        assert_eq!(wrap(&pieces, 9), ["one, two,", "three,", "a-very-long-piece"]);
        assert!(wrap(&[], 9).is_empty());
        assert_eq!(wrap(&["TCP 80 if GET /".to_owned(), "UDP".to_owned()], 10), ["TCP 80 if", "GET /, UDP"]);
    }
}
