//! Markdown that the reports share. In: texts. Out: table cells that show them unchanged.

/// Pieces as the lines of one table cell.
pub(crate) fn cell(pieces: &[String]) -> String {
    let pieces: Vec<String> = pieces.iter().map(|piece| escape(piece)).collect();
    pieces.join("<br>")
}

/// A text as Markdown shows it unchanged within a table.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '*' | '_' | '\\' | '`' | '[' | ']' => out.extend(['\\', character]),
            '<' => out.push_str("&lt;"),
            '\n' | '\r' => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_table() {
        assert_eq!(cell(&["a|b".to_owned(), "<i>*\n".to_owned()]), "a\\|b<br>&lt;i>\\* ");
    }
}
