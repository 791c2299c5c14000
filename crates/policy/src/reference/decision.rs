//! What a side comes to in one world. In: what rules do. Out: decisions, and the [`Side`] of a tree of them.

use std::collections::BTreeSet;

use ringfence_model::verdict::{Condition, Outcome, Reason, Side};

use super::unknown::{Alike, Tree};

/// The result if every fact were known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Result {
    /// It passes.
    Allow,
    /// It passes if one of these holds.
    AllowIf(BTreeSet<Condition>),
    /// It is dropped.
    Deny,
}

/// A result with its reasons.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    /// The result.
    pub(super) result: Result,
    /// Why.
    pub(super) reasons: Vec<Reason>,
}

impl Alike for Decision {
    fn alike(&self, other: &Self) -> bool {
        self.result == other.result
    }
}

impl Decision {
    /// It passes.
    pub(super) fn allow(reasons: Vec<Reason>) -> Self {
        Self { result: Result::Allow, reasons }
    }

    /// It is dropped.
    pub(super) fn deny(reasons: Vec<Reason>) -> Self {
        Self { result: Result::Deny, reasons }
    }

    /// The same with reasons that come before its own.
    pub(super) fn after(&self, earlier: &[Reason]) -> Self {
        let mut reasons = earlier.to_vec();
        reasons.extend(self.reasons.iter().filter(|reason| !earlier.contains(reason)).cloned());
        Self { result: self.result.clone(), reasons }
    }

    /// What follows if one of the conditions makes the difference between this decision and `without`.
    pub(super) fn given(&self, conditions: &BTreeSet<Condition>, without: &Self) -> Self {
        match (&self.result, &without.result) {
            (Result::Allow, Result::Deny) => {
                Self { result: Result::AllowIf(conditions.clone()), reasons: self.reasons.clone() }
            }
            (Result::Allow, Result::AllowIf(others)) => {
                let union = conditions.union(others).cloned().collect();
                Self { result: Result::AllowIf(union), ..without.after(&self.reasons) }
            }
            // Both the same; or the order of equal priorities decides, which is unknown either way.
            _ => without.clone(),
        }
    }
}

impl Tree<Decision> {
    /// Decided if no unknown test matters.
    pub(super) fn into_side(self) -> Side {
        let mut missing = self.facts();
        missing.sort();
        missing.dedup();
        let reasons = self.last().map_or_else(Vec::new, |decision| decision.reasons.clone());
        let (outcome, conditions) = match &self {
            Self::Depends(..) => (Outcome::Unknown, Vec::new()),
            Self::Known(decision) => match &decision.result {
                Result::Allow => (Outcome::Allow, Vec::new()),
                Result::AllowIf(conditions) => (Outcome::AllowIf, conditions.iter().cloned().collect()),
                Result::Deny => (Outcome::Deny, Vec::new()),
            },
        };
        Side { outcome, conditions, missing, reasons }
    }
}
