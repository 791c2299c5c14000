//! What holds for every mapping, however it was scanned: keys are text, each is given once, `<<` brings in the entries
//! of others. In: the entries as written. Out: the entries as meant.

use std::{borrow::Cow, ops::Range};

use rustc_hash::FxHashSet;

use super::ParseError;
use crate::{
    scalar::{self, Scalar},
    tree::{Kind, Node},
};

pub(crate) type Entry<'a> = (Node<'a>, Node<'a>);

/// From this many keys on, a hash set finds the one given twice.
const MANY: usize = 16;

/// Makes the key of an entry the text that it has in JSON.
pub(crate) fn check_key(key: &mut Node<'_>) -> Result<(), ParseError> {
    let Kind::Scalar { text, plain } = &mut key.kind else {
        return Err(ParseError {
            message: "a mapping or list is used as a key".to_owned(),
            span: key.span.clone(),
            help: Some(
                "keys are plain text; quote the value if it starts with `{` or `[`, and render templates first"
                    .to_owned(),
            ),
        });
    };
    if !*plain {
        return Ok(());
    }
    let resolved = scalar::resolve(text, true);
    if resolved == Scalar::Null {
        return Err(ParseError {
            message: "a key is empty".to_owned(),
            span: key.span.clone(),
            help: Some("write the key before the `:`, quoted if it is the word null".to_owned()),
        });
    }
    if let Some(other) = scalar::key_text(resolved) {
        *text = Cow::Owned(other);
    }
    Ok(())
}

pub(crate) fn is_merge(key: &Node<'_>) -> bool {
    matches!(&key.kind, Kind::Scalar { text, plain: true } if text == "<<")
}

/// Resolves merge keys and refuses a key given twice. All keys have passed [`check_key`].
pub(crate) fn finish<'a>(entries: Vec<Entry<'a>>) -> Result<Vec<Entry<'a>>, ParseError> {
    if let Some(at) = duplicate(&entries) {
        let key = entries.get(at).map(|(key, _)| key);
        return Err(given_twice(key.and_then(Node::text), key.map_or(0..0, |key| key.span.clone())));
    }
    if entries.iter().any(|(key, _)| is_merge(key)) { merge(entries) } else { Ok(entries) }
}

/// The index of the first key that an earlier one equals.
pub(crate) fn duplicate(entries: &[Entry<'_>]) -> Option<usize> {
    if entries.len() < MANY {
        let same = |(at, (key, _)): (usize, &Entry<'_>)| {
            entries.iter().take(at).any(|(earlier, _)| earlier.text() == key.text())
        };
        return entries.iter().enumerate().position(same);
    }
    let mut seen = FxHashSet::with_capacity_and_hasher(entries.len(), rustc_hash::FxBuildHasher);
    entries.iter().position(|(key, _)| !seen.insert(key.text()))
}

fn given_twice(key: Option<&str>, span: Range<u32>) -> ParseError {
    ParseError {
        message: format!("key `{}` is given twice in the same mapping", key.unwrap_or_default()),
        span,
        help: Some("remove one of the two, or indent it below the key that it belongs to".to_owned()),
    }
}

/// Replaces the `<<` entry by what it brings in. An explicit key wins, and in a list the earlier mapping.
///
/// `kubectl` lets `<<` win over an explicit key that stands before it, where the merge key's own specification lets
/// the explicit key win: such a mapping means two things and is refused.
fn merge(entries: Vec<Entry<'_>>) -> Result<Vec<Entry<'_>>, ParseError> {
    let mut before = Vec::with_capacity(entries.len());
    let mut brought: Vec<Entry<'_>> = Vec::new();
    let mut behind = Vec::new();
    let mut merged = false;
    for (key, value) in entries {
        if is_merge(&key) {
            merged = true;
            let sources = match value.kind {
                Kind::Seq(items) => items,
                kind => vec![Node { span: value.span, kind }],
            };
            for source in sources {
                let Kind::Map(more) = source.kind else {
                    return Err(ParseError {
                        message: "a merge key `<<` takes a mapping or a list of mappings".to_owned(),
                        span: source.span,
                        help: Some("write `<<: *name`, where `&name` marks a mapping".to_owned()),
                    });
                };
                brought.extend(more);
            }
        } else if merged {
            behind.push((key, value));
        } else {
            before.push((key, value));
        }
    }
    let mut taken: FxHashSet<String> =
        behind.iter().filter_map(|(key, _)| key.text().map(str::to_owned)).collect();
    let first: FxHashSet<String> =
        before.iter().filter_map(|(key, _)| key.text().map(str::to_owned)).collect();
    for (key, value) in brought {
        let text = key.text().unwrap_or_default();
        if first.contains(text)
            && let Some((explicit, _)) = before.iter().find(|(explicit, _)| explicit.text() == Some(text))
        {
            return Err(ParseError {
                message: format!("key `{text}` stands before a merge key `<<` that also brings it in"),
                span: explicit.span.clone(),
                help: Some(
                    "tools disagree on which of the two wins; write `<<` as the first key of the mapping"
                        .to_owned(),
                ),
            });
        }
        if taken.insert(text.to_owned()) {
            before.push((key, value));
        }
    }
    before.append(&mut behind);
    Ok(before)
}
