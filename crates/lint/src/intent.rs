//! What the name of a policy says that it is for. In: a policy's meta. Out: its intent, as far as the words go.

use ringfence_model::network_policy::PolicyMeta;

/// Words by which a policy says that it closes something.
const CLOSING: [&str; 9] =
    ["deny", "block", "isolate", "isolation", "restrict", "lockdown", "quarantine", "drop", "reject"];

/// Words by which a policy says whom it opens to, next to `allow`: everybody, or the world outside.
const WIDE: [&str; 12] = [
    "all",
    "any",
    "everything",
    "anything",
    "everyone",
    "anywhere",
    "internet",
    "external",
    "public",
    "outbound",
    "world",
    "open",
];

fn words(meta: &PolicyMeta) -> impl Iterator<Item = String> + '_ {
    let split = meta.name.split(|letter: char| !letter.is_ascii_alphanumeric());
    split.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase)
}

/// Whether its name says that it closes, and not that it opens.
pub(crate) fn says_closed(meta: &PolicyMeta) -> bool {
    words(meta).any(|word| CLOSING.contains(&word.as_str())) && !words(meta).any(|word| word == "allow")
}

/// Whether its name says that it opens to everybody, or to everything outside.
pub(crate) fn says_open(meta: &PolicyMeta) -> bool {
    words(meta).any(|word| WIDE.contains(&word.as_str())) && !says_closed(meta)
}
