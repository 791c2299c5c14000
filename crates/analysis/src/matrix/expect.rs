//! What a row expects. In: the words and signs that people write. Out: one of five expectations.

use crate::question::{Problem, Summary};

/// What a row expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Every part passes, conditions or not.
    Allow,
    /// Every part passes, and there are conditions.
    AllowIf,
    /// Every part is dropped.
    Deny,
    /// The parts differ.
    Mixed,
    /// A fact is missing.
    Unknown,
}

/// What people write, in lower case.
const WORDS: [(Expect, &[&str]); 5] = [
    (
        Expect::Allow,
        &[
            "allow",
            "allowed",
            "accept",
            "accepted",
            "permit",
            "permitted",
            "yes",
            "y",
            "true",
            "open",
            "pass",
            "ok",
            "succeed",
            "success",
            "connected",
            "reachable",
            "✅",
            "✓",
            "✔",
            "☑",
            "🟢",
            "👍",
        ],
    ),
    (
        Expect::Deny,
        &[
            "deny",
            "denied",
            "drop",
            "dropped",
            "block",
            "blocked",
            "reject",
            "rejected",
            "refuse",
            "refused",
            "forbid",
            "forbidden",
            "no",
            "n",
            "false",
            "closed",
            "fail",
            "timeout",
            "unreachable",
            "❌",
            "✗",
            "✘",
            "✖",
            "⛔",
            "🚫",
            "🔴",
            "👎",
        ],
    ),
    (Expect::Mixed, &["mixed"]),
    (Expect::Unknown, &["unknown"]),
    (Expect::AllowIf, &["allow-if", "conditional"]),
];

impl Expect {
    /// Reads an expectation: the first word or sign that is one, such as `Deny`, `✅ allowed`, `no (isolated)`.
    ///
    /// # Errors
    /// If the text begins with none of the known words.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        // U+FE0F asks for the colourful form of a sign.
        let lower = text.to_lowercase().replace('\u{fe0f}', "");
        let mut tokens =
            lower.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ';' | '.' | ':' | '!'));
        let first = tokens.find(|token| !token.is_empty()).unwrap_or_default();
        let known = |words: &[&str]| words.contains(&first);
        // A sign may stand right before its word.
        let begins = |words: &[&str]| words.iter().any(|word| !word.is_ascii() && first.starts_with(word));
        (WORDS.iter().find(|(_, words)| known(words)))
            .or_else(|| WORDS.iter().find(|(_, words)| begins(words)))
            .map(|(expect, _)| *expect)
            .ok_or_else(|| {
                Problem::new(format!("`{}` is not an expectation", text.trim()))
                    .help("write `allow` or `deny` (or `mixed`, `unknown`, `allow-if`)")
            })
    }

    /// `allow`, `allow-if`, `deny`, `mixed` or `unknown`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::AllowIf => "allow-if",
            Self::Deny => "deny",
            Self::Mixed => "mixed",
            Self::Unknown => "unknown",
        }
    }

    /// Whether an answer is the expected one.
    #[must_use]
    pub fn is_met(self, summary: Summary) -> bool {
        match self {
            Self::Allow => matches!(summary, Summary::Allow | Summary::AllowIf),
            Self::AllowIf => summary == Summary::AllowIf,
            Self::Deny => summary == Summary::Deny,
            Self::Mixed => summary == Summary::Mixed,
            Self::Unknown => summary == Summary::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_as_people_write_them() {
        for text in ["Allow", "ALLOWED", "yes", "✅", "✅ Allow", "✔️", "allow (via Service)", " permit "]
        {
            assert_eq!(Expect::parse(text).unwrap(), Expect::Allow, "{text}");
        }
        for text in ["Deny", "denied.", "❌", "❌Blocked", "no", "Blocked (default deny)"] {
            assert_eq!(Expect::parse(text).unwrap(), Expect::Deny, "{text}");
        }
        assert_eq!(Expect::parse("mixed").unwrap(), Expect::Mixed);
        assert_eq!(Expect::parse("allow-if").unwrap(), Expect::AllowIf);
        for text in ["", "maybe", "not allowed", "allowance"] {
            assert!(Expect::parse(text).is_err(), "{text}");
        }
    }
}
