//! A document's tree laid out flat, so that a node is found by its bytes and knows what it is part of. In: a tree. Out:
//! its nodes in the order of the text, each with its parent.

use std::{borrow::Cow, cmp::Reverse, ops::Range};

use ringfence_model::origin::Origin;

use crate::tree::{Kind, Node};

/// Number of a node within its [`Outline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(usize);

/// What a node is to its parent. Numbers count the parent's items or entries from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The root of the document.
    Root,
    /// An item of a sequence.
    Item(usize),
    /// The key of an entry.
    Key(usize),
    /// The value of an entry.
    Value(usize),
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Content<'a> {
    /// A scalar: its text, escapes and folding resolved, and whether it is plain.
    Scalar(Cow<'a, str>, bool),
    /// The items of a sequence.
    Seq(Vec<Id>),
    /// The entries of a mapping.
    Map(Vec<(Id, Id)>),
}

/// A node that knows its parent.
#[derive(Clone, Debug)]
pub(crate) struct Flat<'a> {
    /// Its bytes in the source text.
    pub(crate) span: Range<u32>,
    /// What it is part of.
    pub(crate) parent: Option<Id>,
    /// What it is to its parent.
    pub(crate) role: Role,
    /// What it is.
    pub(crate) content: Content<'a>,
    /// Whether it stands where its span says, and is not what an alias or a merge key brought in.
    pub(crate) original: bool,
}

/// A tree laid out flat.
#[derive(Debug)]
pub(crate) struct Outline<'a> {
    nodes: Vec<Flat<'a>>,
    /// The nodes that stand where their spans say, by their first byte; of several the outermost first.
    by_place: Vec<Id>,
}

impl<'a> Outline<'a> {
    /// Lays out a tree.
    pub(crate) fn new(root: Node<'a>) -> Self {
        let mut outline = Self { nodes: Vec::new(), by_place: Vec::new() };
        outline.lay_out(root, None, Role::Root, true);
        let mut placed: Vec<(u32, Reverse<u32>, Id)> = (outline.nodes.iter().enumerate())
            .filter(|(_, node)| node.original)
            .map(|(id, node)| (node.span.start, Reverse(node.span.end), Id(id)))
            .collect();
        placed.sort_unstable();
        outline.by_place = placed.into_iter().map(|(_, _, id)| id).collect();
        outline
    }

    fn lay_out(&mut self, node: Node<'a>, parent: Option<Id>, role: Role, original: bool) -> Id {
        let id = Id(self.nodes.len());
        let Node { span, kind } = node;
        // What an alias brings in was written before it, so it is not behind its elder siblings or not in its parent.
        let mut behind = span.start;
        let mut stands = |child: &Node<'_>| {
            let stands = original && child.span.start >= behind && child.span.end <= span.end;
            if stands {
                behind = child.span.end;
            }
            stands
        };
        let content = Content::Seq(Vec::new());
        self.nodes.push(Flat { span: span.clone(), parent, role, content, original });
        let content = match kind {
            Kind::Scalar { text, plain } => Content::Scalar(text, plain),
            Kind::Seq(items) => Content::Seq(
                (items.into_iter().enumerate())
                    .map(|(at, item)| {
                        let stands = stands(&item);
                        self.lay_out(item, Some(id), Role::Item(at), stands)
                    })
                    .collect(),
            ),
            Kind::Map(entries) => Content::Map(
                (entries.into_iter().enumerate())
                    .map(|(at, (key, value))| {
                        let key_stands = stands(&key);
                        let absent = value.span == key.span && value.text() == Some("");
                        let value_stands = if absent { key_stands } else { stands(&value) };
                        let key = self.lay_out(key, Some(id), Role::Key(at), key_stands);
                        (key, self.lay_out(value, Some(id), Role::Value(at), value_stands))
                    })
                    .collect(),
            ),
        };
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.content = content;
        }
        id
    }

    /// The root of the document.
    pub(crate) fn root(&self) -> Id {
        Id(0)
    }

    /// All nodes, parents before their children.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        (0..self.nodes.len()).map(Id)
    }

    /// The scalars that stand between two bytes or begin there, in the order of the text.
    pub(crate) fn scalars(&self, span: Range<u32>) -> impl Iterator<Item = &Flat<'a>> {
        let from = self.by_place.partition_point(|id| self.sort_key(*id).0 < span.start);
        let rest = self.by_place.get(from..).unwrap_or_default();
        rest.iter()
            .filter_map(|id| self.node(*id))
            .take_while(move |node| node.span.start < span.end)
            .filter(|node| matches!(node.content, Content::Scalar(..)))
    }

    /// Where the last scalar before a byte ends.
    pub(crate) fn scalar_end_before(&self, at: u32) -> Option<u32> {
        let behind = self.by_place.partition_point(|id| self.sort_key(*id).0 < at);
        let before = self.by_place.get(..behind)?.iter().rev().filter_map(|id| self.node(*id));
        before.filter(|node| matches!(node.content, Content::Scalar(..))).map(|node| node.span.end).next()
    }

    /// A node by its number.
    pub(crate) fn node(&self, id: Id) -> Option<&Flat<'a>> {
        self.nodes.get(id.0)
    }

    /// A node's parent.
    pub(crate) fn parent(&self, id: Id) -> Option<Id> {
        self.node(id)?.parent
    }

    /// The nodes that have exactly these bytes, the outermost first.
    pub(crate) fn exactly(&self, at: Origin) -> impl Iterator<Item = Id> {
        let wanted = (at.start, Reverse(at.end));
        let from = self.by_place.partition_point(|id| self.sort_key(*id) < wanted);
        let rest = self.by_place.get(from..).unwrap_or_default();
        rest.iter().copied().take_while(move |id| self.sort_key(*id) == wanted)
    }

    /// The innermost node that contains these bytes; the root if none does.
    pub(crate) fn around(&self, at: Origin) -> Id {
        let behind = self.by_place.partition_point(|id| self.sort_key(*id).0 <= at.start);
        let mut id = self.by_place.get(..behind).and_then(<[Id]>::last).copied().unwrap_or(Id(0));
        while let Some(node) = self.node(id)
            && node.span.end < at.end.max(at.start)
            && let Some(parent) = node.parent
        {
            id = parent;
        }
        id
    }

    fn sort_key(&self, id: Id) -> (u32, Reverse<u32>) {
        self.node(id).map_or((u32::MAX, Reverse(0)), |node| (node.span.start, Reverse(node.span.end)))
    }

    /// The text of a scalar, escapes and folding resolved.
    pub(crate) fn text(&self, id: Id) -> Option<&str> {
        match &self.node(id)?.content {
            Content::Scalar(text, _) => Some(text),
            Content::Seq(_) | Content::Map(_) => None,
        }
    }

    /// The items of a sequence.
    pub(crate) fn items(&self, id: Id) -> Option<&[Id]> {
        match &self.node(id)?.content {
            Content::Seq(items) => Some(items),
            Content::Scalar(..) | Content::Map(_) => None,
        }
    }

    /// The entries of a mapping.
    pub(crate) fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match &self.node(id)?.content {
            Content::Map(entries) => Some(entries),
            Content::Scalar(..) | Content::Seq(_) => None,
        }
    }

    /// The key and value of a mapping's entry.
    pub(crate) fn entry(&self, map: Id, key: &str) -> Option<(Id, Id)> {
        self.entries(map)?.iter().copied().find(|(known, _)| self.text(*known) == Some(key))
    }

    /// The root of the Kubernetes object that a node is part of: an item of a list, or the root of the document.
    pub(crate) fn object(&self, id: Id) -> Id {
        let mut ancestors = vec![id];
        while let Some(parent) = ancestors.last().and_then(|last| self.parent(*last)) {
            ancestors.push(parent);
        }
        // From the root on down: `List`, its `items`, an item.
        let mut path = ancestors.into_iter().rev();
        let mut object = path.next().unwrap_or(id);
        while let (Some(items), Some(item)) = (path.next(), path.next()) {
            if self.list_items(object) != Some(items) {
                break;
            }
            object = item;
        }
        object
    }

    /// The `items` of a list of Kubernetes objects.
    fn list_items(&self, map: Id) -> Option<Id> {
        self.entry(map, "apiVersion")?;
        let (_, kind) = self.entry(map, "kind")?;
        let (_, items) = self.entry(map, "items")?;
        self.text(kind)?.ends_with("List").then_some(items)
    }
}
