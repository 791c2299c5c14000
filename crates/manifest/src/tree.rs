//! A YAML or JSON document as a tree whose every node knows its bytes. In: nothing. Out: the tree's types.

use std::{borrow::Cow, ops::Range};

use crate::scalar::{self, Scalar};

/// A node and the bytes of its source text that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// Byte range within the source text (the file, not the document).
    ///
    /// - A plain scalar: its text. A quoted scalar: with its quotes. A block scalar (`|`, `>`): from the first to the
    ///   last byte of its content that is not blank.
    /// - A mapping or sequence: from its first key or item to the end of its last value; in flow style (`{}`, `[]`)
    ///   with its brackets.
    /// - A value that is not there (`port:` and nothing after it): the key's bytes.
    /// - What an alias or a merge key brought in: where the anchor wrote it.
    pub span: Range<u32>,
    /// What it is.
    pub kind: Kind<'a>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A scalar. `plain` means not quoted and not a block scalar, so that it may be a null, a boolean or a number.
    Scalar {
        /// Its text, escapes and folding resolved.
        text: Cow<'a, str>,
        /// Whether it is subject to type resolution.
        plain: bool,
    },
    /// A sequence.
    Seq(Vec<Node<'a>>),
    /// A mapping, in the order written, merge keys resolved. Every key is a scalar, and no two have the same text; a
    /// key that is a boolean or a number (`on: x`, `0x50: x`) has the text that the API server gets (`true`, `80`).
    Map(Vec<(Node<'a>, Node<'a>)>),
}

impl Node<'_> {
    /// The value of a scalar, resolved as `kubectl` does; `None` for a mapping or sequence.
    #[must_use]
    pub fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.kind {
            Kind::Scalar { text, plain } => Some(scalar::resolve(text, *plain)),
            Kind::Seq(_) | Kind::Map(_) => None,
        }
    }

    /// The text of a scalar as written (escapes and folding resolved), whatever its type; `None` for a mapping or
    /// sequence.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::Seq(_) | Kind::Map(_) => None,
        }
    }

    /// The value of a mapping's key; `None` if there is none, or the node is not a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, value)| value),
            Kind::Scalar { .. } | Kind::Seq(_) => None,
        }
    }
}
