//! What a program's notes say to a person. In: a note. Out: a sentence without a full stop.

use ringfence_analysis::explain::steps::{condition_text, missing_text};
use ringfence_dataplane::compile::Note;

/// A note in words.
#[must_use]
pub fn note(note: &Note) -> String {
    match note {
        Note::NeedsProxy { direction, policy, conditions } => {
            let conditions: Vec<String> = conditions.iter().map(condition_text).collect();
            format!(
                "closed, because it needs a proxy: what {policy} allows for {} only if {}",
                direction.as_str(),
                conditions.join(" or ")
            )
        }
        Note::Missing { direction, policy, missing } => {
            let missing: Vec<String> = missing.iter().map(missing_text).collect();
            format!(
                "closed, because a fact is missing: {policy}, {}: {}",
                direction.as_str(),
                missing.join(", ")
            )
        }
        Note::NoAddress(pod) => format!("no policy applies to `{pod}` yet: its address is not known"),
        Note::Claimed(address) => format!("several pods have the address `{address}`"),
        Note::NoNodeAddress => {
            "no address of the node is known: nothing is exempt as traffic between a pod and its own node"
                .to_owned()
        }
    }
}
