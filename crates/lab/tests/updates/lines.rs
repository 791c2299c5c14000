//! Held connections, judged. In: what the engine said from one update to the next. Out: whether every message went through
//! while it was allowed, and none while it was not.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use ringfence_lab::{
    listen::{Account, Direction, Sent},
    probe::Held,
    run::{Pace, Running},
};
use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    port::Protocol,
    verdict::Outcome as Verdict,
    workload::PodId,
};
use ringfence_policy::Judge as _;

use crate::{
    Outcome,
    world::{address, owner},
};

/// The time between two messages.
pub(crate) const EVERY: Duration = Duration::from_millis(10);

/// How long a message may be on its way on a busy machine.
pub(crate) const LATE: Duration = Duration::from_millis(1500);

/// What the engine says of a connection by its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    Allowed,
    /// Denied, at which sides: source, destination.
    Denied(bool, bool),
    /// An end is nobody's at the moment.
    Nobody,
}

/// The engine's verdict on a connection between addresses.
pub(crate) fn judged(running: &Running, line: &Ends) -> Judged {
    let cluster = running.lab().cluster();
    let (Some(from), Some(to)) = (owner(cluster, line.from), owner(cluster, line.to)) else {
        return Judged::Nobody;
    };
    let flow = Flow {
        from: Endpoint::Pod(from),
        to: Endpoint::Pod(to),
        family: Family::of(line.from),
        protocol: line.protocol,
        port: line.port,
        request: None,
    };
    let verdict = running.judge().verdict(&flow);
    if verdict.outcome == Verdict::Allow {
        Judged::Allowed
    } else {
        Judged::Denied(verdict.egress.outcome != Verdict::Allow, verdict.ingress.outcome != Verdict::Allow)
    }
}

/// Between whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
}

impl Ends {
    pub(crate) fn of(cluster: &Cluster, flow: &Flow) -> Outcome<Self> {
        let (Endpoint::Pod(from), Endpoint::Pod(to)) = (&flow.from, &flow.to) else {
            return Err("a flow between pods".into());
        };
        Ok(Self {
            from: address(cluster, *from, flow.family)?,
            to: address(cluster, *to, flow.family)?,
            protocol: flow.protocol,
            port: flow.port,
        })
    }
}

/// A held connection and what was said of it.
pub(crate) struct Line {
    pub(crate) ends: Ends,
    /// The server's name when it was opened: another one knows nothing of messages that it should send.
    server: String,
    held: Held,
    /// The verdict since the last update.
    pub(crate) now: Judged,
    /// When that update was done.
    since: Duration,
    /// For how long it was forbidden before.
    forbidden: Duration,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Messages that were sent while allowed, and arrived.
    pub(crate) through: u64,
    /// Messages that were sent while forbidden, and did not arrive.
    pub(crate) stopped: u64,
    /// Connections that an update cut, opened, left alone while allowed, left alone while forbidden.
    pub(crate) cut: u64,
    pub(crate) opened: u64,
    pub(crate) untouched: u64,
    pub(crate) still_forbidden: u64,
}

/// From when to when an update took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update {
    pub(crate) began: Duration,
    pub(crate) done: Duration,
}

fn name(cluster: &Cluster, pod: Option<PodId>) -> String {
    pod.and_then(|pod| cluster.pod(pod))
        .map(|pod| format!("{}/{}", pod.namespace, pod.name))
        .unwrap_or_default()
}

impl Line {
    pub(crate) fn open(running: &mut Running, flow: &Flow, since: Duration) -> Outcome<Self> {
        let ends = Ends::of(running.lab().cluster(), flow)?;
        let pace = Pace { every: EVERY, pushed_every: Some(EVERY), lasting: Duration::from_secs(3600) };
        let held = running.hold(std::slice::from_ref(flow), pace)?;
        let cluster = running.lab().cluster();
        let server = name(cluster, owner(cluster, ends.to));
        Ok(Self { ends, server, held, now: judged(running, &ends), since, forbidden: Duration::ZERO })
    }

    fn account(&self) -> Account {
        self.held.accounts().pop().unwrap_or_default()
    }

    /// Whether it cannot go on: a connection over TCP ends for good, and one whose client is gone too.
    pub(crate) fn is_over(&self, cluster: &Cluster) -> bool {
        owner(cluster, self.ends.from).is_none()
            || self.ends.protocol == Protocol::Tcp
                && (self.account().failed.is_some()
                    || name(cluster, owner(cluster, self.ends.to)) != self.server)
    }

    /// What must be true of the time up to an update, which has just been done, and right after it.
    pub(crate) fn check(&mut self, running: &Running, update: Update, counts: &mut Counts) -> Outcome {
        let before = self.now;
        let after = judged(running, &self.ends);
        let since = self.since;
        (self.now, self.since) = (after, update.done);
        self.forbidden += update.done - since;
        if before == Judged::Allowed {
            self.forbidden = Duration::ZERO;
        }
        let cluster = running.lab().cluster();
        let same_server = name(cluster, owner(cluster, self.ends.to)) == self.server;
        match before {
            Judged::Allowed if same_server => {
                let until = if after == Judged::Allowed {
                    counts.untouched += 1;
                    update.done
                } else {
                    // What is on its way when the update begins may be stopped.
                    update.began.saturating_sub(EVERY * 5)
                };
                // A connection that was hardly begun has nothing to lose.
                if after == Judged::Allowed || self.account().established.is_some() {
                    counts.through += self.complete(since, until)?;
                }
                counts.cut += u64::from(matches!(after, Judged::Denied(..)));
            }
            Judged::Denied(..) => {
                let until = if after == before { update.done } else { update.began };
                counts.stopped += self.silent(since, until)?;
                counts.still_forbidden += u64::from(after == before);
            }
            Judged::Allowed | Judged::Nobody => {}
        }
        if after == Judged::Allowed && before != Judged::Allowed && !self.is_over(cluster) {
            // A connection over TCP whose packets vanish tries again after as long as it has tried.
            let tcp = self.ends.protocol == Protocol::Tcp;
            self.flows_again(
                update.done,
                same_server,
                if tcp { self.forbidden * 2 } else { Duration::ZERO },
            )?;
            counts.opened += 1;
        }
        Ok(())
    }

    /// Every message that was sent in a span arrived.
    fn complete(&self, since: Duration, until: Duration) -> Outcome<u64> {
        let deadline = Instant::now() + LATE;
        loop {
            let account = self.account();
            // Messages of a connection that is only being opened are none yet.
            let Some(established) = account.established else {
                if Instant::now() > deadline {
                    return Err(format!("{:?} was never established: {:?}", self.ends, account.failed).into());
                }
                thread::sleep(EVERY);
                continue;
            };
            let from = since.max(established);
            let missed: Vec<(Direction, Sent)> = account.missed(from, until, LATE).collect();
            if missed.is_empty() {
                return Ok(
                    account.passed(from, self.held.now()).filter(|(_, sent)| sent.at < until).count() as u64
                );
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "{:?} is allowed from {since:?} to {until:?}, and {} messages are lost: {:?} {:?}",
                    self.ends,
                    missed.len(),
                    missed.first(),
                    account.failed
                )
                .into());
            }
            thread::sleep(EVERY);
        }
    }

    /// No message that was sent in a span arrived in it.
    fn silent(&self, since: Duration, until: Duration) -> Outcome<u64> {
        let account = self.account();
        let passed: Vec<(Direction, Sent)> = account.passed(since, until).collect();
        if let Some(first) = passed.first() {
            return Err(format!(
                "{:?} is forbidden from {since:?} to {until:?}, and {} messages arrived: {first:?}",
                self.ends,
                passed.len()
            )
            .into());
        }
        Ok(account.missed(since, until, Duration::ZERO).count() as u64)
    }

    /// Messages arrive in both directions.
    fn flows_again(&self, since: Duration, both: bool, backoff: Duration) -> Outcome {
        let deadline = Instant::now() + LATE + backoff;
        loop {
            let account = self.account();
            let arrived = |wanted| account.passed(since, self.held.now()).any(|(way, _)| way == wanted);
            if arrived(Direction::ToServer) && (!both || arrived(Direction::ToClient)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "{:?} is allowed since {since:?}, and nothing arrives: {:?}",
                    self.ends, account.failed
                )
                .into());
            }
            thread::sleep(EVERY);
        }
    }
}
