//! What the lab's probes and listeners say to each other: lines of text. In: a request. Out: its text, and back. The same
//! lines travel in TCP streams, UDP datagrams, and SCTP heartbeats and cookies, so that a person with `nc` can ask too.

use std::{fmt, time::Duration};

/// Who answered: the listener behind whatever address was asked, so that one can tell the backends of a Service apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answerer {
    /// The number that [`super::Listener::id`] gave it.
    pub listener: u32,
    /// The port that it listens on, after any translation.
    pub port: u16,
}

/// A line that a listener understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// One numbered message of a held connection; counted, not answered.
    Mark(Mark),
    /// Asks the listener to send messages of its own over the held connection.
    Push {
        /// The held connection.
        connection: u32,
        /// The time between two.
        every: Duration,
        /// How many.
        count: u32,
    },
    /// Anything else: answered with the listener's name and the text.
    Who(&'a str),
}

/// One numbered message of a held connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The held connection.
    pub(crate) connection: u32,
    /// Its number, from 0, in its direction.
    pub(crate) sequence: u64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mark {} {}", self.connection, self.sequence)
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark(mark) => mark.fmt(f),
            Self::Push { connection, every, count } => {
                write!(f, "push {connection} {} {count}", every.as_micros())
            }
            Self::Who(text) => f.write_str(text),
        }
    }
}

impl<'a> Request<'a> {
    /// Reads a line.
    pub(crate) fn read(line: &'a str) -> Self {
        Self::read_mark(line).or_else(|| Self::read_push(line)).unwrap_or(Self::Who(line))
    }

    fn read_mark(line: &str) -> Option<Self> {
        let (connection, sequence) = line.strip_prefix("mark ")?.split_once(' ')?;
        Some(Self::Mark(Mark { connection: connection.parse().ok()?, sequence: sequence.parse().ok()? }))
    }

    fn read_push(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("push ")?.split(' ');
        let (connection, micros, count) = (words.next()?, words.next()?, words.next()?);
        Some(Self::Push {
            connection: connection.parse().ok()?,
            every: Duration::from_micros(micros.parse().ok()?),
            count: count.parse().ok()?,
        })
    }
}

impl Answerer {
    /// The answer to a text.
    pub(crate) fn answer(self, text: &str) -> String {
        format!("ringfence {} {} {text}", self.listener, self.port)
    }

    /// Reads an answer: who, and the text that was asked.
    pub(crate) fn read(line: &str) -> Option<(Self, &str)> {
        let mut words = line.strip_prefix("ringfence ")?.splitn(3, ' ');
        let (listener, port, text) = (words.next()?, words.next()?, words.next()?);
        Some((Self { listener: listener.parse().ok()?, port: port.parse().ok()? }, text))
    }
}

/// Takes the first whole line out of what has come, without its end.
pub(crate) fn take_line(bytes: &mut Vec<u8>) -> Option<String> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let line: Vec<u8> = bytes.drain(..=end).collect();
    Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_survive() {
        for request in [
            Request::Mark(Mark { connection: 3, sequence: 12 }),
            Request::Push { connection: 4, every: Duration::from_millis(2), count: 100 },
            Request::Who("hello you"),
            Request::Who(""),
            Request::Who("mark my words"),
            Request::Who("push"),
        ] {
            assert_eq!(Request::read(&request.to_string()), request);
        }
        let answerer = Answerer { listener: 12, port: 8080 };
        assert_eq!(Answerer::read(&answerer.answer("what is this")), Some((answerer, "what is this")));
        assert_eq!(Answerer::read(&answerer.answer("")), Some((answerer, "")));
        assert_eq!(Answerer::read("HTTP/1.1 200 OK"), None);
        assert_eq!(Answerer::read("ringfence 1"), None);
    }
}
