//! Thousands of probes and listeners at once.

use std::time::Instant;

use libtest_mimic::Trial;
use ringfence_lab::{
    listen::{Listener, Listeners},
    probe::{Outcome as Came, Probe, Prober},
};
use ringfence_model::port::Protocol;

use crate::{
    Outcome,
    answers::by,
    star::{Star, v4, v6},
    trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![twenty_thousand_probes_of_thirty_hosts]
}

const HOSTS: usize = 30;

/// What each host is asked.
const ASKED: [(Protocol, u16); 11] = [
    (Protocol::Tcp, 80),
    (Protocol::Tcp, 81),
    (Protocol::Tcp, 82),
    (Protocol::Tcp, 83),
    (Protocol::Tcp, 84),
    (Protocol::Tcp, 85),
    (Protocol::Udp, 80),
    (Protocol::Udp, 81),
    (Protocol::Udp, 82),
    (Protocol::Sctp, 80),
    (Protocol::Icmp, 0),
];

/// Every port of every host over both families from every other host; the hosts listen on all of them.
fn all(star: &Star) -> Outcome<(Vec<Listener>, Vec<Probe>)> {
    let mut listeners = Vec::new();
    let mut probes = Vec::new();
    for (to, namespace) in star.hosts.iter().enumerate() {
        for (protocol, port) in ASKED {
            let (id, name) = (u32::try_from(to)?, format!("test/host-{to}"));
            listeners.push(Listener {
                id,
                name,
                namespace: namespace.clone(),
                address: None,
                protocol,
                port,
            });
            for from in (0..star.hosts.len()).filter(|from| *from != to) {
                probes.push(Probe { from, source: v4(from), to: v4(to), protocol, port });
                probes.push(Probe { from, source: v6(from), to: v6(to), protocol, port });
            }
        }
    }
    Ok((listeners, probes))
}

/// Prints a rate; shown with `--nocapture`.
#[expect(clippy::print_stderr, reason = "the measurement")]
fn timed(what: &str, probes: usize, run: impl FnOnce() -> Outcome<Vec<Came>>) -> Outcome<Vec<Came>> {
    let start = Instant::now();
    let came = run()?;
    let took = start.elapsed();
    eprintln!("{what}: {probes} probes in {took:.2?}");
    Ok(came)
}

#[expect(clippy::print_stderr, reason = "the measurement")]
fn twenty_thousand_probes_of_thirty_hosts() -> Outcome {
    let star = Star::new(HOSTS)?;
    let (listeners, probes) = all(&star)?;
    let serving = Listeners::start()?;
    let start = Instant::now();
    serving.listen(&listeners)?;
    eprintln!("{} listeners in {:.2?}", listeners.len(), start.elapsed());
    let prober = Prober::default().beside(&serving);
    let expected: Vec<Came> = probes
        .iter()
        .map(|probe| {
            let to = star
                .hosts
                .iter()
                .enumerate()
                .map(|(host, _)| host)
                .find(|host| [v4(*host), v6(*host)].contains(&probe.to));
            by(probe.protocol, to.and_then(|to| u32::try_from(to).ok()).unwrap_or(u32::MAX), probe.port)
        })
        .collect();
    let came = timed("all answered", probes.len(), || Ok(prober.run(&star.hosts, &probes)?))?;
    different(&probes, &came, &expected);

    // As under a policy: a fifth is allowed.
    let denied = |probe: &Probe| probe.port != 80;
    for (what, rule) in [("most rejected", "reject with icmpx admin-prohibited"), ("most dropped", "drop")] {
        star.forward(&format!("ct state established accept\nth dport 80 accept\n{rule}"))?;
        let came = timed(what, probes.len(), || Ok(prober.run(&star.hosts, &probes)?))?;
        for ((probe, came), expected) in probes.iter().zip(&came).zip(&expected) {
            if denied(probe) {
                assert_eq!(came.passes(), Some(false), "{probe:?} {came}");
            } else {
                assert_eq!(came, expected, "{probe:?}");
            }
        }
    }
    Ok(())
}

fn different(probes: &[Probe], came: &[Came], expected: &[Came]) {
    let wrong: Vec<_> = probes
        .iter()
        .zip(came.iter().zip(expected))
        .filter(|(_, (came, expected))| came != expected)
        .collect();
    assert!(wrong.is_empty(), "{} differ, as {:?}", wrong.len(), wrong.first());
}
