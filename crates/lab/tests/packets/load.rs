//! Connections that stay open and connections that open again and again, while the rules change.

use std::{
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use ringfence_lab::{
    listen::{Direction, Listeners},
    probe::{Bounds, Hold, Opening, Prober},
};
use ringfence_model::port::Protocol;

use crate::{
    Outcome,
    answers::{listeners, probe},
    star::{Star, v4, v6},
    trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        held_connections_are_heard_both_ways,
        a_cut_is_noticed_by_the_next_packet_and_others_go_on,
        a_rejected_connection_ends,
        openings_show_when_rules_change,
        bounds_end_everything,
    ]
}

const EVERY: Duration = Duration::from_millis(2);
/// How late a message may be on a busy machine; a lost TCP segment takes 200 ms, a lost datagram for ever.
const LATE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection of every kind from the first host to another.
fn holds(star: &Star, host: usize) -> Vec<Hold> {
    let mut holds = Vec::new();
    for protocol in Protocol::WITH_PORTS {
        for (source, to) in [(v4(0), v4(host)), (v6(0), v6(host))] {
            let Some(from) = star.hosts.first().cloned() else { continue };
            holds.push(Hold {
                from,
                source,
                to,
                protocol,
                port: 8080,
                every: EVERY,
                pushed_every: Some(EVERY),
            });
        }
    }
    holds
}

fn held_connections_are_heard_both_ways() -> Outcome {
    let star = Star::new(2)?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 8080))?;
    let held = Prober::default().hold(&serving, &holds(&star, 1), PATIENCE)?;
    assert!(held.await_established(PATIENCE), "{:?}", held.accounts());
    let begin = held.now();
    thread::sleep(Duration::from_millis(400));
    let end = held.now();
    thread::sleep(LATE);
    for (hold, account) in holds(&star, 1).iter().zip(held.stop()) {
        let what = format!("{} to {}", hold.protocol.as_str(), hold.to);
        let ways: Vec<Direction> = account.passed(begin, end).map(|(way, _)| way).collect();
        for way in [Direction::ToServer, Direction::ToClient] {
            // 200 messages, on a machine that is not too busy.
            assert!(
                ways.iter().filter(|other| **other == way).count() > 20,
                "{what} {way:?}: {}",
                ways.len()
            );
        }
        assert_eq!(account.missed(begin, end, LATE).next(), None, "{what}");
        assert_eq!(account.failed, None, "{what}");
    }
    Ok(())
}

fn a_cut_is_noticed_by_the_next_packet_and_others_go_on() -> Outcome {
    let star = Star::new(3)?;
    let serving = Listeners::start()?;
    for host in [1, 2] {
        serving.listen(&listeners(&star, host, 8080))?;
    }
    let mut all = holds(&star, 1);
    let cut = all.len();
    all.extend(holds(&star, 2));
    let held = Prober::default().hold(&serving, &all, PATIENCE)?;
    assert!(held.await_established(PATIENCE), "{:?}", held.accounts());
    let begin = held.now();
    star.forward("ip daddr 10.9.1.2 drop; ip saddr 10.9.1.2 drop\nip6 daddr fd09:0:0:1::2 drop; ip6 saddr fd09:0:0:1::2 drop")?;
    let forbidden = held.now();
    thread::sleep(Duration::from_millis(300));
    let allowed = held.now();
    star.forward("")?;
    let open = held.now();
    thread::sleep(Duration::from_millis(500));
    let end = held.now();
    thread::sleep(LATE);
    let accounts = held.stop();
    for (place, (hold, account)) in all.iter().zip(&accounts).enumerate() {
        let what = format!("{} to {}", hold.protocol.as_str(), hold.to);
        if place < cut {
            assert_eq!(account.passed(forbidden, allowed).next(), None, "{what}");
            // Datagrams come through again; TCP sends again what was lost, in its own time.
            if hold.protocol != Protocol::Tcp {
                assert!(account.missed(forbidden, allowed, LATE).count() > 10, "{what}");
                assert_eq!(account.missed(open, end, LATE).next(), None, "{what}");
            }
        } else {
            assert_eq!(account.missed(begin, end, LATE).next(), None, "{what}");
            assert_eq!(account.failed, None, "{what}");
        }
    }
    Ok(())
}

fn a_rejected_connection_ends() -> Outcome {
    let star = Star::new(2)?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 8080))?;
    let held = Prober::default().hold(&serving, &holds(&star, 1), PATIENCE)?;
    assert!(held.await_established(PATIENCE), "{:?}", held.accounts());
    star.forward("meta l4proto tcp reject with tcp reset\nreject with icmpx admin-prohibited")?;
    let forbidden = held.now();
    let start = Instant::now();
    while held.accounts().iter().any(|account| account.failed.is_none()) && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
    }
    let until = held.now();
    for (hold, account) in holds(&star, 1).iter().zip(held.stop()) {
        let what = format!("{} to {}", hold.protocol.as_str(), hold.to);
        let (at, why) = account.failed.as_ref().ok_or("a rejected connection goes on")?;
        assert!(*at < forbidden + LATE, "{what}: {at:?} {why}");
        let expected = if hold.protocol == Protocol::Tcp { "reset" } else { "prohibited" };
        assert!(why.to_lowercase().contains(expected), "{what}: {why}");
        assert_eq!(account.passed(forbidden, until).next(), None, "{what}");
    }
    Ok(())
}

fn openings_show_when_rules_change() -> Outcome {
    let star = Star::new(2)?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 8080))?;
    let openings: Vec<Opening> = Protocol::WITH_PORTS
        .into_iter()
        .flat_map(|protocol| {
            [v4(1), v6(1)]
                .map(|to| Opening { probe: probe(to, protocol, 8080), every: Duration::from_millis(5) })
        })
        .collect();
    let bounds = Bounds { patience: LATE, lasting: PATIENCE, attempts: 100_000 };
    let ledger = serving.ledger();
    let opens = Prober::default().open(&serving, star.hosts.clone(), openings.clone(), bounds)?;
    thread::sleep(Duration::from_millis(300));
    let allowed = ledger.now();
    star.forward("drop")?;
    let forbidden = ledger.now();
    thread::sleep(Duration::from_millis(200));
    let attempts = opens.stop()?;
    for (place, opening) in openings.iter().enumerate() {
        let what = format!("{} to {}", opening.probe.protocol.as_str(), opening.probe.to);
        let mine = || attempts.iter().filter(|attempt| attempt.opening == place);
        let passed =
            |attempt: &ringfence_lab::probe::Attempt| attempt.ended.and_then(|(_, came)| came.passes());
        assert!(mine().filter(|attempt| passed(attempt) == Some(true)).count() > 10, "{what}");
        for attempt in mine() {
            let (ended, _) = attempt.ended.ok_or("an attempt without an outcome")?;
            if attempt.began >= forbidden {
                assert_eq!(passed(attempt), Some(false), "{what}: {attempt:?}");
            } else if ended < allowed {
                assert_eq!(passed(attempt), Some(true), "{what}: {attempt:?}");
            }
        }
        assert!(mine().any(|attempt| attempt.began >= forbidden), "{what}");
    }
    Ok(())
}

fn bounds_end_everything() -> Outcome {
    let star = Star::new(2)?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 8080))?;
    let prober = Prober::default();
    let openings = vec![Opening { probe: probe(v4(1), Protocol::Udp, 8080), every: Duration::ZERO }];
    let bounds = Bounds { patience: LATE, lasting: PATIENCE, attempts: 50 };
    let opens = prober.open(&serving, star.hosts.clone(), openings, bounds)?;
    let held = prober.hold(&serving, &holds(&star, 1), Duration::from_millis(300))?;
    let sent = || -> u64 {
        held.accounts().iter().map(|account| account.to_server.sent + account.to_client.sent).sum()
    };
    thread::sleep(Duration::from_millis(600));
    let (attempts, before) = (opens.attempts().len(), sent());
    assert!(before > 0);
    assert_eq!(attempts, 50);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(sent(), before);
    assert!(opens.stop()?.iter().all(|attempt| attempt.ended.is_some()));
    Ok(())
}
