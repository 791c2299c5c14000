//! The rules, one file each, in a directory for each subject. In: nothing. Out: the list of all rules.

mod addresses;
mod dialects;
mod hygiene;
mod input;
mod little;
pub(crate) mod lost;
mod matches;
mod much;
mod tiers;

pub use input::reading::is_unreadable;

use crate::rule::Rule;

/// All rules in the order of their codes.
#[must_use]
pub fn all() -> Vec<&'static Rule> {
    [
        input::RULES,
        matches::RULES,
        addresses::RULES,
        lost::RULES,
        much::RULES,
        little::RULES,
        tiers::RULES,
        dialects::RULES,
        hygiene::RULES,
    ]
    .concat()
}

/// The rule with this code or name.
#[must_use]
pub fn find(word: &str) -> Option<&'static Rule> {
    all().into_iter().find(|rule| rule.code.eq_ignore_ascii_case(word) || rule.name == word)
}

/// Whether a rule is about the run itself, and so runs after all others.
pub(crate) fn is_about_the_run(rule: &Rule) -> bool {
    std::ptr::eq(rule, &input::unused_suppression::RULE)
}
