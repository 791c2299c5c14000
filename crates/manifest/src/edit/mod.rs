//! Changes to a text that leave the rest of it alone: comments, order, indentation, quotes, line ends. In: places (see
//! [`crate::locate`]) and new values. Out: bytes to replace, or nothing where that cannot be done cleanly.
//!
//! Every builder knows block style, flow style and JSON, and writes what it inserts in the style of its surroundings.
//! Before it answers it applies its edits to the document, reads the result, and compares it with the tree that is meant:
//! what does not come out as meant is `None`. So is a node with anchors, aliases, tags or merge keys in it. An answer
//! therefore costs about one reading of the document, or of the item of a `List` that the edits are in.
//!
//! Each answer holds for the text as it is. Answers that do not overlap can be applied together, with one thing to
//! mind: several that remove items of one sequence may leave it empty; apply one, and read again.

mod collection;
mod document;
mod ground;
mod insert;
mod join;
mod meaning;
mod remove;
mod render;
mod scalar;

use std::fmt;

use ringfence_model::origin::Origin;

pub use self::{
    collection::empty_collection,
    document::{append_document, remove_document},
    insert::{append_entry, append_item, insert_entry_after, insert_item_after},
    join::join_items,
    remove::{remove_entry, remove_item},
    scalar::{rename_key, replace_scalar},
};

/// Bytes of a text and what to put in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes to replace; none to insert before its start.
    pub origin: Origin,
    /// The text that takes their place.
    pub replacement: String,
}

impl Edit {
    /// The same edit of the text that begins at byte `first`; nothing if it begins before that.
    fn behind(&self, first: u32) -> Option<Self> {
        let Self { mut origin, replacement } = self.clone();
        origin.start = origin.start.checked_sub(first)?;
        origin.end = origin.end.checked_sub(first)?;
        Some(Self { origin, replacement })
    }
}

/// A value to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A string, quoted where it would mean something else without.
    Text(String),
    /// A sequence.
    Seq(Vec<Value>),
    /// A mapping, in this order.
    Map(Vec<(String, Value)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// Why edits cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditError {
    /// Two edits change the same bytes.
    Overlap {
        /// The earlier of the two.
        first: Origin,
        /// The other one.
        second: Origin,
    },
    /// The bytes are not in the text, or cut a character in two.
    Outside(Origin),
    /// The edits are for several texts.
    SeveralTexts(Origin),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap { first, second } => write!(
                f,
                "two edits change the same bytes ({}..{} and {}..{}); apply one, and check again",
                first.start, first.end, second.start, second.end
            ),
            Self::Outside(at) => {
                write!(f, "the bytes {}..{} are not in the text; read it again", at.start, at.end)
            }
            Self::SeveralTexts(at) => {
                write!(
                    f,
                    "the edit of bytes {}..{} is for another text; apply the edits of each text on their own",
                    at.start, at.end
                )
            }
        }
    }
}

impl std::error::Error for EditError {}

/// The text with all edits applied. They may come in any order; insertions at the same byte keep theirs.
///
/// # Errors
/// When edits overlap, lie outside of the text, or are for several texts.
pub fn apply(text: &str, edits: &[Edit]) -> Result<String, EditError> {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| (edit.origin.start, edit.origin.end));
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let mut previous: Option<Origin> = None;
    for Edit { origin, replacement } in sorted {
        if let Some(first) = previous {
            if first.source != origin.source {
                return Err(EditError::SeveralTexts(*origin));
            }
            if origin.start < first.end {
                return Err(EditError::Overlap { first, second: *origin });
            }
        }
        let (start, end) = (origin.start as usize, origin.end as usize);
        let kept = text.get(done..start).filter(|_| text.get(start..end).is_some());
        out.push_str(kept.ok_or(EditError::Outside(*origin))?);
        out.push_str(replacement);
        done = end;
        previous = Some(*origin);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Ok(out)
}
