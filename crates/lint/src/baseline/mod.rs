//! Old findings that are let be: a baseline. In: findings, and what a baseline file holds. Out: which of them are known,
//! what is known but no longer found, and the text of a baseline file.

mod file;
mod fingerprint;

use std::collections::BTreeMap;

pub use fingerprint::{Fingerprint, Fingerprints};

/// A finding as a baseline file knows it: by what it says and about what, not by where in its file that stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Known {
    /// The file, as the writer of the baseline names it.
    pub file: String,
    /// The rule's code.
    pub rule: String,
    /// Kind, namespace and name of the object; empty for a finding outside of all objects.
    pub object: String,
    /// The fingerprint's digits.
    pub hash: String,
}

/// Known findings, each with the number of times that it occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    counts: BTreeMap<Known, usize>,
}

impl Baseline {
    /// Adds one occurrence.
    pub fn add(&mut self, known: Known) {
        *self.counts.entry(known).or_default() += 1;
    }

    /// Takes one occurrence out; whether there was one. What is left at the end occurs no longer.
    pub fn take(&mut self, known: &Known) -> bool {
        let Some(count) = self.counts.get_mut(known).filter(|count| **count > 0) else { return false };
        *count -= 1;
        true
    }

    /// What is in it, sorted, with the number of occurrences; those of which none is left are not.
    pub fn iter(&self) -> impl Iterator<Item = (&Known, usize)> {
        self.counts.iter().filter(|(_, count)| **count > 0).map(|(known, count)| (known, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(hash: &str) -> Known {
        Known {
            file: "a.yaml".to_owned(),
            rule: "RF503".to_owned(),
            object: "NetworkPolicy shop/api".to_owned(),
            hash: hash.to_owned(),
        }
    }

    #[test]
    fn an_occurrence_is_taken_once() {
        let mut baseline = Baseline::default();
        for hash in ["1", "2", "1"] {
            baseline.add(known(hash));
        }
        let taken = ["1", "1", "1", "3"].map(|hash| baseline.take(&known(hash)));
        assert_eq!(taken, [true, true, false, false]);
        assert_eq!(baseline.iter().collect::<Vec<_>>(), [(&known("2"), 1)]);
    }

    #[test]
    fn a_file_holds_what_was_written() {
        let mut baseline = Baseline::default();
        for hash in ["2", "1", "1"] {
            baseline.add(known(hash));
        }
        let text = baseline.to_json();
        assert_eq!(Baseline::parse("baseline.json", &text).unwrap(), baseline);
        assert!(text.contains("\"count\": 2"), "{text}");
    }

    #[test]
    fn a_file_that_is_none_is_shown_where_it_is_wrong() {
        let shown = |text: &str| {
            let (found, sources) = *Baseline::parse("baseline.json", text).unwrap_err();
            format!("{} {}", sources.place(found.origin).unwrap(), found.message)
        };
        assert_eq!(
            shown("{\n  \"version\": 2, \"findings\": []}"),
            "baseline.json:1 unknown version 2 of a baseline"
        );
        assert!(
            shown("{\n  \"version\": 1,\n  \"findngs\": []\n}")
                .starts_with("baseline.json:3 unknown field `findngs`")
        );
        assert!(shown("").starts_with("baseline.json:1 EOF while parsing a value"));
    }
}
