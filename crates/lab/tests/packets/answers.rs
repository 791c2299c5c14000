//! Every protocol is answered over both families, and the answer says by whom.

use std::net::IpAddr;

use libtest_mimic::Trial;
use ringfence_lab::{
    listen::{Listener, Listeners},
    probe::{Answerer, Outcome as Came, Probe, Prober, Refusal},
};
use ringfence_model::port::Protocol;

use crate::{
    Outcome,
    star::{Star, ip, v4, v6},
    trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        every_protocol_over_both_families,
        a_service_is_answered_by_the_backend_that_was_chosen,
        any_address_of_the_outside_answers,
        ports_that_nobody_listens_on_refuse,
        a_closed_listener_refuses_and_others_stay,
    ]
}

pub(crate) const PROTOCOLS: [Protocol; 4] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp];

/// A host that listens on a port over every protocol that has ports, with its place as its number.
pub(crate) fn listeners(star: &Star, host: usize, port: u16) -> Vec<Listener> {
    let listener = |protocol| {
        let namespace = star.hosts.get(host).cloned()?;
        let id = u32::try_from(host).ok()?;
        Some(Listener { id, name: format!("test/host-{host}"), namespace, address: None, protocol, port })
    };
    Protocol::WITH_PORTS.into_iter().filter_map(listener).collect()
}

/// A probe from the first host.
pub(crate) fn probe(to: IpAddr, protocol: Protocol, port: u16) -> Probe {
    Probe { from: 0, source: if to.is_ipv4() { v4(0) } else { v6(0) }, to, protocol, port }
}

pub(crate) fn by(protocol: Protocol, listener: u32, port: u16) -> Came {
    let by = (protocol != Protocol::Icmp).then_some(Answerer { listener, port });
    Came::Answered { by }
}

fn every_protocol_over_both_families() -> Outcome {
    let star = Star::new(3)?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 8080))?;
    serving.listen(&listeners(&star, 2, 8080))?;
    let mut probes = Vec::new();
    let mut expected = Vec::new();
    for protocol in PROTOCOLS {
        for (to, listener) in [(v4(1), 1), (v6(1), 1), (v4(2), 2), (v6(2), 2)] {
            probes.push(probe(to, protocol, 8080));
            expected.push(by(protocol, listener, 8080));
        }
    }
    assert_eq!(Prober::default().beside(&serving).run(&star.hosts, &probes)?, expected);
    Ok(())
}

fn a_service_is_answered_by_the_backend_that_was_chosen() -> Outcome {
    let star = Star::new(3)?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 8081))?;
    serving.listen(&listeners(&star, 2, 8082))?;
    star.rules(
        "table ip n { chain p { type nat hook prerouting priority dstnat;
           meta l4proto { tcp, udp, sctp } ip daddr 10.96.0.1 th dport 80 dnat to 10.9.1.2:8081
           meta l4proto { tcp, udp, sctp } ip daddr 10.96.0.2 th dport 80 dnat to 10.9.2.2:8082
}
}

         table ip6 n { chain p { type nat hook prerouting priority dstnat;
           meta l4proto { tcp, udp, sctp } ip6 daddr fd96::1 th dport 80 dnat to [fd09:0:0:1::2]:8081
           meta l4proto { tcp, udp, sctp } ip6 daddr fd96::2 th dport 80 dnat to [fd09:0:0:2::2]:8082
}
}
",
    )?;
    let mut probes = Vec::new();
    let mut expected = Vec::new();
    for protocol in Protocol::WITH_PORTS {
        for (to, listener) in [("10.96.0.1", 1), ("10.96.0.2", 2), ("fd96::1", 1), ("fd96::2", 2)] {
            probes.push(probe(to.parse()?, protocol, 80));
            expected.push(by(protocol, listener, if listener == 1 { 8081 } else { 8082 }));
        }
    }
    assert_eq!(Prober::default().beside(&serving).run(&star.hosts, &probes)?, expected);
    Ok(())
}

/// The outside host has every address: a route says that all of them are its own.
fn any_address_of_the_outside_answers() -> Outcome {
    let star = Star::new(2)?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 443))?;
    star.router.run(|| ip("route add default via 10.9.1.2\n-6 route add default via fd09:0:0:1::2\n"))??;
    let outside = star.hosts.get(1).ok_or("no host")?;
    let routes = "route add 10.9.0.0/16 via 10.9.1.1 table local\nroute add local 0.0.0.0/0 dev lo
                  \n-6 route add fd09::/16 via fd09:0:0:1::1 table local\n-6 route add local ::/0 dev lo";
    outside.run(|| ip(routes))??;
    let mut probes = Vec::new();
    let mut expected = Vec::new();
    for protocol in PROTOCOLS {
        for to in ["1.1.1.1", "203.0.113.7", "2606:4700::1111", "2001:db8::7"] {
            probes.push(probe(to.parse()?, protocol, 443));
            expected.push(by(protocol, 1, 443));
        }
    }
    assert_eq!(Prober::default().beside(&serving).run(&star.hosts, &probes)?, expected);
    // Ports are opened on demand.
    serving.listen(&listeners(&star, 1, 8443))?;
    let probes: Vec<Probe> = probes.into_iter().map(|probe| Probe { port: 8443, ..probe }).collect();
    let expected: Vec<Came> = probes.iter().map(|probe| by(probe.protocol, 1, 8443)).collect();
    assert_eq!(Prober::default().beside(&serving).run(&star.hosts, &probes)?, expected);
    Ok(())
}

fn ports_that_nobody_listens_on_refuse() -> Outcome {
    let star = Star::new(2)?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 80))?;
    let mut probes = Vec::new();
    for protocol in Protocol::WITH_PORTS {
        probes.extend([v4(1), v6(1)].map(|to| probe(to, protocol, 81)));
    }
    let reset = Came::Refused(Refusal::Reset);
    let unreachable = |kind, code| Came::Refused(Refusal::Unreachable { kind, code });
    let expected = vec![reset, reset, unreachable(3, 3), unreachable(1, 4), reset, reset];
    assert_eq!(Prober::default().beside(&serving).run(&star.hosts, &probes)?, expected);
    Ok(())
}

fn a_closed_listener_refuses_and_others_stay() -> Outcome {
    let star = Star::new(2)?;
    let serving = Listeners::start()?;
    let mut both = listeners(&star, 1, 80);
    both.extend(listeners(&star, 1, 81).into_iter().map(|listener| Listener { id: 9, ..listener }));
    serving.listen(&both)?;
    let prober = Prober::default().beside(&serving);
    let mut probes = Vec::new();
    for protocol in Protocol::WITH_PORTS {
        probes.extend([80, 81].map(|port| probe(v4(1), protocol, port)));
    }
    let before = prober.run(&star.hosts, &probes)?;
    assert!(before.iter().all(|came| came.passes() == Some(true)), "{before:?}");
    serving.close(1)?;
    let mut passes = Vec::new();
    // The thread that serves closes them in its own time.
    for _ in 0..100 {
        passes = prober.run(&star.hosts, &probes)?.into_iter().map(Came::passes).collect();
        if passes.first() == Some(&Some(false)) {
            break;
        }
    }
    assert_eq!(passes, [false, true, false, true, false, true].map(Some));
    serving.listen(&listeners(&star, 1, 80))?;
    assert_eq!(prober.run(&star.hosts, &probes)?, before);
    Ok(())
}
