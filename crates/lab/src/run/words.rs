//! What a program says to a person. In: notes and reasons. Out: sentences without a full stop.

use ringfence_analysis::explain::steps::{condition_text, missing_text};
use ringfence_dataplane::compile::Note;
use ringfence_model::{
    network_policy::PolicyMeta,
    origin::{Origin, Sources},
    verdict::Reason,
};

/// What decided, and where that is written (`file:line` each). Nothing if no rule and no policy did.
#[must_use]
pub fn decided(reasons: &[Reason], sources: &Sources) -> (String, Vec<String>) {
    let mut origins: Vec<Origin> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut isolating: Vec<String> = Vec::new();
    let named = |policy: &PolicyMeta| format!("{} {}", policy.kind.as_str(), policy.full_name());
    for reason in reasons {
        match reason {
            Reason::Rule(rule) => {
                let number = u64::from(rule.index) + 1;
                words.push(format!("{} {} rule {number}", named(&rule.policy), rule.direction.as_str()));
                origins.push(rule.origin);
            }
            Reason::Isolated(policy) => {
                isolating.push(named(policy));
                origins.push(policy.origin);
            }
            _ => {}
        }
    }
    if !isolating.is_empty() {
        words.push(format!("isolated by {}", isolating.join(", ")));
    }
    (words.join("; "), origins.into_iter().filter_map(|origin| sources.place(origin)).collect())
}

/// A note in words.
#[must_use]
pub fn note(note: &Note) -> String {
    match note {
        Note::NeedsProxy { direction, policy, conditions } => {
            let conditions: Vec<String> = conditions.iter().map(condition_text).collect();
            format!(
                "closed, because it needs a proxy: what {policy} allows for {} only {}",
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
