//! Values as text. In: a value and the style of its surroundings. Out: YAML or JSON.

use super::Value;
use crate::scalar::{self, Scalar};

/// How values are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// All keys and strings are in double quotes.
    pub(super) json: bool,
    /// The quote that strings get even where they need none.
    pub(super) quote: Option<char>,
    /// The line break.
    pub(super) line_break: &'static str,
    /// How far keys are indented below the key that they belong to.
    pub(super) step: usize,
    /// How far dashes are indented below the key that they belong to.
    pub(super) dash_indent: usize,
}

impl Style {
    /// How a new YAML document is written.
    pub(super) fn new(line_break: &'static str) -> Self {
        Self { json: false, quote: None, line_break, step: 2, dash_indent: 2 }
    }

    /// A value on one line, in flow style.
    pub(super) fn flow(&self, value: &Value) -> String {
        match value {
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Text(text) => self.text(text, true),
            Value::Seq(items) => {
                let items: Vec<String> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Map(entries) => {
                let entry =
                    |(key, value): &(String, Value)| format!("{}: {}", self.key(key, true), self.flow(value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// A value of flow style on lines of its own, as JSON is printed. `indentation` is that of its first line, `step`
    /// what each level adds.
    pub(super) fn lines(&self, value: &Value, indentation: &str, step: &str) -> String {
        let inner = format!("{indentation}{step}");
        let around = |open: char, parts: Vec<String>, close: char| {
            let inside = parts.join(&format!(",{}{inner}", self.line_break));
            format!("{open}{0}{inner}{inside}{0}{indentation}{close}", self.line_break)
        };
        match value {
            Value::Seq(items) if !items.is_empty() => {
                around('[', items.iter().map(|item| self.lines(item, &inner, step)).collect(), ']')
            }
            Value::Map(entries) if !entries.is_empty() => {
                let entry = |(key, value): &(String, Value)| {
                    format!("{}: {}", self.key(key, true), self.lines(value, &inner, step))
                };
                around('{', entries.iter().map(entry).collect(), '}')
            }
            _ => self.flow(value),
        }
    }

    /// A value in block style whose first line starts in column `column`; the first line is not indented.
    pub(super) fn block(&self, value: &Value, column: usize) -> String {
        let separator = format!("{}{}", self.line_break, " ".repeat(column));
        match value {
            Value::Seq(items) if !items.is_empty() => {
                let item = |item: &Value| format!("- {}", self.block(item, column + 2));
                items.iter().map(item).collect::<Vec<_>>().join(&separator)
            }
            Value::Map(entries) if !entries.is_empty() => {
                let entry = |(key, value): &(String, Value)| self.entry(key, value, column);
                entries.iter().map(entry).collect::<Vec<_>>().join(&separator)
            }
            Value::Text(text) => self.text(text, false),
            _ => self.flow(value),
        }
    }

    /// An entry in block style whose key is in column `column`.
    pub(super) fn entry(&self, key: &str, value: &Value, column: usize) -> String {
        let key = self.key(key, false);
        let below = match value {
            Value::Seq(items) if !items.is_empty() => column + self.dash_indent,
            Value::Map(entries) if !entries.is_empty() => column + self.step,
            _ => return format!("{key}: {}", self.block(value, column)),
        };
        format!("{key}:{}{}{}", self.line_break, " ".repeat(below), self.block(value, below))
    }

    /// A key.
    pub(super) fn key(&self, key: &str, flow: bool) -> String {
        Self { quote: None, ..*self }.text(key, flow)
    }

    /// A string.
    pub(super) fn text(&self, text: &str, flow: bool) -> String {
        match self.quote {
            Some('\'') if !self.json && !text.contains(char::is_control) => {
                format!("'{}'", text.replace('\'', "''"))
            }
            None if !self.json && fits_plain(text, flow) => text.to_owned(),
            _ => double_quoted(text),
        }
    }
}

/// Whether a string needs no quotes. Some that need none get them, to be on the safe side with every reader.
fn fits_plain(text: &str, flow: bool) -> bool {
    let first = text.chars().next();
    let starts =
        first.is_some_and(|first| first.is_alphanumeric() || matches!(first, '_' | '/' | '.' | '+' | '-'));
    let inside = |c: char| c.is_alphanumeric() || "_./@+=-:*()~%$! ".contains(c);
    let colons = text.contains(": ") || text.ends_with(':') || (flow && text.contains(':'));
    // YAML 1.1 reads `1:30` as a number.
    let clock =
        text.contains(':') && text.bytes().all(|byte| byte.is_ascii_digit() || b":.+-_".contains(&byte));
    let dash = text == "-" || text.starts_with("- ") || text.starts_with("---") || text.starts_with("...");
    starts
        && text.chars().all(inside)
        && !(colons || clock || dash || text.ends_with(' ') || text.contains("  "))
        && scalar::resolve(text, true) == Scalar::Str(text)
}

/// A string in double quotes, with the escapes that YAML and JSON share.
fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
