//! One document to its tree. In: the document's text and where it stands in its source. Out: the tree, or the one
//! reason why there is none.

mod events;
pub(crate) mod explain;
pub(crate) mod mapping;
mod place;

use std::ops::Range;

use self::place::Places;
use crate::{
    quick::{self, Outcome},
    tree::Node,
};

/// Mappings and sequences may be nested this deep.
pub const MAX_DEPTH: usize = 512;
/// A document may have this many scalars, mappings and sequences.
pub const MAX_NODES: usize = 8_000_000;
/// Aliases and merge keys may copy this many scalars, mappings and sequences.
pub const MAX_ALIASED_NODES: usize = 400_000;

/// Why a document has no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the source text (the file, not the document).
    pub span: Range<u32>,
    /// What to do about it.
    pub help: Option<String>,
}

/// As [`parse`], by the general parser alone: slower, and for tests the measure of the quick one.
///
/// # Errors
/// As [`parse`].
#[doc(hidden)]
pub fn parse_general(text: &str, base: u32) -> Result<Option<Node<'_>>, ParseError> {
    explain::check_characters(text, base)?;
    events::parse(text, base)
}

/// The tree of a document by the quick reader alone; `None` where it leaves the document to the general parser.
#[doc(hidden)]
#[must_use]
pub fn parse_quick(text: &str, base: u32) -> Option<Node<'_>> {
    explain::check_characters(text, base).ok()?;
    match quick::parse(text, base) {
        Outcome::Tree(root) => Some(root),
        Outcome::TooMany(_) | Outcome::General => None,
    }
}

/// The tree of a document that starts `base` bytes into its source; `None` if it holds nothing but comments.
///
/// Aliases and merge keys are resolved and keys checked to be scalars, each given once. The core tags (`!!str`,
/// `!!int`, ...) decide how a scalar is resolved.
///
/// # Errors
/// The first reason why this is not one YAML or JSON document that `kubectl` would read, or why it is too large
/// ([`MAX_DEPTH`], [`MAX_NODES`], [`MAX_ALIASED_NODES`]).
pub fn parse(text: &str, base: u32) -> Result<Option<Node<'_>>, ParseError> {
    explain::check_characters(text, base)?;
    match quick::parse(text, base) {
        Outcome::Tree(root) => Ok(Some(root)),
        Outcome::TooMany(at) => Err(explain::too_many_nodes(Places::new("", base).span(at..at + 1))),
        Outcome::General => events::parse(text, base),
    }
}
