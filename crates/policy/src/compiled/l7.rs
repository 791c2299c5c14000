//! Layer 7 and names. In: conditions of rules, requests, DNS names. Out: whether they match.

use regex::Regex;
use ringfence_model::{
    Text,
    cilium::{FqdnMatch, HttpMatch, L7Match},
    flow::Request,
    label::{Labels, Selector},
    verdict::{Condition, Missing},
};

use super::truth::Match;

/// A DNS name as names are compared: lower case, without the final dot.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether a `domainNames` entry covers a name: itself, or `*.` and at least one more label (NPEP-133).
pub(super) fn domain_matches(entry: &str, name: &str) -> bool {
    let (entry, name) = (normal(entry), normal(name));
    match entry.strip_prefix("*.") {
        None => entry == name,
        Some(suffix) => name
            .strip_suffix(suffix)
            .and_then(|front| front.strip_suffix('.'))
            .is_some_and(|front| !front.is_empty()),
    }
}

/// Whether a Cilium name or pattern covers a name (docs.cilium.io, "DNS based": `*` is any run of the characters of
/// a label, `*` alone every name, a leading `**.` one or more labels).
pub(super) fn name_matches(wanted: &FqdnMatch, name: &str) -> bool {
    let name = normal(name);
    match wanted {
        FqdnMatch::Name(wanted) => normal(wanted) == name,
        FqdnMatch::Pattern(pattern) if &**pattern == "*" => true,
        FqdnMatch::Pattern(pattern) => {
            let pattern = normal(pattern);
            let (front, rest) = match pattern.strip_prefix("**.") {
                Some(rest) => (r"([-a-z0-9_]+\.)+", rest),
                None => ("", pattern.as_str()),
            };
            let body: Vec<String> = rest.split('*').map(regex::escape).collect();
            matches_whole(&format!("{front}{}", body.join("[-a-z0-9_]*")), &name).unwrap_or(false)
        }
    }
}

/// Whether the whole text matches a regular expression; nothing if it is not one.
fn matches_whole(pattern: &str, text: &str) -> Option<bool> {
    Regex::new(&format!("^(?:{pattern})$")).ok().map(|regex| regex.is_match(text))
}

/// Whether a selector of `fromNodes` or a tier's `nodes` matches a node; keys may carry a label source.
pub(super) fn node_selector_matches(selector: &Selector, labels: &Labels) -> bool {
    selector.requirements.iter().all(|requirement| {
        let actual = match requirement.key.split_once(':') {
            None => labels.get(&requirement.key),
            Some(("k8s" | "any", key)) => labels.get(key),
            Some(_) => None,
        };
        requirement.holds(actual.map(|value| &**value))
    })
}

/// Whether a request meets one of the conditions; without a request they stay conditions.
pub(super) fn request(conditions: &[L7Match], request: Option<&Request>) -> Match {
    let Some(request) = request else {
        return Match::conditional(conditions.iter().cloned().map(Condition::L7).collect());
    };
    conditions.iter().fold(Match::No, |so_far, condition| {
        so_far.or(|| match (condition, request) {
            (L7Match::Http(wanted), Request::Http { method, path, host, headers }) => {
                http(wanted, method, path, host.as_ref(), headers)
            }
            (L7Match::Dns(wanted), Request::Dns(name)) => name_matches(wanted, name).into(),
            (L7Match::Other(protocol), _) => Match::unknown(Missing::RequestDetail(protocol.clone())),
            _ => Match::No,
        })
    })
}

fn http(
    wanted: &HttpMatch,
    method: &str,
    path: &str,
    host: Option<&Text>,
    headers: &[(Text, Text)],
) -> Match {
    let part = |pattern: &Option<Text>, actual: Option<&str>, detail: &str| match (pattern, actual) {
        (None, _) => Match::Yes,
        (Some(_), None) => Match::unknown(Missing::RequestDetail(detail.into())),
        (Some(pattern), Some(actual)) => matches_whole(pattern, actual)
            .map_or_else(|| Match::unknown(Missing::RequestDetail(pattern.clone())), Match::from),
    };
    let header = |name: &Text, value: &Option<Text>| {
        let mut stated = headers.iter().filter(|(stated, _)| stated.eq_ignore_ascii_case(name)).peekable();
        if stated.peek().is_none() {
            return Match::unknown(Missing::RequestDetail(name.clone()));
        }
        stated.any(|(_, stated)| value.as_ref().is_none_or(|wanted| wanted == stated)).into()
    };
    let line = part(&wanted.method, Some(method), "method")
        .and(|| part(&wanted.path, Some(path), "path"))
        .and(|| part(&wanted.host, host.map(|host| &**host), "host"));
    wanted.headers.iter().fold(line, |so_far, (name, value)| so_far.and(|| header(name, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        let pattern = |text: &str, name: &str| name_matches(&FqdnMatch::Pattern(text.into()), name);
        assert!(pattern("*.example.com", "api.example.com") && !pattern("*.example.com", "example.com"));
        assert!(!pattern("*.example.com", "a.b.example.com") && pattern("**.example.com", "a.b.example.com"));
        assert!(pattern("*", "anything.at.all") && pattern("api*.example.com", "API-2.example.com."));
        assert!(
            domain_matches("*.example.com", "a.b.example.com")
                && !domain_matches("*.example.com", "example.com")
        );
        assert!(!domain_matches("*.example.com", "badexample.com"));
    }
}
