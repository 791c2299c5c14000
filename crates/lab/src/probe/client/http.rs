//! A page over HTTP/1.1 (RFC 9112). In: a URL. Out: status and body.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::{ClientError, Resolver};
use crate::namespace::Namespace;

/// How long a page may take altogether.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of a page is read.
const LONGEST: u64 = 1 << 20;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Whom it came from.
    pub from: SocketAddr,
    /// The status code.
    pub status: u16,
    /// The status line, without `HTTP/1.1`.
    pub reason: String,
    /// The content, the first mebibyte of it.
    pub body: Vec<u8>,
}

/// The parts of a URL.
#[derive(Debug, PartialEq, Eq)]
struct Url<'a> {
    authority: &'a str,
    host: &'a str,
    port: u16,
    path: &'a str,
}

/// Fetches a page; every address of the host is tried in turn.
///
/// # Errors
/// When the URL is not one, the name has no address, no address takes the connection, or what answers does not speak HTTP.
pub fn http_get(from: &Namespace, resolver: &Resolver, url: &str) -> Result<Page, ClientError> {
    let parts = Url::read(url)?;
    let mut last = ClientError::Url { url: url.to_owned(), why: "its host has no address" };
    for address in resolver.resolve(from, parts.host)? {
        match from.run(|| fetch(SocketAddr::new(address, parts.port), &parts))? {
            Ok(page) => return Ok(page),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl<'a> Url<'a> {
    fn read(url: &'a str) -> Result<Self, ClientError> {
        let wrong = |why| ClientError::Url { url: url.to_owned(), why };
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => return Err(wrong("it speaks no TLS")),
            Some(_) => return Err(wrong("only http is known")),
            None => url,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let path = path.split('#').next().unwrap_or_default();
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        let port =
            port.map_or(Ok(80), str::parse).map_err(|_| wrong("its port is not a number up to 65535"))?;
        Ok(Self { authority, host, port, path })
    }
}

/// Runs in the namespace.
fn fetch(to: SocketAddr, url: &Url<'_>) -> Result<Page, ClientError> {
    let answer = exchange(to, url).map_err(|cause| ClientError::Connection { to, cause })?;
    read_page(to, &answer).ok_or(ClientError::NotHttp { to })
}

fn exchange(to: SocketAddr, url: &Url<'_>) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let slash = if url.path.starts_with('/') { "" } else { "/" };
    let request = format!(
        "GET {slash}{} HTTP/1.1\r\nhost: {}\r\nuser-agent: ringfence\r\naccept: */*\r\nconnection: close\r\n\r\n",
        url.path, url.authority
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut room = [0; 8192];
    while (answer.len() as u64) < LONGEST && !is_whole(&answer) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut room)? {
            0 => break,
            length => answer.extend(room.get(..length).unwrap_or_default()),
        }
    }
    Ok(answer)
}

/// Status line and headers, and what follows them.
fn split(answer: &[u8]) -> Option<(&str, &[u8])> {
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n")?;
    Some((str::from_utf8(answer.get(..end)?).ok()?, answer.get(end + 4..)?))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value.trim()))
}

fn is_chunked(head: &str) -> bool {
    header(head, "transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().ends_with("chunked"))
}

/// Whether a server that keeps the connection open has said all.
fn is_whole(answer: &[u8]) -> bool {
    let Some((head, body)) = split(answer) else { return false };
    if is_chunked(head) {
        return body.ends_with(b"\r\n0\r\n\r\n") || body == b"0\r\n\r\n";
    }
    header(head, "content-length")
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: usize| body.len() >= length)
}

fn read_page(from: SocketAddr, answer: &[u8]) -> Option<Page> {
    let (head, body) = split(answer)?;
    let reason = head.lines().next()?.strip_prefix("HTTP/1.")?.split_once(' ')?.1;
    let status = reason.split(' ').next()?.parse().ok()?;
    let body = if is_chunked(head) { unchunk(body) } else { body.to_vec() };
    Some(Page { from, status, reason: reason.to_owned(), body })
}

/// The content of chunks (RFC 9112 7.1), as far as they go.
fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|end| end == b"\r\n") {
        let size = body.get(..end).and_then(|line| str::from_utf8(line).ok());
        let size = size.and_then(|line| usize::from_str_radix(line.split(';').next()?.trim(), 16).ok());
        let after = body.get(end + 2..).unwrap_or_default();
        let Some((chunk, rest)) = size.filter(|&size| size > 0).and_then(|size| after.split_at_checked(size))
        else {
            break;
        };
        whole.extend_from_slice(chunk);
        body = rest.get(2..).unwrap_or_default();
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        let url = |text| {
            Url::read(text).map(|url| (url.host, url.port, url.path)).map_err(|error| error.to_string())
        };
        assert_eq!(url("api.shop:8080"), Ok(("api.shop", 8080, "")));
        assert_eq!(url("http://api.shop/health?x=1#top"), Ok(("api.shop", 80, "/health?x=1")));
        assert_eq!(url("http://[fd00::1]:81/"), Ok(("fd00::1", 81, "/")));
        assert_eq!(url("http://10.0.0.1?x"), Ok(("10.0.0.1", 80, "?x")));
        for wrong in ["https://api.shop", "ftp://api.shop", "http://", "http://api:port"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pages_come_apart() {
        let from = SocketAddr::from(([10, 0, 0, 1], 80));
        let plain = b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\ngone";
        assert!(is_whole(plain));
        assert!(!is_whole(&plain[..plain.len() - 1]));
        let page = read_page(from, plain).unwrap();
        assert_eq!(
            (page.status, page.reason.as_str(), page.body.as_slice()),
            (404, "404 Not Found", &b"gone"[..])
        );
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nring\r\n5;x\r\nfence\r\n0\r\n\r\n";
        assert!(is_whole(chunked));
        assert_eq!(read_page(from, chunked).unwrap().body, b"ringfence");
        assert_eq!(read_page(from, b"220 mail ready\r\n\r\n"), None);
    }
}
