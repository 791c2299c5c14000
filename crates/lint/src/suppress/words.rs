//! The words of a suppression. In: a text such as `RF301, two-peers-one-meant`. Out: each word with its place.

use ringfence_model::origin::Origin;

use super::Word;

/// The words of a list separated by commas, and where each is written: `at` is where the list is. An empty word is left out.
pub(super) fn listed(list: &str, at: Origin) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = at.start;
    for part in list.split(',') {
        let text = part.trim();
        if !text.is_empty() {
            let blank = part.len() - part.trim_start().len();
            let first = start.saturating_add(offset(blank));
            let origin = Origin { start: first, end: first.saturating_add(offset(text.len())), ..at };
            words.push(Word { text: text.to_owned(), origin });
        }
        start = start.saturating_add(offset(part.len() + 1));
    }
    words
}

/// A reason without what people write between it and the rules.
pub(super) fn reason(text: &str) -> String {
    text.trim().trim_start_matches(['-', ':', '–', '—']).trim().to_owned()
}

pub(super) fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
