//! Suppressions in the annotation of an object, for manifests that cannot have comments. In: its value. Out: suppressions of
//! findings in the object.

use ringfence_model::{object::ObjectRef, origin::Origin};

use super::{
    Extent, Malformed, Suppression, Word,
    words::{listed, reason},
};

/// The annotation: `RF301 reason; RF505, RF506 another reason`.
pub const ANNOTATION: &str = "ringfence.dev/ignore";

/// Reads the value of an object's annotation, which is written at `origin`.
pub(super) fn read(
    object: &ObjectRef,
    text: &str,
    origin: Origin,
    found: &mut Vec<Suppression>,
    malformed: &mut Vec<Malformed>,
) {
    let entries = text.split(';').map(str::trim).filter(|entry| !entry.is_empty());
    let before = found.len();
    for entry in entries {
        let (list, rest) = split(entry);
        // The place is that of the value: an annotation can be quoted or folded.
        let words: Vec<Word> =
            (listed(list, origin).into_iter()).map(|word| Word { origin, ..word }).collect();
        if !words.is_empty() {
            let extent = Extent::Within(object.body);
            found.push(Suppression { origin, extent, words, reason: reason(rest) });
        }
    }
    if found.len() == before {
        malformed.push(Malformed { origin, problem: "it names no rule" });
    }
}

/// The list of rules at the beginning of an entry, and the rest. A comma with blanks around it goes on with the list.
fn split(entry: &str) -> (&str, &str) {
    let mut end = 0;
    loop {
        let rest = entry.get(end..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start().len();
        let word = rest.trim_start().find(char::is_whitespace).unwrap_or(rest.len() - blank);
        end += blank + word;
        let list = entry.get(..end).unwrap_or_default();
        let rest = entry.get(end..).unwrap_or_default();
        if rest.trim().is_empty() || !(list.ends_with(',') || rest.trim_start().starts_with(',')) {
            return (list.trim_end_matches(':'), rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_where_no_comma_goes_on_with_it() {
        assert_eq!(split("RF301 a reason, long"), ("RF301", " a reason, long"));
        assert_eq!(split("RF301, RF505 why"), ("RF301, RF505", " why"));
        assert_eq!(split("RF301 , RF505: why"), ("RF301 , RF505", " why"));
        assert_eq!(split("RF301"), ("RF301", ""));
    }
}
