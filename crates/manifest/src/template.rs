//! Templates that nobody has rendered. In: a document's text. Out: where its first template action stands.

use std::ops::Range;

/// Words that open or make up a Helm action; behind them a `{{` inside a text is not a placeholder of some other tool.
const HELM: [&str; 17] = [
    ".Values",
    ".Release",
    ".Chart",
    ".Files",
    ".Capabilities",
    ".Template",
    "include ",
    "template ",
    "if ",
    "else",
    "end",
    "range ",
    "with ",
    "define ",
    "toYaml ",
    "tpl ",
    "/*",
];

/// The bytes of the first template action (`{{ ... }}`) that a template tool should have replaced.
///
/// That is one that starts a line or a value, where YAML has no use for it, or one of Helm's inside a plain value.
/// Placeholders inside quotes, comments and blocks of text are left alone, and so are those of other tools inside a
/// plain value: alert rules and workflows are full of them (`summary: "{{ $labels.pod }} is down"`).
#[must_use]
pub fn looks_like_template(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    let mut block: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let content = line.trim();
        let in_block = block.is_some_and(|parent| content.is_empty() || indent > parent);
        if !in_block {
            block = None;
            if let Some(found) = action(line) {
                let end = line
                    .get(found..)
                    .and_then(|rest| rest.find("}}"))
                    .map_or(content.len() + indent, |n| found + n + 2);
                return Some(start + found..start + end.max(found + 2).min(line.len()));
            }
            if opens_block(content) {
                block = Some(indent);
            }
        }
        start += line.len();
    }
    None
}

/// Whether the value of this line is a block of text on the lines below.
fn opens_block(content: &str) -> bool {
    let value = content.rsplit_once([' ', '\t']).map_or(content, |(_, last)| last);
    let behind_key =
        content.strip_suffix(value).is_some_and(|before| before.trim_end().ends_with([':', '-']));
    behind_key
        && value.starts_with(['|', '>'])
        && value.bytes().skip(1).all(|b| matches!(b, b'+' | b'-' | b'1'..=b'9'))
}

/// Where the first action of a line starts.
fn action(line: &str) -> Option<usize> {
    let mut quote: Option<char> = None;
    let mut previous = ' ';
    let mut skip = false;
    let mut value_starts = true;
    for (at, character) in line.char_indices() {
        if skip {
            skip = false;
            continue;
        }
        match (quote, character) {
            (Some('"'), '\\') => skip = true,
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if value_starts => quote = Some(character),
            (None, '#') if previous.is_whitespace() => return None,
            (None, '{') => {
                let rest = line.get(at..).unwrap_or_default();
                if let Some(inside) = rest.strip_prefix("{{") {
                    let inside = inside.trim_start_matches(['-', ' ']);
                    if value_starts || HELM.iter().any(|word| inside.starts_with(word)) {
                        return Some(at);
                    }
                }
            }
            _ => {}
        }
        value_starts = match character {
            ' ' | '\t' => value_starts || matches!(previous, ':' | '-' | ','),
            '-' => value_starts,
            '[' | '{' | ',' => true,
            _ => false,
        };
        previous = character;
    }
    None
}
