//! The grammars of names in the API. In: a name as written. Out: nothing if it is valid, else what is allowed.
//!
//! The rules are those of `k8s.io/apimachinery/pkg/util/validation`.

/// A function that says what is allowed if a name is not.
pub(crate) type Grammar = fn(&str) -> Option<&'static str>;

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Whether the first and the last byte are of the class `edge` and every byte is of it or among `inner`.
fn is_framed(text: &str, edge: fn(u8) -> bool, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|first| edge(*first))
        && bytes.last().is_some_and(|last| edge(*last))
        && bytes.iter().all(|byte| edge(*byte) || inner.contains(byte))
}

/// Names of namespaces (RFC 1123 label).
pub(crate) fn dns_label(name: &str) -> Option<&'static str> {
    let valid = name.len() <= 63 && is_framed(name, is_lower_alphanumeric, b"-");
    (!valid).then_some("at most 63 lower-case letters, digits and `-`, with a letter or digit at both ends")
}

/// Names of most objects (RFC 1123 subdomain).
pub(crate) fn dns_subdomain(name: &str) -> Option<&'static str> {
    let valid = name.len() <= 253 && name.split('.').all(|part| is_framed(part, is_lower_alphanumeric, b"-"));
    (!valid)
        .then_some("at most 253 lower-case letters, digits, `-` and `.`, with a letter or digit around every `.` and at both ends")
}

/// Names of Services (RFC 1035 label).
pub(crate) fn service_name(name: &str) -> Option<&'static str> {
    let starts = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    let valid = starts && dns_label(name).is_none();
    (!valid).then_some(
        "at most 63 lower-case letters, digits and `-`, with a letter first and a letter or digit last",
    )
}

/// Label keys: an optional DNS prefix and a name.
pub(crate) fn label_key(key: &str) -> Option<&'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let valid = name.len() <= 63
        && is_framed(name, is_alphanumeric, b"-_.")
        && prefix.is_none_or(|prefix| dns_subdomain(prefix).is_none());
    (!valid).then_some(
        "a name of at most 63 letters, digits, `-`, `_` and `.` with a letter or digit at both ends, after an optional DNS name and `/`",
    )
}

/// Label values.
pub(crate) fn label_value(value: &str) -> Option<&'static str> {
    let valid = value.is_empty() || (value.len() <= 63 && is_framed(value, is_alphanumeric, b"-_."));
    (!valid).then_some("at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends")
}

/// Names of ports (RFC 6335 service name).
pub(crate) fn port_name(name: &str) -> Option<&'static str> {
    let valid = name.len() <= 15
        && is_framed(name, is_lower_alphanumeric, b"-")
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !name.contains("--");
    (!valid).then_some(
        "at most 15 lower-case letters, digits and single `-`, with at least one letter, and a letter or digit at both ends",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammars_agree_with_the_api() {
        for (grammar, valid, invalid) in [
            (
                dns_label as Grammar,
                &["a", "a-b", "0", &"a".repeat(63)] as &[&str],
                &["", "-a", "a-", "A", "a.b", "a_b", &"a".repeat(64)] as &[&str],
            ),
            (dns_subdomain, &["a.b", "0.a-b"], &["", "a..b", ".a", "a.", "a.-b", "A.b", &"a".repeat(254)]),
            (service_name, &["a", "a-0"], &["0a", "", "a.b", "A"]),
            (
                label_key,
                &["app", "a.b/C_d.e", "A", "kubernetes.io/metadata.name"],
                &["", "/a", "a/", "a/b/c", "-a", "A.b/c", "a b", &"a".repeat(64)],
            ),
            (label_value, &["", "A_b.c-d", "80"], &["-a", "a b", "a/b", "é", &"a".repeat(64)]),
            (port_name, &["http", "a-1", "1a"], &["", "80", "-a", "a-", "a--b", "HTTP", "aaaaaaaaaaaaaaaa"]),
        ] {
            for name in valid {
                assert_eq!(grammar(name), None, "{name}");
            }
            for name in invalid {
                assert!(grammar(name).is_some(), "{name}");
            }
        }
    }
}
