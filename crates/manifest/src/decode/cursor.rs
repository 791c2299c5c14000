//! The toolkit of every decoder: typed reads of a tree that note what is wrong, with its place, and go on.
//! In: tree nodes. Out: plain values, and diagnostics.

use ringfence_model::{
    Text,
    diagnostic::{Diagnostic, Severity},
    origin::{Origin, SourceId},
};
use rustc_hash::FxHashSet;

use crate::{
    decode::names::Grammar,
    scalar::Scalar,
    tree::{Kind, Node},
};

/// A list of values longer than this is not shown beside the right one.
const LONG_LIST: usize = 13;

/// Texts that repeat, kept once.
#[derive(Debug, Default)]
pub(crate) struct Interner(FxHashSet<Text>);

impl Interner {
    /// The shared copy of a text.
    pub(crate) fn text(&mut self, text: &str) -> Text {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let text = Text::from(text);
        self.0.insert(text.clone());
        text
    }
}

/// What one document's decoding has found wrong so far, and where its values come from.
#[derive(Debug)]
pub(crate) struct Decoder<'i> {
    source: SourceId,
    /// Whether to read what verdicts do not need.
    pub(crate) details: bool,
    names: &'i mut Interner,
    /// The findings, in the order of the decoding.
    pub(crate) diagnostics: Vec<Diagnostic>,
    errors: usize,
}

/// A mapping node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Map<'n, 'a> {
    /// The node itself, for its place.
    pub(crate) node: &'n Node<'a>,
    /// Its entries as written.
    pub(crate) entries: &'n [(Node<'a>, Node<'a>)],
}

impl<'n, 'a> Map<'n, 'a> {
    /// The mapping in a node; nothing for any other node.
    pub(crate) fn of(node: &'n Node<'a>) -> Option<Self> {
        match &node.kind {
            Kind::Map(entries) => Some(Self { node, entries }),
            _ => None,
        }
    }

    /// The key and value of an entry, even where the value is null.
    pub(crate) fn entry(&self, key: &str) -> Option<(&'n Node<'a>, &'n Node<'a>)> {
        self.entries.iter().find(|(known, _)| known.text() == Some(key)).map(|(key, value)| (key, value))
    }

    /// The value of a key. A null counts as absent, as it does in the API.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node<'a>> {
        self.entry(key).map(|(_, value)| value).filter(|value| !is_null(value))
    }

    /// Whether the key is there with a value other than null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }
}

/// Whether a node is a null.
pub(crate) fn is_null(node: &Node<'_>) -> bool {
    matches!(node.scalar(), Some(Scalar::Null))
}

/// What a node is, for a message.
fn describe(node: &Node<'_>) -> String {
    let shown = |text: &str| {
        let mut short: String = text.chars().take(40).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        short
    };
    match (&node.kind, node.scalar()) {
        (Kind::Seq(_), _) => "a list".to_owned(),
        (Kind::Map(_), _) => "a mapping".to_owned(),
        (Kind::Scalar { text, .. }, Some(Scalar::Bool(_))) => format!("the boolean `{}`", shown(text)),
        (Kind::Scalar { text, .. }, Some(Scalar::Int(_) | Scalar::Float(_))) => {
            format!("the number `{}`", shown(text))
        }
        (Kind::Scalar { text, .. }, Some(Scalar::Str(_))) => format!("the string `{}`", shown(text)),
        (Kind::Scalar { .. }, _) => "nothing".to_owned(),
    }
}

/// The names in backticks, separated by commas.
pub(crate) fn quoted<'t>(names: impl IntoIterator<Item = &'t str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The known name that someone who wrote `name` most likely meant.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let most = if name.len() <= 4 { 1 } else { 2 };
    known
        .into_iter()
        .filter(|known| known.len().abs_diff(name.len()) <= most || known.eq_ignore_ascii_case(name))
        .map(|known| {
            let distance =
                if known.eq_ignore_ascii_case(name) { 0 } else { strsim::osa_distance(name, known) };
            (distance, known)
        })
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, known)| known)
}

impl<'i> Decoder<'i> {
    /// A decoder for documents of one source.
    pub(crate) fn new(source: SourceId, details: bool, names: &'i mut Interner) -> Self {
        Self { source, details, names, diagnostics: Vec::new(), errors: 0 }
    }

    /// How many errors there are so far.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Where a node is written.
    pub(crate) fn origin(&self, node: &Node<'_>) -> Origin {
        Origin { source: self.source, start: node.span.start, end: node.span.end }
    }

    /// Where an entry of a mapping is written, key and value.
    pub(crate) fn entry_origin(&self, key: &Node<'_>, value: &Node<'_>) -> Origin {
        Origin { source: self.source, start: key.span.start, end: value.span.end.max(key.span.end) }
    }

    /// The shared copy of a text.
    pub(crate) fn intern(&mut self, text: &str) -> Text {
        self.names.text(text)
    }

    /// What `read` reads, if it finds nothing wrong; its findings are dropped.
    pub(crate) fn quietly<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let (errors, findings) = (self.errors, self.diagnostics.len());
        let value = read(self);
        let clean = self.errors == errors;
        self.errors = errors;
        self.diagnostics.truncate(findings);
        clean.then_some(value)
    }

    /// Notes a finding.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Error {
            self.errors += 1;
        }
        self.diagnostics.push(diagnostic);
    }

    /// Notes an error at a node, with what is allowed there.
    pub(crate) fn error(
        &mut self,
        node: &Node<'_>,
        code: &'static str,
        message: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        self.push(Diagnostic::error(code, self.origin(node), message).with_label(allowed));
    }

    /// Notes a warning at a node, with what is allowed there or follows from it.
    pub(crate) fn warning(
        &mut self,
        node: &Node<'_>,
        code: &'static str,
        message: impl Into<String>,
        label: impl Into<String>,
    ) {
        self.push(Diagnostic::warning(code, self.origin(node), message).with_label(label));
    }

    /// Notes a remark at a node.
    pub(crate) fn note(&mut self, node: &Node<'_>, code: &'static str, message: impl Into<String>) {
        self.push(Diagnostic::note(code, self.origin(node), message));
    }

    fn wrong_type(&mut self, node: &Node<'_>, what: &str, wanted: &str, allowed: impl Into<String>) {
        let found = describe(node);
        self.error(node, "wrong-type", format!("{what} must be {wanted}, not {found}"), allowed);
    }

    /// Notes that a required field is absent.
    pub(crate) fn missing(&mut self, map: &Map<'_, '_>, place: &str, field: &str) {
        // A long mapping is not worth showing whole: point at its first key.
        let at = map.entries.first().map_or(map.node, |(key, _)| key);
        self.error(
            at,
            "missing-field",
            format!("{place} has no `{field}`"),
            format!("`{field}` is required here"),
        );
    }

    /// A mapping. A null counts as an empty one (as a null item of a list does in the API).
    pub(crate) fn map<'n, 'a>(&mut self, node: &'n Node<'a>, what: &str) -> Option<Map<'n, 'a>> {
        match &node.kind {
            Kind::Map(entries) => Some(Map { node, entries }),
            Kind::Scalar { .. } if is_null(node) => Some(Map { node, entries: &[] }),
            _ => {
                self.wrong_type(node, what, "a mapping", "write `key: value` lines here");
                None
            }
        }
    }

    /// A mapping of which every field is known; an unknown one is an error that names the nearest known one.
    pub(crate) fn strict_map<'n, 'a>(
        &mut self,
        node: &'n Node<'a>,
        place: &str,
        allowed: &[&str],
    ) -> Option<Map<'n, 'a>> {
        let map = self.map(node, place)?;
        self.only(&map, place, allowed);
        Some(map)
    }

    /// Notes every field of a mapping that is not among the allowed ones.
    pub(crate) fn only(&mut self, map: &Map<'_, '_>, place: &str, allowed: &[&str]) {
        for (key, _) in map.entries {
            let name = key.text().unwrap_or("?");
            if allowed.contains(&name) {
                continue;
            }
            let label = match meant(name, allowed) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "not a field of the API".to_owned(),
            };
            let list = quoted(allowed.iter().copied());
            self.push(
                Diagnostic::error(
                    "unknown-field",
                    self.origin(key),
                    format!("unknown field `{name}` in {place}"),
                )
                .with_label(label)
                .with_help(format!("allowed here: {list}")),
            );
        }
    }

    /// Warns of fields whose names are almost those that a decoder reads: very likely slips of the pen.
    pub(crate) fn near(&mut self, map: &Map<'_, '_>, place: &str, read: &[&str]) {
        for (key, _) in map.entries {
            let Some(name) = key.text() else { continue };
            if read.contains(&name) {
                continue;
            }
            if let Some(near) = nearest(name, read.iter().copied())
                && map.entry(near).is_none()
            {
                self.warning(
                    key,
                    "unknown-field",
                    format!("unknown field `{name}` in {place}"),
                    format!("did you mean `{near}`?"),
                );
            }
        }
    }

    /// The items of a list.
    pub(crate) fn items<'n, 'a>(&mut self, node: &'n Node<'a>, what: &str) -> &'n [Node<'a>] {
        match &node.kind {
            Kind::Seq(items) => items,
            _ => {
                self.wrong_type(node, what, "a list", "put `- ` before each item");
                &[]
            }
        }
    }

    /// The items of a list field; none if it is absent.
    pub(crate) fn list<'n, 'a>(&mut self, map: &Map<'n, 'a>, field: &str) -> &'n [Node<'a>] {
        map.get(field).map_or(&[], |node| self.items(node, &format!("`{field}`")))
    }

    /// Notes a list that is longer than the API allows.
    pub(crate) fn at_most(&mut self, map: &Map<'_, '_>, field: &str, most: usize) {
        if let Some((key, Node { kind: Kind::Seq(items), .. })) = map.entry(field)
            && items.len() > most
        {
            let message = format!("`{field}` has {} items", items.len());
            self.error(key, "too-many-items", message, format!("at most {most} are allowed"));
        }
    }

    /// A string.
    pub(crate) fn string<'n>(&mut self, node: &'n Node<'_>, what: &str) -> Option<&'n str> {
        if let Some(Scalar::Str(text)) = node.scalar() {
            return Some(text);
        }
        let allowed = match (node.text(), node.scalar()) {
            (Some(text), Some(Scalar::Bool(_) | Scalar::Int(_) | Scalar::Float(_))) => {
                format!("put it in quotes: `\"{text}\"`")
            }
            _ => "write a string here".to_owned(),
        };
        self.wrong_type(node, what, "a string", allowed);
        None
    }

    /// A string field; nothing if it is absent.
    pub(crate) fn string_field<'n>(&mut self, map: &Map<'n, '_>, field: &str) -> Option<&'n str> {
        map.get(field).and_then(|node| self.string(node, &format!("`{field}`")))
    }

    /// A string field as a shared text; nothing if it is absent or empty.
    pub(crate) fn text_field(&mut self, map: &Map<'_, '_>, field: &str) -> Option<Text> {
        self.string_field(map, field).filter(|text| !text.is_empty()).map(|text| self.intern(text))
    }

    /// A name of a certain grammar.
    pub(crate) fn name(&mut self, node: &Node<'_>, what: &str, grammar: Grammar) -> Option<Text> {
        let name = self.string(node, what)?;
        if let Some(allowed) = grammar(name) {
            self.error(node, "invalid-name", format!("{what} `{name}` is not valid"), allowed);
            return None;
        }
        Some(self.intern(name))
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, node: &Node<'_>, what: &str) -> Option<bool> {
        if let Some(Scalar::Bool(value)) = node.scalar() {
            return Some(value);
        }
        self.wrong_type(node, what, "a boolean", "`true` or `false`, without quotes");
        None
    }

    /// A boolean field; nothing if it is absent.
    pub(crate) fn boolean_field(&mut self, map: &Map<'_, '_>, field: &str) -> Option<bool> {
        map.get(field).and_then(|node| self.boolean(node, &format!("`{field}`")))
    }

    /// A whole number within bounds.
    pub(crate) fn integer(&mut self, node: &Node<'_>, what: &str, least: i64, most: i64) -> Option<i64> {
        let value = match node.scalar() {
            Some(Scalar::Int(value)) => Some(value),
            // JSON knows one kind of numbers: 80.0 is 80.
            Some(Scalar::Float(value)) if value.fract() == 0.0 && value.abs() < 1e15 => whole(value),
            _ => None,
        };
        let Some(value) = value else {
            let allowed = match node.text().and_then(|text| text.parse::<i64>().ok()) {
                Some(number) => format!("write it without quotes: `{number}`"),
                None => format!("a whole number from {least} to {most}"),
            };
            self.wrong_type(node, what, "a whole number", allowed);
            return None;
        };
        if value < least || value > most {
            let text = node.text().unwrap_or_default();
            self.error(
                node,
                "out-of-range",
                format!("{what} `{text}` is out of range"),
                format!("{least} to {most}"),
            );
            return None;
        }
        Some(value)
    }

    /// A field with one of a few values. `known` lists them with what they stand for.
    pub(crate) fn choice<T: Copy>(&mut self, node: &Node<'_>, what: &str, known: &[(&str, T)]) -> Option<T> {
        let name = self.string(node, what)?;
        if let Some((_, value)) = known.iter().find(|(known, _)| *known == name) {
            return Some(*value);
        }
        let list = quoted(known.iter().map(|(known, _)| *known).filter(|known| !known.is_empty()));
        let allowed = match nearest(name, known.iter().map(|(known, _)| *known)) {
            Some(near) if known.len() > LONG_LIST => format!("did you mean `{near}`?"),
            Some(near) => format!("did you mean `{near}`? allowed: {list}"),
            None => format!("allowed: {list}"),
        };
        self.error(node, "unknown-value", format!("unknown {what} `{name}`"), allowed);
        None
    }
}

/// A float without fraction as an integer.
fn whole(value: f64) -> Option<i64> {
    format!("{value:.0}").parse().ok()
}

/// The field that someone meant: the nearest name, or the counterpart in the other direction.
fn meant<'k>(name: &str, allowed: &[&'k str]) -> Option<&'k str> {
    const COUNTERPARTS: [(&str, &str); 2] = [("from", "to"), ("ingress", "egress")];
    let other = COUNTERPARTS.iter().find_map(|(left, right)| match name {
        _ if name == *left => Some(*right),
        _ if name == *right => Some(*left),
        _ => None,
    });
    (other.and_then(|other| allowed.iter().copied().find(|known| *known == other)))
        .or_else(|| nearest(name, allowed.iter().copied()))
        .or_else(|| swapped_direction(name, allowed))
}

/// `fromEndpoints` for `toEndpoints`, and the like.
fn swapped_direction<'k>(name: &str, allowed: &[&'k str]) -> Option<&'k str> {
    let (prefix, rest) = match (name.strip_prefix("from"), name.strip_prefix("to")) {
        (Some(rest), _) => ("to", rest),
        (_, Some(rest)) => ("from", rest),
        _ => return None,
    };
    allowed.iter().copied().find(|known| known.strip_prefix(prefix) == Some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let fields = ["podSelector", "ingress", "egress", "policyTypes"];
        for (written, wanted) in [
            ("ingres", Some("ingress")),
            ("podselector", Some("podSelector")),
            ("Egress", Some("egress")),
            ("policyType", Some("policyTypes")),
            ("rules", None),
        ] {
            assert_eq!(nearest(written, fields), wanted, "{written}");
        }
        assert_eq!(meant("from", &["to", "ports"]), Some("to"));
        assert_eq!(meant("fromEndpoints", &["toEndpoints", "toPorts"]), Some("toEndpoints"));
    }
}
