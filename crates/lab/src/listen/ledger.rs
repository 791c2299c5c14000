//! What came through held connections, and when. In: every numbered message, as it is sent and as it arrives, from both
//! ends (which are in this process and share a clock). Out: counts, and what arrived or was lost in a span of time.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::message::Mark;

/// How many messages are remembered one by one for each connection and direction; older ones are only counted.
const REMEMBERED: usize = 16_384;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the end that opened the connection.
    ToServer,
    /// From the end that listens.
    ToClient,
}

/// One message: when it was sent, and when it arrived if it did. Times count from [`Ledger`]'s start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its number in its connection and direction.
    pub sequence: u64,
    /// When it was given to the kernel.
    pub at: Duration,
    /// When the other end read it.
    pub arrived: Option<Duration>,
}

/// What happened in one direction of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// How many messages were sent.
    pub sent: u64,
    /// How many of them arrived, each counted once.
    pub arrived: u64,
    recent: VecDeque<Sent>,
}

/// What happened on a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Client to server.
    pub to_server: Way,
    /// Server to client.
    pub to_client: Way,
    /// When both ends had been heard.
    pub established: Option<Duration>,
    /// When and how something first went wrong: TCP has ended then, as has SCTP if it was aborted; UDP and SCTP go on after
    /// an ICMP error.
    pub failed: Option<(Duration, String)>,
    closed: bool,
}

/// The accounts of all held connections, shared by both ends.
#[derive(Debug)]
pub struct Ledger {
    start: Instant,
    accounts: Mutex<BTreeMap<u32, Account>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { start: Instant::now(), accounts: Mutex::default() }
    }
}

impl Ledger {
    /// The time now, on the clock of all times in here.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// A copy of a connection's account; empty if it is not known.
    #[must_use]
    pub fn account(&self, connection: u32) -> Account {
        self.accounts().get(&connection).cloned().unwrap_or_default()
    }

    /// A new account. Returns its connection's number.
    pub(crate) fn open(&self) -> u32 {
        let mut accounts = self.accounts();
        let connection = accounts.last_key_value().map_or(0, |(last, _)| last + 1);
        accounts.insert(connection, Account::default());
        connection
    }

    /// Notes that a connection is held no longer: nothing more is sent on it.
    pub(crate) fn close(&self, connection: u32) {
        if let Some(account) = self.accounts().get_mut(&connection) {
            account.closed = true;
        }
    }

    /// Notes that a message is sent now, and returns it. Nothing if the connection is not held (any longer).
    pub(crate) fn send(&self, connection: u32, direction: Direction) -> Option<Mark> {
        let at = self.now();
        let mut accounts = self.accounts();
        let way = accounts.get_mut(&connection).filter(|account| !account.closed)?.way(direction);
        let sequence = way.sent;
        way.sent += 1;
        if way.recent.len() == REMEMBERED {
            way.recent.pop_front();
        }
        way.recent.push_back(Sent { sequence, at, arrived: None });
        Some(Mark { connection, sequence })
    }

    /// Notes that a message has arrived.
    pub(crate) fn arrive(&self, mark: Mark, direction: Direction) {
        let at = self.now();
        let mut accounts = self.accounts();
        let Some(way) = accounts.get_mut(&mark.connection).map(|account| account.way(direction)) else {
            return;
        };
        let first = way.recent.front().map_or(0, |sent| sent.sequence);
        let place = mark.sequence.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        if let Some(sent) =
            place.and_then(|place| way.recent.get_mut(place)).filter(|sent| sent.arrived.is_none())
        {
            sent.arrived = Some(at);
            way.arrived += 1;
        }
    }

    /// Notes that a connection is established.
    pub(crate) fn establish(&self, connection: u32) {
        let at = self.now();
        if let Some(account) = self.accounts().get_mut(&connection) {
            account.established.get_or_insert(at);
        }
    }

    /// Notes that a connection has failed.
    pub(crate) fn fail(&self, connection: u32, why: &str) {
        let at = self.now();
        if let Some(account) = self.accounts().get_mut(&connection) {
            account.failed.get_or_insert_with(|| (at, why.to_owned()));
        }
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeMap<u32, Account>> {
        // Counters stay right whatever a thread that held the lock died of.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn way(&mut self, direction: Direction) -> &mut Way {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// Messages of either direction that were sent after one moment and arrived before another: if the connection was
    /// forbidden from the one to the other, what got through.
    pub fn passed(&self, from: Duration, until: Duration) -> impl Iterator<Item = (Direction, Sent)> {
        self.recent()
            .filter(move |(_, sent)| sent.at >= from && sent.arrived.is_some_and(|arrived| arrived <= until))
    }

    /// Messages of either direction that were sent between two moments and did not arrive within some time: if the
    /// connection was allowed all the while, what was interrupted.
    pub fn missed(
        &self,
        from: Duration,
        until: Duration,
        within: Duration,
    ) -> impl Iterator<Item = (Direction, Sent)> {
        self.recent()
            .filter(move |(_, sent)| sent.at >= from && sent.at < until)
            .filter(move |(_, sent)| sent.arrived.is_none_or(|arrived| arrived > sent.at + within))
    }

    fn recent(&self) -> impl Iterator<Item = (Direction, Sent)> {
        let (to_server, to_client) = (&self.to_server.recent, &self.to_client.recent);
        let to_server = to_server.iter().map(|sent| (Direction::ToServer, *sent));
        to_server.chain(to_client.iter().map(|sent| (Direction::ToClient, *sent)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_matched_with_what_was_sent() {
        let ledger = Ledger::default();
        let (first, second) = (ledger.open(), ledger.open());
        assert_ne!(first, second);
        let begin = ledger.now();
        let marks: Vec<Mark> = (0..4).filter_map(|_| ledger.send(first, Direction::ToServer)).collect();
        let sent = ledger.now();
        ledger.arrive(marks[0], Direction::ToServer);
        ledger.arrive(marks[2], Direction::ToServer);
        ledger.arrive(marks[2], Direction::ToServer);
        ledger.arrive(Mark { connection: 99, sequence: 0 }, Direction::ToServer);
        let account = ledger.account(first);
        assert_eq!((account.to_server.sent, account.to_server.arrived, account.to_client.sent), (4, 2, 0));
        let passed: Vec<u64> = account.passed(begin, ledger.now()).map(|(_, sent)| sent.sequence).collect();
        assert_eq!(passed, [0, 2]);
        assert_eq!(account.passed(sent, ledger.now()).count(), 0, "sent before");
        let missed: Vec<u64> =
            account.missed(begin, sent, Duration::from_secs(1)).map(|(_, sent)| sent.sequence).collect();
        assert_eq!(missed, [1, 3]);
        assert_eq!(ledger.account(second), Account::default());
    }

    #[test]
    fn old_messages_are_forgotten_but_counted() {
        let ledger = Ledger::default();
        let connection = ledger.open();
        let marks: Vec<Mark> =
            (0..=REMEMBERED).filter_map(|_| ledger.send(connection, Direction::ToClient)).collect();
        ledger.arrive(marks[0], Direction::ToClient);
        ledger.arrive(marks[REMEMBERED], Direction::ToClient);
        let account = ledger.account(connection);
        assert_eq!((account.to_client.sent, account.to_client.arrived), (REMEMBERED as u64 + 1, 1));
    }
}
