//! Values and keys beside a value that is already known, by where they stand. In: the texts of a cluster, the origin of
//! a value and a path from it. Out: the origin of what the path leads to.

use std::sync::OnceLock;

use ringfence_model::origin::{Origin, SourceId, Sources};

use crate::{
    document,
    outline::{Id, Outline, Role},
    parse,
};

/// One step of a path: down to the value of a key, or to an item (from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'p> {
    /// The value of this key of a mapping.
    Key(&'p str),
    /// This item of a sequence, counted from 0.
    Index(usize),
}

impl<'p> From<&'p str> for Step<'p> {
    fn from(key: &'p str) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// Finds what stands in the documents of the texts that a cluster was read from.
///
/// A document is parsed when it is first asked about, and once; then a question costs about a binary search and a walk
/// along its path. Origins are bytes of the whole text, and have the meaning that [`crate::tree::Node::span`] states.
#[derive(Debug)]
pub struct Locator<'s> {
    texts: Vec<Text<'s>>,
}

/// One source text.
#[derive(Debug)]
struct Text<'s> {
    text: &'s str,
    documents: OnceLock<Vec<Place<'s>>>,
    /// Where its lines start.
    lines: OnceLock<Vec<usize>>,
}

/// One document of a text.
#[derive(Debug)]
struct Place<'s> {
    document: document::Document<'s>,
    /// Nothing if it is empty or has an error.
    outline: OnceLock<Option<Outline<'s>>>,
}

/// A document that an origin is part of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'l, 's> {
    /// The number of its text.
    pub(crate) source: SourceId,
    /// The whole text.
    pub(crate) text: &'s str,
    /// The document.
    pub(crate) document: &'l document::Document<'s>,
    /// What is in it.
    pub(crate) outline: &'l Outline<'s>,
    /// Where the lines of the text start.
    pub(crate) lines: &'l [usize],
}

impl<'s> Locator<'s> {
    /// For these texts; parses none yet.
    #[must_use]
    pub fn new(sources: &'s Sources) -> Self {
        let text = |source: &'s ringfence_model::origin::Source| Text {
            text: &source.text,
            documents: OnceLock::new(),
            lines: OnceLock::new(),
        };
        Self { texts: sources.iter().map(|(_, source)| text(source)).collect() }
    }

    /// The bytes of an origin as they were written; `None` if no text holds them.
    #[must_use]
    pub fn text(&self, origin: Origin) -> Option<&'s str> {
        let text = self.texts.get(origin.source.0 as usize)?.text;
        text.get(origin.start as usize..origin.end as usize)
    }

    /// The value that `path` leads to from the node whose bytes are exactly `at`.
    ///
    /// Several nodes can have the same bytes (a sequence and its only item): the outermost from which the path leads
    /// anywhere counts. `None` if there is none, or the document cannot be read.
    #[must_use]
    pub fn value(&self, at: Origin, path: &[Step<'_>]) -> Option<Origin> {
        let spot = self.spot(at)?;
        let mut nodes = spot.outline.exactly(at);
        nodes.find_map(|from| spot.walk(from, path)).and_then(|node| spot.origin(node))
    }

    /// The key of the entry whose value `path` leads to from the node whose bytes are exactly `at`; which node that is,
    /// see [`Self::value`]. With an empty path it is the key whose value stands at `at`.
    #[must_use]
    pub fn key(&self, at: Origin, path: &[Step<'_>]) -> Option<Origin> {
        let spot = self.spot(at)?;
        let mut nodes = spot.outline.exactly(at);
        nodes.find_map(|from| spot.key_of(spot.walk(from, path)?)).and_then(|node| spot.origin(node))
    }

    /// The value that `path` leads to from the root of the Kubernetes object that contains `at`: the item of a `List`,
    /// else the root of the document. `at` may be any bytes of the document.
    #[must_use]
    pub fn root_value(&self, at: Origin, path: &[Step<'_>]) -> Option<Origin> {
        let spot = self.spot(at)?;
        spot.origin(spot.walk(spot.object(at), path)?)
    }

    /// The key of the entry whose value `path` leads to from the root of the Kubernetes object that contains `at`; see
    /// [`Self::root_value`].
    #[must_use]
    pub fn root_key(&self, at: Origin, path: &[Step<'_>]) -> Option<Origin> {
        let spot = self.spot(at)?;
        spot.origin(spot.key_of(spot.walk(spot.object(at), path)?)?)
    }

    /// The whole text with this number, and the last document of it.
    pub(crate) fn last_document(
        &self,
        source: SourceId,
    ) -> Option<(&'s str, Option<&document::Document<'s>>)> {
        let text = self.texts.get(source.0 as usize)?;
        let places = text.documents.get_or_init(|| places(text.text));
        Some((text.text, places.last().map(|place| &place.document)))
    }

    /// The document that contains `at`.
    pub(crate) fn spot(&self, at: Origin) -> Option<Spot<'_, 's>> {
        let text = self.texts.get(at.source.0 as usize)?;
        let places = text.documents.get_or_init(|| places(text.text));
        let behind = places.partition_point(|place| place.document.span.start <= at.start);
        let place = places.get(behind.checked_sub(1)?)?;
        let document = &place.document;
        if at.end > document.span.end || at.end < at.start {
            return None;
        }
        let outline = place.outline.get_or_init(|| {
            parse::parse(document.text, document.span.start).ok().flatten().map(Outline::new)
        });
        let lines = text.lines.get_or_init(|| {
            std::iter::once(0)
                .chain(memchr::memchr_iter(b'\n', text.text.as_bytes()).map(|at| at + 1))
                .collect()
        });
        Some(Spot { source: at.source, text: text.text, document, outline: outline.as_ref()?, lines })
    }

    /// The document that contains `at`, with the one before it and the one behind it.
    pub(crate) fn neighbours(&self, at: Origin) -> Option<[Option<&document::Document<'s>>; 3]> {
        let places = self.texts.get(at.source.0 as usize)?.documents.get()?;
        let behind = places.partition_point(|place| place.document.span.start <= at.start);
        let of = |at: Option<usize>| at.and_then(|at| places.get(at)).map(|place| &place.document);
        Some([of(behind.checked_sub(2)), of(behind.checked_sub(1)), of(Some(behind))])
    }
}

fn places(text: &str) -> Vec<Place<'_>> {
    if document::check_size(text.len()).is_err() {
        return Vec::new();
    }
    let place = |document| Place { document, outline: OnceLock::new() };
    document::split(text).into_iter().map(place).collect()
}

impl Spot<'_, '_> {
    pub(crate) fn origin(&self, id: Id) -> Option<Origin> {
        let span = &self.outline.node(id)?.span;
        Some(Origin { source: self.source, start: span.start, end: span.end })
    }

    fn walk(&self, from: Id, path: &[Step<'_>]) -> Option<Id> {
        path.iter().try_fold(from, |node, step| match step {
            Step::Key(key) => self.outline.entry(node, key).map(|(_, value)| value),
            Step::Index(index) => self.outline.items(node)?.get(*index).copied(),
        })
    }

    /// The key whose value a node is.
    fn key_of(&self, id: Id) -> Option<Id> {
        let node = self.outline.node(id)?;
        let Role::Value(entry) = node.role else { return None };
        self.outline.entries(node.parent?)?.get(entry).map(|(key, _)| *key)
    }

    /// The root of the Kubernetes object that contains `at`.
    pub(crate) fn object(&self, at: Origin) -> Id {
        self.outline.object(self.outline.around(at))
    }
}
