//! The text that the kernel's log carries from a rule to its reader. In: what a rule decided, on which side, its number and
//! its policy. Out: a prefix of at most [`Limits::LOG_PREFIX`] bytes, and back.
//!
//! `ringfence deny ingress 1f3a9c02 NetworkPolicy shop/web`: the number comes before the name, so that cutting a long name never loses it.

use std::fmt::Write as _;

use ringfence_model::verdict::Direction;

use crate::nft::Limits;

/// The first word of every prefix that is ours.
pub const WORD: &str = "ringfence";

/// Number of a rule or reason within a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// What a logging rule decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Logged {
    /// The packet was refused.
    Deny,
    /// The packet opened a connection that was let through.
    Allow,
    /// The packet was let through, and an audit policy would have refused it.
    Audit,
}

impl Logged {
    /// `deny`, `allow` or `audit`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
            Self::Audit => "audit",
        }
    }
}

/// What a prefix says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix<'a> {
    /// What was decided.
    pub logged: Logged,
    /// At the source (egress) or at the destination (ingress).
    pub direction: Direction,
    /// The rule or reason that decided.
    pub id: RuleId,
    /// Kind and name of the policy for people, perhaps cut off; empty if there is none.
    pub name: &'a str,
}

/// Writes a prefix. `name` is the policy for people, as `NetworkPolicy shop/web`: what is not printable ASCII or has a
/// meaning in the text form of a program becomes `?`, and what is too long is cut off.
#[must_use]
pub fn prefix(logged: Logged, direction: Direction, id: RuleId, name: &str) -> String {
    let mut text = String::with_capacity(Limits::LOG_PREFIX);
    // Writing to a string cannot fail.
    let _ = write!(text, "{WORD} {} {} {:08x}", logged.as_str(), direction.as_str(), id.0);
    if !name.is_empty() {
        text.push(' ');
        let room = Limits::LOG_PREFIX.saturating_sub(text.len());
        let plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '$');
        text.extend(name.chars().take(room).map(|c| if plain(c) { c } else { '?' }));
        // The kernel's readers trim what ends in spaces.
        text.truncate(text.trim_end().len());
    }
    text
}

/// Reads a prefix; nothing if it is not one of ours.
#[must_use]
pub fn parse_prefix(text: &str) -> Option<Prefix<'_>> {
    let mut words = text.splitn(5, ' ');
    if words.next()? != WORD {
        return None;
    }
    let logged = match words.next()? {
        "deny" => Logged::Deny,
        "allow" => Logged::Allow,
        "audit" => Logged::Audit,
        _ => return None,
    };
    let direction = match words.next()? {
        "egress" => Direction::Egress,
        "ingress" => Direction::Ingress,
        _ => return None,
    };
    let id = words.next()?;
    if id.len() != 8 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let id = RuleId(u32::from_str_radix(id, 16).ok()?);
    Some(Prefix { logged, direction, id, name: words.next().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let text = prefix(Logged::Deny, Direction::Ingress, RuleId(0x1f3a_9c02), "NetworkPolicy shop/web");
        assert_eq!(text, "ringfence deny ingress 1f3a9c02 NetworkPolicy shop/web");
        let parsed = parse_prefix(&text).unwrap();
        assert_eq!(parsed.logged, Logged::Deny);
        assert_eq!(parsed.direction, Direction::Ingress);
        assert_eq!(parsed.id, RuleId(0x1f3a_9c02));
        assert_eq!(parsed.name, "NetworkPolicy shop/web");

        let bare = prefix(Logged::Audit, Direction::Egress, RuleId(0), "");
        assert_eq!(bare, "ringfence audit egress 00000000");
        assert_eq!(parse_prefix(&bare).unwrap().name, "");
    }

    #[test]
    fn long_and_strange_names_keep_the_number() {
        let name = format!("NetworkPolicy {}/{}", "n".repeat(63), "ä\"$\\\n".repeat(60));
        let text = prefix(Logged::Allow, Direction::Egress, RuleId(u32::MAX), &name);
        assert_eq!(text.len(), Limits::LOG_PREFIX);
        assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text}");
        assert_eq!(parse_prefix(&text).unwrap().id, RuleId(u32::MAX));
    }

    #[test]
    fn others_are_not_ours() {
        for text in [
            "",
            "ringfence",
            "ringfence deny",
            "ringfence deny ingress",
            "ringfence deny ingress 12",
            "ringfence deny ingress +1f3a9c0",
            "ringfence deny in 1f3a9c02",
            "ringfence drop ingress 1f3a9c02",
            "ringfenced deny ingress 1f3a9c02",
            "IN=eth0 OUT=",
        ] {
            assert_eq!(parse_prefix(text), None, "{text}");
        }
    }
}
