//! A source text cut into its documents. In: a text. Out: the documents, byte for byte, without parsing them.

use std::ops::Range;

use memchr::memmem;

/// The largest text that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 20;

/// One document of a source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// Its bytes in the source text.
    pub span: Range<u32>,
    /// Its text, with the `---` line that opens it and the `...` line that ends it, if any.
    pub text: &'a str,
}

/// Whether a text of `bytes` bytes is read at all; [`split`] expects no larger one.
///
/// # Errors
/// The message for the reader, when the text is larger than [`MAX_BYTES`].
pub fn check_size(bytes: usize) -> Result<(), String> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    Err(format!(
        "the text has {} MiB, more than the {} MiB that are read; split it into several files",
        bytes.div_ceil(1 << 20),
        MAX_BYTES >> 20
    ))
}

/// The documents of a text, in order. A line that starts with `---` and a blank or nothing behind it opens a document,
/// one with `...` ends it: YAML forbids both inside every scalar, so neither can be content (YAML 1.2.2, section
/// 9.1.2). Several JSON values in a row are one document each. A document may be empty; a byte order mark at the start
/// of the text belongs to none. Without it, the documents' texts joined are the source text.
#[must_use]
pub fn split(text: &str) -> Vec<Document<'_>> {
    let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut documents = Vec::new();
    let mut start = first;
    let mut cut = |end: usize| {
        if let Some(part) = text.get(start..end)
            && end > start
        {
            push_values(&mut documents, start, part);
            start = end;
        }
    };
    for marker in markers(text, first) {
        match marker {
            // What a directive (`%YAML 1.2`) says is about the document that the next `---` opens.
            Marker::Start(at) if !text.get(..at).is_some_and(ends_in_directives) => cut(at),
            Marker::Start(_) => {}
            Marker::End(at) => cut(at),
        }
    }
    cut(text.len());
    documents
}

enum Marker {
    /// The byte where a `---` line starts.
    Start(usize),
    /// The byte behind a `...` line.
    End(usize),
}

fn markers(text: &str, first: usize) -> Vec<Marker> {
    let bytes = text.as_bytes();
    let is_marker = |at: usize| matches!(bytes.get(at + 3), None | Some(b'\n' | b'\r' | b' ' | b'\t'));
    let end_of_line = |at: usize| {
        bytes.get(at..).and_then(|rest| memchr::memchr(b'\n', rest)).map_or(bytes.len(), |n| at + n + 1)
    };
    let mut found = Vec::new();
    let mut look = |at: usize| match bytes.get(at..at + 3) {
        Some(b"---") if is_marker(at) => found.push(Marker::Start(at)),
        Some(b"...") if is_marker(at) => found.push(Marker::End(end_of_line(at))),
        _ => {}
    };
    look(first);
    let mut lines: Vec<usize> = memmem::find_iter(bytes, b"\n---").collect();
    let starts = lines.len();
    lines.extend(memmem::find_iter(bytes, b"\n..."));
    if lines.len() > starts {
        lines.sort_unstable();
    }
    for line in lines {
        look(line + 1);
    }
    found
}

/// Whether the text behind the last document consists of comments, blank lines, and at least one directive.
fn ends_in_directives(before: &str) -> bool {
    let mut directive = false;
    for line in before.lines().rev() {
        match line.trim_start().as_bytes() {
            [] | [b'#', ..] => {}
            [b'%', ..] if line.starts_with('%') => directive = true,
            [b'.', b'.', b'.', ..] if line.starts_with("...") => return directive,
            _ => return false,
        }
    }
    directive
}

/// One document, or one for each value where several JSON objects follow each other.
fn push_values<'a>(documents: &mut Vec<Document<'a>>, start: usize, part: &'a str) {
    let mut at = 0;
    while let Some(end) = part.get(at..).and_then(json_object_end).map(|length| at + length) {
        let Some(rest) = part.get(end..) else { break };
        if !rest.trim_start().starts_with('{') {
            break;
        }
        push(documents, start + at, part.get(at..end));
        at = end;
    }
    push(documents, start + at, part.get(at..));
}

fn push<'a>(documents: &mut Vec<Document<'a>>, start: usize, text: Option<&'a str>) {
    let text = text.unwrap_or_default();
    if let (Ok(from), Ok(to)) = (u32::try_from(start), u32::try_from(start + text.len())) {
        documents.push(Document { span: from..to, text });
    }
}

/// The length of the JSON object that `text` starts with (behind blanks), if it starts with `{`.
fn json_object_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'"' => {
                at += 1;
                loop {
                    at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
                    if bytes.get(at) == Some(&b'"') {
                        break;
                    }
                    at += 2;
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}
