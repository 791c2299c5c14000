//! What a document means, and what it should mean after a change. In: a document's nodes and a change. Out: a plain tree
//! to compare with that of the changed text.

use super::Value;
use crate::{
    outline::{Content, Id, Outline},
    scalar,
};

/// A tree without places.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    Scalar { text: String, plain: bool },
    Seq(Vec<Meaning>),
    Map(Vec<(String, Meaning)>),
}

/// One change of a tree. Numbers count items or entries from zero.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change<'v> {
    /// The node becomes this value.
    Replace(Id, &'v Value),
    /// A sequence or mapping loses everything.
    Empty(Id),
    /// A sequence loses an item, or a mapping an entry.
    Remove(Id, usize),
    /// A sequence gets an item before the one of this number.
    Insert(Id, usize, &'v Value),
    /// A mapping gets an entry before the one of this number.
    Entry(Id, usize, &'v str, &'v Value),
    /// A mapping's entry gets another key.
    Rename(Id, usize, &'v str),
    /// The mapping of this number in a sequence takes the entries of the next one.
    Join(Id, usize),
}

impl Change<'_> {
    /// The node that changes.
    pub(super) fn at(self) -> Id {
        let (Self::Replace(at, _)
        | Self::Empty(at)
        | Self::Remove(at, _)
        | Self::Insert(at, ..)
        | Self::Entry(at, ..)
        | Self::Rename(at, ..)
        | Self::Join(at, _)) = self;
        at
    }
}

impl PartialEq for Meaning {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar { text: a, plain: pa }, Self::Scalar { text: b, plain: pb }) => {
                (a == b && pa == pb) || scalar::resolve(a, *pa) == scalar::resolve(b, *pb)
            }
            (Self::Seq(a), Self::Seq(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => false,
        }
    }
}

impl From<&Value> for Meaning {
    fn from(value: &Value) -> Self {
        match value {
            Value::Bool(value) => Self::Scalar { text: value.to_string(), plain: true },
            Value::Int(value) => Self::Scalar { text: value.to_string(), plain: true },
            Value::Text(text) => Self::Scalar { text: text.clone(), plain: false },
            Value::Seq(items) => Self::Seq(items.iter().map(Self::from).collect()),
            Value::Map(entries) => {
                Self::Map(entries.iter().map(|(key, value)| (key.clone(), Self::from(value))).collect())
            }
        }
    }
}

impl Meaning {
    /// What a node means, with one change made.
    pub(super) fn of(outline: &Outline<'_>, id: Id, change: Option<Change<'_>>) -> Option<Self> {
        if let Some(Change::Replace(replaced, value)) = change
            && replaced == id
        {
            return Some(Self::from(value));
        }
        let mut meaning = match &outline.node(id)?.content {
            Content::Scalar(text, plain) => Self::Scalar { text: text.to_string(), plain: *plain },
            Content::Seq(items) => {
                let items = items.iter().map(|item| Self::of(outline, *item, change));
                Self::Seq(items.collect::<Option<_>>()?)
            }
            Content::Map(entries) => {
                let entry = |(key, value): &(Id, Id)| {
                    Some((outline.text(*key)?.to_owned(), Self::of(outline, *value, change)?))
                };
                Self::Map(entries.iter().map(entry).collect::<Option<_>>()?)
            }
        };
        if let Some(change) = change {
            meaning.changed(id, change)?;
        }
        Some(meaning)
    }

    /// Makes a change if it is about the node `id`, which this is.
    fn changed(&mut self, id: Id, change: Change<'_>) -> Option<()> {
        if change.at() != id {
            return Some(());
        }
        match (self, change) {
            (Self::Seq(items), Change::Empty(_)) => items.clear(),
            (Self::Map(entries), Change::Empty(_)) => entries.clear(),
            (Self::Seq(items), Change::Remove(_, at)) if at < items.len() => drop(items.remove(at)),
            (Self::Map(entries), Change::Remove(_, at)) if at < entries.len() => drop(entries.remove(at)),
            (Self::Seq(items), Change::Insert(_, at, value)) if at <= items.len() => {
                items.insert(at, Self::from(value));
            }
            (Self::Map(entries), Change::Entry(_, at, key, value)) if at <= entries.len() => {
                entries.insert(at, (key.to_owned(), Self::from(value)));
            }
            (Self::Map(entries), Change::Rename(_, at, key)) => key.clone_into(&mut entries.get_mut(at)?.0),
            (Self::Seq(items), Change::Join(_, first)) if first + 1 < items.len() => {
                let Self::Map(more) = items.remove(first + 1) else { return None };
                let Some(Self::Map(entries)) = items.get_mut(first) else { return None };
                entries.extend(more);
            }
            _ => return None,
        }
        Some(())
    }
}
