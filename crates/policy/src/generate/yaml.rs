//! YAML text. In: a tree of values. Out: block style as people write it, with text quoted where it would read as
//! something else.

use std::fmt::Write as _;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Yaml {
    /// Keys and values in their order.
    Map(Vec<(String, Yaml)>),
    /// Items.
    List(Vec<Yaml>),
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Bool(bool),
}

impl Yaml {
    /// A map.
    pub(super) fn map<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// A map with one key.
    pub(super) fn one(key: &str, value: impl Into<Self>) -> Self {
        Self::map([(key, value.into())])
    }

    /// A list.
    pub(super) fn list<T>(items: impl IntoIterator<Item = T>, change: impl FnMut(T) -> Self) -> Self {
        Self::List(items.into_iter().map(change).collect())
    }

    /// The same map with another key.
    pub(super) fn with(mut self, key: &str, value: impl Into<Self>) -> Self {
        if let Self::Map(pairs) = &mut self {
            pairs.push((key.to_owned(), value.into()));
        }
        self
    }

    /// The same map with another key, if there is a value.
    pub(super) fn with_some(self, key: &str, value: Option<impl Into<Self>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// The same map with another key, unless its list or map is empty.
    pub(super) fn with_any(self, key: &str, value: Self) -> Self {
        match &value {
            Self::Map(pairs) if pairs.is_empty() => self,
            Self::List(items) if items.is_empty() => self,
            _ => self.with(key, value),
        }
    }

    /// The whole as a document.
    pub(super) fn document(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text
    }

    fn write(&self, out: &mut String, indent: usize) {
        let pad = "  ".repeat(indent);
        match self {
            Self::Map(pairs) if !pairs.is_empty() => {
                for (at, (key, value)) in pairs.iter().enumerate() {
                    // The first key of a map in a list stands behind the dash.
                    if at > 0 || out.is_empty() || out.ends_with('\n') {
                        out.push_str(&pad);
                    }
                    out.push_str(&scalar(key));
                    out.push(':');
                    value.write_value(out, indent);
                }
            }
            Self::List(items) if !items.is_empty() => {
                for item in items {
                    out.push_str(&pad);
                    out.push_str("- ");
                    match item {
                        Self::Map(pairs) if !pairs.is_empty() => item.write(out, indent + 1),
                        _ => item.write_line(out),
                    }
                }
            }
            _ => self.write_line(out),
        }
    }

    /// What stands behind a key.
    fn write_value(&self, out: &mut String, indent: usize) {
        match self {
            Self::Map(pairs) if !pairs.is_empty() => {
                out.push('\n');
                self.write(out, indent + 1);
            }
            Self::List(items) if !items.is_empty() => {
                out.push('\n');
                self.write(out, indent + 1);
            }
            _ => {
                out.push(' ');
                self.write_line(out);
            }
        }
    }

    fn write_line(&self, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Map(_) => writeln!(out, "{{}}"),
            Self::List(_) => writeln!(out, "[]"),
            Self::Text(text) => writeln!(out, "{}", scalar(text)),
            Self::Number(number) => writeln!(out, "{number}"),
            Self::Bool(value) => writeln!(out, "{value}"),
        };
    }
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&ringfence_model::Text> for Yaml {
    fn from(text: &ringfence_model::Text) -> Self {
        Self::Text(text.to_string())
    }
}

impl From<bool> for Yaml {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u16> for Yaml {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<i32> for Yaml {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

/// Text as it is if nothing can take it for something else, else in double quotes.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|next| next.is_ascii_alphanumeric() || "./_-".contains(next))
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for next in text.chars() {
        if matches!(next, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(next);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_maps_nest_and_doubtful_text_is_quoted() {
        let rule =
            Yaml::one("ports", Yaml::List(vec![Yaml::one("port", 80).with("on", "no")])).with("to", "a\\.b");
        let text = Yaml::one("spec", Yaml::List(vec![rule, Yaml::Map(Vec::new()), "x".into()])).document();
        let expected = "spec:\n  - ports:\n      - port: 80\n        \"on\": \"no\"\n    to: \"a\\\\.b\"\n  - {}\n  - x\n";
        assert_eq!(text, expected);
    }
}
