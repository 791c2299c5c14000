//! Why a text cannot be read, for the person who wrote it. In: the place and the kind of trouble. Out: an error with a
//! message and help.

use std::ops::Range;

use saphyr_parser::Tag;

use super::{MAX_ALIASED_NODES, MAX_DEPTH, MAX_NODES, ParseError, place::Places};

fn error(message: impl Into<String>, span: Range<u32>, help: &str) -> ParseError {
    ParseError { message: message.into(), span, help: Some(help.to_owned()) }
}

/// Refuses the characters that no YAML text may have (YAML 1.2.2, section 5.1).
pub(super) fn check_characters(text: &str, base: u32) -> Result<(), ParseError> {
    let is_control = |byte: &u8| matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 127);
    // Nearly every text passes; a pass without an early exit is many times faster than a search.
    if text.as_bytes().iter().fold(false, |any, byte| any | is_control(byte)) {
        let at = text.bytes().position(|byte| is_control(&byte)).unwrap_or_default();
        let code = text.as_bytes().get(at).copied().unwrap_or_default();
        return Err(error(
            format!("a control character (U+{code:04X}) is not allowed here"),
            Places::new("", base).span(at..at + 1),
            "remove it, or write it as an escape in double quotes; a binary file is not a manifest",
        ));
    }
    Ok(())
}

/// Whether a text has a character that YAML 1.1, and so `kubectl`, takes for a line break, and YAML 1.2 does not.
pub(crate) fn has_foreign_break(text: &str) -> bool {
    !text.is_ascii() && text.contains(['\u{85}', '\u{2028}', '\u{2029}'])
}

pub(super) fn foreign_break(span: Range<u32>) -> ParseError {
    error(
        "this text has an invisible line or paragraph separator in it",
        span,
        "remove it (U+0085, U+2028 or U+2029), or quote the text; tools disagree on whether it ends the line",
    )
}

/// What the YAML library complains about at byte `at` of the document, in words for a reader.
pub(super) fn syntax(text: &str, at: usize, places: &Places<'_>, complaint: &str) -> ParseError {
    let line_start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let indentation = text.get(line_start..).unwrap_or_default();
    let tab =
        indentation.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).position(|byte| byte == b'\t');
    let wide = |start: usize| {
        let rest = text.get(start..).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or_default().trim_end();
        places.span(start..start + line.len().max(1).min(rest.len()))
    };
    let here = wide(at);
    if let Some(tab) = tab
        && !complaint.contains("quoted")
    {
        let start = line_start + tab;
        return error(
            "a tab is used for indentation",
            places.span(start..start + 1),
            "indent with spaces; YAML does not allow tabs",
        );
    }
    if matches!(complaint, "simple key expect ':'" | "simple key expected") {
        // The library notices on the line behind the key.
        let key = content_line_before(text, line_start).unwrap_or(at);
        return error(
            "a `:` is missing behind this key",
            wide(key),
            "write `key: value`, with a blank behind the `:`; text over several lines is indented deeper than its key",
        );
    }
    match complaint {
        "while scanning a quoted scalar, found unexpected end of stream"
        | "while scanning a quoted scalar, found unexpected document indicator" => {
            error("this quote is never closed", here, "add the closing quote, or remove this one")
        }
        "invalid indentation in quoted scalar" => error(
            "this quote is not closed on its line",
            here,
            "add the closing quote; a quoted text may go on only in lines indented deeper than its key",
        ),
        "invalid trailing content after double-quoted scalar" => error(
            "something follows the closing quote",
            here,
            "quote the whole value; inside double quotes write `\\\"`, inside single quotes `''`",
        ),
        "while parsing a quoted scalar, found unknown escape character"
        | "while parsing a quoted scalar, did not find expected hexadecimal number"
        | "while parsing a quoted scalar, found invalid Unicode character escape code" => error(
            "an escape in double quotes is not known",
            here,
            "write `\\\\` for a backslash, or use single quotes, which know no escapes",
        ),
        "mapping values are not allowed in this context" => error(
            "a `:` that makes a key is not allowed here",
            here,
            "quote a value that contains `: `; a nested key starts its own line, indented deeper than its parent",
        ),
        "while parsing a block mapping, did not find expected key" | "invalid indentation" => error(
            "this line fits no mapping or list above it",
            here,
            "give it the same indentation as its siblings; all keys of one mapping start in the same column",
        ),
        "while parsing a block collection, did not find expected '-' indicator" => error(
            "a list item `- ` is expected here",
            here,
            "start the line with `- `, or give it the indentation of the key that it belongs to",
        ),
        "block sequence entries are not allowed in this context" | r#""-" is only valid inside a block"# => {
            error(
                "a list item `- ` cannot start here",
                here,
                "start the list on the line below its key, or write it as `[a, b]`",
            )
        }
        "while parsing a flow mapping, did not find expected ',' or '}'"
        | "while parsing a flow sequence, expected ',' or ']'"
        | "while parsing a node, did not find expected node content"
        | "unexpected end of plain scalar"
        | "misplaced bracket"
        | "illegal placement of ':' indicator"
        | "invalid indentation in flow construct"
        | "':' may not precede any of `[{` in flow mapping"
        | "plain scalar cannot start with '-' followed by ,[]{}"
        | "unexpected eof" => error(
            "brackets or commas do not match here",
            here,
            "every `{` needs its `}`, every `[` its `]`, and items are separated by commas; quote text that \
             starts with a bracket",
        ),
        "did not find expected <document start>" => error(
            "the document ends above this line",
            here,
            "start all its top-level keys in the same column, or separate documents by a `---` line",
        ),
        "recursion limit exceeded" => too_deep(here),
        "while parsing node, found unknown anchor" => error(
            "this alias names no anchor",
            here,
            "define it before with `&name`; quote text that starts with `*`",
        ),
        "wrongly indented line in block scalar" => error(
            "a line of this block of text is indented less than its first line",
            here,
            "give all its lines at least the same indentation",
        ),
        "while scanning a block scalar, did not find expected comment or line break" => error(
            "a block of text starts on the line below `|` or `>`",
            here,
            "move the text to the next line",
        ),
        "comment intercepting the multiline text" => error(
            "a comment stands inside a text of several lines",
            here,
            "quote the text, or move the comment above it",
        ),
        other if other.starts_with("unexpected character") => error(
            "a value cannot start with this character",
            here,
            "quote values that start with `@`, `%` or a backtick",
        ),
        other if other.contains("tab") => {
            error("a tab is not allowed here", here, "use spaces; YAML does not allow tabs for indentation")
        }
        other if other.contains("tag") => {
            error("this tag cannot be read", here, "quote text that starts with `!`")
        }
        _ => error(
            "this is not YAML",
            here,
            "check quotes, colons and the indentation of this line and the one above",
        ),
    }
}

/// The first byte that is not blank of the last line before `line_start` that holds more than a comment.
fn content_line_before(text: &str, line_start: usize) -> Option<usize> {
    let mut end = line_start;
    for line in text.get(..line_start)?.split_inclusive('\n').rev() {
        let start = end - line.len();
        let content = line.trim_ascii_start();
        if !content.is_empty() && !content.starts_with('#') {
            return Some(start + line.len() - content.len());
        }
        end = start;
    }
    None
}

pub(super) fn second_document(places: &Places<'_>, at: usize) -> ParseError {
    error("a second document starts here", places.span(at..at + 1), "separate documents by a `---` line")
}

pub(super) fn too_deep(span: Range<u32>) -> ParseError {
    error(
        format!("mappings and lists are nested more than {MAX_DEPTH} deep (255 with brackets)"),
        span,
        "no manifest needs that; check how the file was made",
    )
}

pub(super) fn too_many_nodes(span: Range<u32>) -> ParseError {
    error(format!("the document has more than {MAX_NODES} values"), span, "split it into several documents")
}

pub(super) fn too_many_copies(span: Range<u32>) -> ParseError {
    error(
        format!("aliases and merge keys blow the document up by more than {MAX_ALIASED_NODES} values"),
        span,
        "write the values out, or check where the file comes from",
    )
}

pub(super) fn alias_in_itself(span: Range<u32>) -> ParseError {
    error("this alias stands inside the value that its anchor marks", span, "a value cannot contain itself")
}

pub(super) fn unknown_tag(tag: &Tag, span: Range<u32>) -> ParseError {
    let name = if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { tag.to_string() };
    error(format!("tag `{name}` is not known"), span, "remove it; quote text that starts with `!`")
}

pub(super) fn wrong_tag(text: &str, tag: &str, span: Range<u32>) -> ParseError {
    error(format!("`{text}` does not fit its tag `!!{tag}`"), span, "remove the tag, or correct the value")
}
