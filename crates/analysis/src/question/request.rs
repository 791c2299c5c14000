//! The layer-7 part of a question. In: `GET /path`, `GET http://host/path`, `DNS api.example.com`. Out: a request.

use ringfence_model::flow::Request;

use super::Problem;

/// Reads a request.
///
/// # Errors
/// If the text is neither an HTTP request nor a DNS question.
pub fn parse(text: &str) -> Result<Request, Problem> {
    let bad = || {
        Problem::new(format!("`{text}` is not a request"))
            .help("write `GET /path`, `POST http://host/path` or `DNS api.example.com`")
    };
    let (verb, rest) = text.trim().split_once(char::is_whitespace).ok_or_else(bad)?;
    let rest = rest.trim();
    if rest.is_empty() || rest.contains(char::is_whitespace) {
        return Err(bad());
    }
    if verb.eq_ignore_ascii_case("dns") {
        let name = rest.strip_suffix('.').unwrap_or(rest).to_ascii_lowercase();
        return Ok(Request::Dns(name.into()));
    }
    if !verb.chars().all(|c| c.is_ascii_alphabetic()) {
        return Err(bad());
    }
    let without_scheme =
        rest.strip_prefix("http://").or_else(|| rest.strip_prefix("https://")).unwrap_or(rest);
    let (host, path) = match without_scheme.find('/') {
        Some(0) => (None, without_scheme.to_owned()),
        Some(at) => {
            let (host, path) = without_scheme.split_at_checked(at).ok_or_else(bad)?;
            (Some(host), path.to_owned())
        }
        None if without_scheme.len() < rest.len() => (Some(without_scheme), "/".to_owned()),
        None => return Err(bad()),
    };
    Ok(Request::Http {
        method: verb.to_ascii_uppercase().into(),
        path: path.into(),
        host: host.map(Into::into),
        headers: Vec::new(),
    })
}

/// The request as [`parse`] reads it.
#[must_use]
pub fn describe(request: &Request) -> String {
    match request {
        Request::Http { method, path, host: Some(host), .. } => format!("{method} http://{host}{path}"),
        Request::Http { method, path, host: None, .. } => format!("{method} {path}"),
        Request::Dns(name) => format!("DNS {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_as_people_write_them() {
        for (text, said) in [
            ("GET /health", "GET /health"),
            ("post /a?b=c", "POST /a?b=c"),
            ("GET http://api.shop/v1", "GET http://api.shop/v1"),
            ("GET https://api.shop", "GET http://api.shop/"),
            ("DNS API.example.com.", "DNS api.example.com"),
        ] {
            assert_eq!(describe(&parse(text).unwrap()), said);
        }
        for text in ["GET", "", "GET health", "GET /a b", "GET2 /x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
