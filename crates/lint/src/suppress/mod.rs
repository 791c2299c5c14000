//! Suppressions: what the authors of manifests have looked at and want to keep. In: the texts, the annotations of objects, and
//! findings. Out: the findings that nobody has spoken about, the others with the reasons given, and which suppressions were for
//! nothing.
//!
//! A comment `# ringfence: ignore[RF301, RF505] reason`
//! - behind something on its line is about the findings that begin on this line;
//! - alone on its line is about the next mapping entry or sequence item, with everything in it;
//! - before the first entry of a document is about the whole document.
//!
//! The annotation [`ANNOTATION`] is about everything in its object. Nothing suppresses the findings about suppressions.

mod annotation;
mod comment;
pub(crate) mod paths;
mod words;

use std::fmt;

use ringfence_model::{
    object::ObjectRef,
    origin::{Origin, Sources},
};

pub use self::annotation::ANNOTATION;
use crate::{finding::Finding, rule::Rule, settings::Settings};

/// A word that names rules, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// As in [`Rule::is_named_by`].
    pub(crate) text: String,
    /// Its bytes, or those of the annotation's value.
    pub(crate) origin: Origin,
}

/// The findings that a suppression is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those that begin in these bytes.
    Begin(Origin),
    /// Those that are in these bytes.
    Within(Origin),
}

impl Extent {
    fn bytes(self) -> Origin {
        match self {
            Self::Begin(bytes) | Self::Within(bytes) => bytes,
        }
    }

    /// Whether it is about a finding there.
    fn covers(self, at: Origin) -> bool {
        let bytes = self.bytes();
        let begins = at.source == bytes.source && (bytes.start..bytes.end).contains(&at.start);
        match self {
            Self::Begin(_) => begins,
            Self::Within(_) => begins && at.end <= bytes.end,
        }
    }
}

/// One suppression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suppression {
    /// Where it is written: the comment, or the annotation's value.
    pub(crate) origin: Origin,
    /// What it is about.
    pub(crate) extent: Extent,
    /// The rules; never empty.
    pub(crate) words: Vec<Word>,
    /// Why; empty if nobody says.
    pub(crate) reason: String,
}

/// Something that looks like a suppression and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Where it is written.
    pub(crate) origin: Origin,
    /// What is wrong with it.
    pub(crate) problem: &'static str,
}

/// All suppressions of an input.
#[derive(Debug, Default)]
pub(crate) struct Suppressions {
    /// By the first byte of what they are about.
    all: Vec<Suppression>,
    /// For each the end of what it or any before it in the same text is about.
    reach: Vec<u32>,
    malformed: Vec<Malformed>,
}

/// Why a finding is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// As given; it can be empty.
    pub text: String,
    /// Whether it stands beside what was found, and not in the settings.
    pub in_source: bool,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Which words of which suppressions did something, in the order of [`Suppressions::all`].
pub(crate) type Used = Vec<Vec<bool>>;

impl Suppressions {
    /// Everything that comments and annotations say.
    pub(crate) fn new(
        sources: &Sources,
        documents: &[ObjectRef],
        value: impl Fn(&ObjectRef) -> Origin,
    ) -> Self {
        let mut found = Self::default();
        for (id, source) in sources.iter() {
            comment::read(id, &source.text, &mut found.all, &mut found.malformed);
        }
        for object in documents {
            if let Some(text) = object.annotations.get(ANNOTATION) {
                annotation::read(object, text, value(object), &mut found.all, &mut found.malformed);
            }
        }
        found.all.sort_by_key(|one| (one.extent.bytes(), one.origin));
        found.malformed.sort_by_key(|one| one.origin);
        let mut furthest: Option<Origin> = None;
        for one in &found.all {
            let bytes = one.extent.bytes();
            let end = furthest.filter(|before| before.source == bytes.source).map_or(0, |before| before.end);
            let end = end.max(bytes.end);
            furthest = Some(Origin { end, ..bytes });
            found.reach.push(end);
        }
        found
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Suppression] {
        &self.all
    }

    /// What looks like a suppression and is none.
    pub(crate) fn malformed(&self) -> &[Malformed] {
        &self.malformed
    }

    /// Parts findings into those that stay and those that are suppressed, each with a reason.
    pub(crate) fn apply(&self, found: Vec<Finding>) -> (Vec<Finding>, Vec<(Finding, Reason)>, Used) {
        let mut used: Used = self.all.iter().map(|one| vec![false; one.words.len()]).collect();
        let (mut stay, mut suppressed) = (Vec::new(), Vec::new());
        for finding in found {
            match self.speaking_of(&finding, &mut used) {
                None => stay.push(finding),
                Some(text) => suppressed.push((finding, Reason { text: text.to_owned(), in_source: true })),
            }
        }
        (stay, suppressed, used)
    }

    /// The reason of the narrowest suppression of a finding; notes all of them as used.
    fn speaking_of(&self, finding: &Finding, used: &mut Used) -> Option<&str> {
        if !is_suppressible(finding.rule) || !finding.origin.is_some() {
            return None;
        }
        let at = finding.origin;
        let behind = self.all.partition_point(|one| {
            let bytes = one.extent.bytes();
            (bytes.source, bytes.start) <= (at.source, at.start)
        });
        let mut best: Option<(u32, &str)> = None;
        let before = (self.all.iter().zip(&self.reach).zip(used.iter_mut())).take(behind);
        for ((one, reach), used) in before.rev() {
            let bytes = one.extent.bytes();
            if bytes.source != at.source || *reach <= at.start {
                break;
            }
            if !one.extent.covers(at) {
                continue;
            }
            for (word, used) in one.words.iter().zip(used) {
                if finding.rule.is_named_by(&word.text) {
                    *used = true;
                    let size = bytes.end - bytes.start;
                    if best.is_none_or(|(known, _)| size < known) {
                        best = Some((size, &one.reason));
                    }
                }
            }
        }
        best.map(|(_, reason)| reason)
    }
}

/// Whether a rule's findings can be suppressed: those about suppressions cannot, or one could hide itself.
fn is_suppressible(rule: &Rule) -> bool {
    !rule.code.starts_with("RF01")
}

/// Whether a word that did nothing was for nothing: whether what it names has run.
pub(crate) fn has_run(word: &str, settings: &Settings) -> bool {
    let rules = crate::rules::all();
    let named: Vec<&&Rule> = rules.iter().filter(|rule| rule.is_named_by(word)).collect();
    let exact = named.len() == 1;
    named.iter().any(|rule| settings.selects(rule))
        && named.iter().all(|rule| settings.selects(rule) || (rule.opt_in && !exact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_cover_what_begins_or_lies_in_them() {
        let source = ringfence_model::origin::SourceId(0);
        let at = |start, end| Origin { source, start, end };
        assert!(Extent::Begin(at(10, 20)).covers(at(10, 90)));
        assert!(!Extent::Begin(at(10, 20)).covers(at(20, 21)));
        assert!(Extent::Within(at(10, 20)).covers(at(12, 20)));
        assert!(!Extent::Within(at(10, 20)).covers(at(10, 21)));
        assert!(!Extent::Within(at(10, 20)).covers(Origin::NONE));
    }
}
