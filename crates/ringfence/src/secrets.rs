//! Secrets in the lines that reports show. In: lines of a manifest. Out: the same lines, as long as before in bytes, with
//! passwords, tokens and keys as stars: reports end up in logs and in comments that more people read than the manifests.

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use regex::Regex;

/// What names of secrets hold.
const NAME: &str =
    r"(?:passw(?:or)?d|passphrase|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key)";

/// A value: in quotes, or as far as it goes.
const VALUE: &str = r##"("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,{}\[\]'"#][^\s,}\]]*)"##;

/// The password of a URL; the value beside a variable's name; the value of a key that is all name of a secret.
static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let url = r#"://[^\s/:@"']*:([^\s@"']+)@"#.to_owned();
    let variable =
        format!(r#"(?i)\bname["']?\s*:\s*["']?[\w.-]*{NAME}[\w.-]*["']?[\s,]+["']?value["']?\s*:\s*{VALUE}"#);
    let key = format!(r#"(?im)(?:^|[\s,{{-])["']?(?:[\w.]*[_.-])?{NAME}["']?\s*:[ \t]+{VALUE}"#);
    [url, variable, key].iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()
});

/// The lines without secrets.
pub(crate) fn concealed(lines: &str) -> Cow<'_, str> {
    let hits = PATTERNS.iter().flat_map(|pattern| pattern.captures_iter(lines));
    let spans: Vec<Range<usize>> = hits
        .filter_map(|hit| hit.get(1))
        .map(|value| value.range())
        .filter(|span| !span.is_empty())
        .collect();
    if spans.is_empty() {
        return Cow::Borrowed(lines);
    }
    let mut shown = String::with_capacity(lines.len());
    for (at, letter) in lines.char_indices() {
        if spans.iter().any(|span| span.contains(&at)) && !matches!(letter, '\n' | '"' | '\'') {
            shown.extend(std::iter::repeat_n('*', letter.len_utf8()));
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::concealed;

    #[test]
    fn secrets_become_stars_of_the_same_length() {
        for (line, shown) in [
            ("value: postgres://admin:s3cr\u{e9}t@db:5432/x", "value: postgres://admin:*******@db:5432/x"),
            (
                "[{name: DB_PASSWORD, value: hunter2}, {name: A, value: b}]",
                "[{name: DB_PASSWORD, value: *******}, {name: A, value: b}]",
            ),
            (r#"{"name":"API_KEY","value":"a\"b, c"}"#, r#"{"name":"API_KEY","value":"**"****"}"#),
            ("- name: GITHUB_TOKEN\n  value: abc", "- name: GITHUB_TOKEN\n  value: ***"),
            ("stringData: {password: hunter2, user: me}", "stringData: {password: *******, user: me}"),
            ("  db-password: 'hunter 2'", "  db-password: '********'"),
        ] {
            assert_eq!(concealed(line), shown);
            assert_eq!(concealed(line).len(), line.len());
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for line in [
            "value: http://db:5432/x",
            "app: password-service",
            "automountServiceAccountToken: false",
            "- name: tokens\n  image: registry.example.com/tokens:1",
            "secretKeyRef: {name: db, key: password}",
            "podSelector: {matchLabels: {app: token-issuer}}",
        ] {
            assert_eq!(concealed(line), line);
        }
    }
}
