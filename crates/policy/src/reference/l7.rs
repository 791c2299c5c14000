//! Layer 7 of Cilium rules. In: the conditions of a port rule and the flow's request. Out: a match, a match under
//! conditions where the flow asks nothing, and DNS name patterns.

use ringfence_model::{
    Text,
    cilium::{FqdnMatch, HttpMatch, L7Match},
    flow::Request,
    origin::Origin,
    verdict::{Condition, Missing},
};

use super::{
    matching::{Context, Match},
    unknown::Tree,
};

/// Whether the request meets one of the conditions. No condition is met by everything.
pub(super) fn conditions(context: &Context<'_>, alternatives: &[L7Match]) -> Tree<Match> {
    if alternatives.is_empty() {
        return Tree::known(true);
    }
    let Some(request) = &context.flow.request else {
        let conditions = alternatives.iter().cloned().map(Condition::L7).collect();
        return Tree::Known(Match::provided(Origin::NONE, conditions));
    };
    Tree::any(alternatives.iter().map(|alternative| match (alternative, request) {
        (L7Match::Http(wanted), Request::Http { method, path, host, headers }) => {
            http(context, wanted, method, path, host.as_ref(), headers)
        }
        (L7Match::Dns(pattern), Request::Dns(name)) => Tree::known(fqdn(pattern, name)),
        (L7Match::Http(_), Request::Dns(_)) | (L7Match::Dns(_), Request::Http { .. }) => Tree::known(false),
        (L7Match::Other(name), _) => context.unknown(Missing::RequestDetail(name.clone())),
    }))
}

fn http(
    context: &Context<'_>,
    wanted: &HttpMatch,
    method: &str,
    path: &str,
    host: Option<&Text>,
    headers: &[(Text, Text)],
) -> Tree<Match> {
    let part = |pattern: &Option<Text>, actual: &str| match pattern {
        None => Tree::known(true),
        Some(pattern) => whole(context, pattern, actual),
    };
    let host = match (&wanted.host, host) {
        (None, _) => Tree::known(true),
        (Some(_), None) => context.unknown(Missing::RequestDetail("host".into())),
        (Some(pattern), Some(host)) => whole(context, pattern, host),
    };
    let mut all = part(&wanted.method, method).and(&part(&wanted.path, path)).and(&host);
    for (name, value) in &wanted.headers {
        let mut given = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).peekable();
        let header = if given.peek().is_none() {
            context.unknown(Missing::RequestDetail(name.clone()))
        } else {
            Tree::known(given.any(|(_, actual)| value.as_ref().is_none_or(|value| value == actual)))
        };
        all = all.and(&header);
    }
    all
}

/// Whether a regular expression matches a whole text.
fn whole(context: &Context<'_>, pattern: &Text, text: &str) -> Tree<Match> {
    match regex::Regex::new(&format!("^(?:{pattern})$")) {
        Ok(regex) => Tree::known(regex.is_match(text)),
        Err(_) => context.unknown(Missing::RequestDetail(pattern.clone())),
    }
}

/// Whether a DNS name is the one meant. Case and a final dot do not matter.
pub(super) fn fqdn(wanted: &FqdnMatch, name: &str) -> bool {
    let plain = |text: &str| text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    match wanted {
        FqdnMatch::Name(wanted) => plain(wanted) == plain(name),
        FqdnMatch::Pattern(pattern) if &**pattern == "*" => true,
        FqdnMatch::Pattern(pattern) => {
            let (pattern, name) = (plain(pattern), plain(name));
            match pattern.strip_prefix("**.") {
                // One or more whole labels, then the rest.
                Some(rest) => name.match_indices('.').any(|(dot, _)| {
                    let (labels, tail) = name.split_at(dot);
                    labels.split('.').all(|label| !label.is_empty())
                        && tail.strip_prefix('.').is_some_and(|tail| glob(rest, tail))
                }),
                None => glob(&pattern, &name),
            }
        }
    }
}

/// Whether a pattern matches, a `*` standing for any run of `[-a-zA-Z0-9_]`, the empty one too.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|mut rest| {
            loop {
                if glob(after, rest) {
                    return true;
                }
                let mut characters = rest.chars();
                match characters.next() {
                    Some(next) if next.is_ascii_alphanumeric() || next == '-' || next == '_' => {
                        rest = characters.as_str();
                    }
                    _ => return false,
                }
            }
        }),
    }
}
