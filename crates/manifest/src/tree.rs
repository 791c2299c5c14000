//! A YAML or JSON document as a tree whose every node knows its bytes. In: nothing. Out: the tree's types.

use std::{borrow::Cow, ops::Range};

/// A node and the bytes of its source text that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// Byte range within the source text (the file, not the document). For a mapping or sequence: from its first key
    /// or item to the end of its last value.
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
    /// A mapping, in the order written, merge keys resolved.
    Map(Vec<(Node<'a>, Node<'a>)>),
}
