//! Three-valued and conditional matching. In: facts that may be missing, conditions that may not hold yet. Out: how
//! far a rule matches, and the joining of the answers of several possible worlds.

use ringfence_model::verdict::{Condition, Missing, Outcome, Side};

/// One way in which something matches: if all the facts turn out to be so and one of the conditions holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alternative {
    /// Facts that are not known; empty if nothing is missing.
    pub(super) facts: Vec<Missing>,
    /// Conditions of which one must hold; empty if it is unconditional.
    pub(super) conditions: Vec<Condition>,
}

/// How far something matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// Not at all.
    No,
    /// Certainly.
    Yes,
    /// In one of these ways; never empty, and none of them is certain.
    Perhaps(Vec<Alternative>),
}

impl From<bool> for Match {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Match {
    /// Matches if this fact turns out to be so.
    pub(super) fn unknown(fact: Missing) -> Self {
        Self::Perhaps(vec![Alternative { facts: vec![fact], conditions: Vec::new() }])
    }

    /// Matches if one of the conditions holds.
    pub(super) fn conditional(conditions: Vec<Condition>) -> Self {
        if conditions.is_empty() {
            return Self::No;
        }
        Self::Perhaps(vec![Alternative { facts: Vec::new(), conditions }])
    }

    /// It does not match; for a match without conditions, whose facts leave it just as open.
    pub(super) fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Perhaps(ways) => Self::Perhaps(ways),
        }
    }

    /// Either matches.
    pub(super) fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => Self::Yes,
            Self::No => other(),
            Self::Perhaps(mut ways) => match other() {
                Self::Yes => Self::Yes,
                Self::No => Self::Perhaps(ways),
                Self::Perhaps(more) => {
                    ways.extend(more);
                    Self::Perhaps(ways)
                }
            },
        }
    }

    /// Both match.
    pub(super) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Perhaps(ways) => match other() {
                Self::No => Self::No,
                Self::Yes => Self::Perhaps(ways),
                Self::Perhaps(more) => Self::Perhaps(
                    ways.iter()
                        .flat_map(|a| more.iter().map(move |b| (a, b)))
                        .map(|(a, b)| Alternative {
                            facts: a.facts.iter().chain(&b.facts).cloned().collect(),
                            conditions: a.conditions.iter().chain(&b.conditions).cloned().collect(),
                        })
                        .collect(),
                ),
            },
        }
    }
}

/// The answer when it is not known whether `matched` or `otherwise` is the case.
pub(super) fn either(matched: Side, otherwise: Side, facts: &[Missing]) -> Side {
    if matched.outcome == otherwise.outcome
        && matched.conditions == otherwise.conditions
        && matched.missing == otherwise.missing
    {
        return otherwise;
    }
    let mut missing: Vec<Missing> = facts.to_vec();
    missing.extend(matched.missing);
    missing.extend(otherwise.missing);
    missing.sort();
    missing.dedup();
    let mut reasons = otherwise.reasons;
    for reason in matched.reasons {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    Side { outcome: Outcome::Unknown, conditions: Vec::new(), missing, reasons }
}

/// The answer when `allowed` is the case if one of the conditions holds, else `otherwise`.
pub(super) fn provided(allowed: Side, otherwise: Side, conditions: &[Condition]) -> Side {
    match (allowed.outcome, otherwise.outcome) {
        (Outcome::Allow, Outcome::Deny | Outcome::AllowIf) => {
            let mut all: Vec<Condition> = conditions.to_vec();
            all.extend(otherwise.conditions);
            all.sort();
            all.dedup();
            let mut reasons = allowed.reasons;
            if otherwise.outcome == Outcome::AllowIf {
                reasons.extend(otherwise.reasons);
            }
            Side { outcome: Outcome::AllowIf, conditions: all, missing: Vec::new(), reasons }
        }
        // With the conditions, an equal priority leaves it open.
        (Outcome::Unknown, _) => either(allowed, otherwise, &[]),
        _ => otherwise,
    }
}
