//! The listening end of one TCP connection, without its socket. In: bytes that came. Out: the lines in them, and the answer
//! to an HTTP request, so that `curl` shows which pod answered.

use super::message::Answerer;

/// How much of an unfinished line or request is kept; more than that is nobody the lab knows.
const LONGEST: usize = 8192;

/// What a listener does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A line to understand.
    Line(String),
    /// Bytes to send before the connection is closed.
    Last(Vec<u8>),
    /// Nothing to do before more comes.
    Wait,
}

/// What came and is not understood yet.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    bytes: Vec<u8>,
}

impl Incoming {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the next thing to do.
    pub(crate) fn next(&mut self, name: &str, answerer: Answerer) -> Step {
        if is_http(&self.bytes) {
            let ended = self.bytes.windows(4).any(|end| end == b"\r\n\r\n");
            return if ended { Step::Last(page(&self.bytes, name, answerer)) } else { self.wait() };
        }
        let Some(end) = self.bytes.iter().position(|&byte| byte == b'\n') else { return self.wait() };
        let line: Vec<u8> = self.bytes.drain(..=end).collect();
        Step::Line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    fn wait(&self) -> Step {
        if self.bytes.len() > LONGEST { Step::Last(Vec::new()) } else { Step::Wait }
    }
}

fn is_http(bytes: &[u8]) -> bool {
    let first = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let Ok(first) = str::from_utf8(first) else { return false };
    first.trim_end().rsplit_once(' ').is_some_and(|(_, version)| version.starts_with("HTTP/1."))
}

/// A small page that says who answers.
fn page(request: &[u8], name: &str, answerer: Answerer) -> Vec<u8> {
    let request = String::from_utf8_lossy(request);
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let body = format!("{name} port {} answers {method} {path}\n", answerer.port);
    let mut page = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    if method != "HEAD" {
        page.push_str(&body);
    }
    page.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Answerer = Answerer { listener: 1, port: 80 };

    fn steps(parts: &[&[u8]]) -> Vec<Step> {
        let mut incoming = Incoming::default();
        let mut steps = Vec::new();
        for part in parts {
            incoming.push(part);
            loop {
                match incoming.next("shop/api", WHO) {
                    Step::Wait => break,
                    Step::Last(bytes) => return steps.into_iter().chain([Step::Last(bytes)]).collect(),
                    line @ Step::Line(_) => steps.push(line),
                }
            }
        }
        steps
    }

    #[test]
    fn lines_come_out_whole_however_they_come_in() {
        let line = |text: &str| Step::Line(text.to_owned());
        assert_eq!(steps(&[b"one\ntw", b"o", b"\r\nthr"]), [line("one"), line("two")]);
        assert_eq!(steps(&[b"GET off my lawn\n"]), [line("GET off my lawn")]);
    }

    #[test]
    fn an_http_request_gets_a_page_that_names_the_pod() {
        let steps = steps(&[b"GET /health HTTP/1.1\r\nHo", b"st: api\r\n\r\n"]);
        let [Step::Last(page)] = steps.as_slice() else { panic!("{steps:?}") };
        let page = String::from_utf8_lossy(page);
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        assert!(page.ends_with("\r\n\r\nshop/api port 80 answers GET /health\n"), "{page}");
    }

    #[test]
    fn a_line_without_end_is_cut_off() {
        assert_eq!(steps(&[&[b'a'; LONGEST + 1]]), [Step::Last(Vec::new())]);
    }
}
