//! A reset, an ICMP error that says "prohibited", another one, and silence are told apart, for every protocol and family.

use libtest_mimic::Trial;
use ringfence_lab::{
    listen::Listeners,
    namespace::Namespace,
    probe::{Outcome as Came, Probe, Prober, Refusal},
};
use ringfence_model::port::Protocol;

use crate::{
    Outcome,
    answers::{PROTOCOLS, by, listeners, probe},
    star::{Star, v4, v6},
    trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        refusals_are_told_apart,
        refusals_of_the_own_namespace,
        a_failure_to_ask_is_no_verdict,
        a_lost_packet_is_no_verdict
    ]
}

const PROHIBITED: Came = Came::Refused(Refusal::Prohibited);

/// Everything that can be asked of the second host.
fn probes() -> Vec<Probe> {
    PROTOCOLS.iter().flat_map(|&protocol| [v4(1), v6(1)].map(|to| probe(to, protocol, 8080))).collect()
}

fn asked(star: &Star, serving: &Listeners) -> Outcome<Vec<Came>> {
    Ok(Prober::default().beside(serving).run(&star.hosts, &probes())?)
}

fn refusals_are_told_apart() -> Outcome {
    let star = Star::new(2)?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 8080))?;
    let all = probes().len();

    star.forward("reject with icmpx admin-prohibited")?;
    assert_eq!(asked(&star, &serving)?, vec![PROHIBITED; all]);

    star.forward("reject with icmpx host-unreachable")?;
    let expected: Vec<Came> = probes()
        .iter()
        .map(|probe| if probe.to.is_ipv4() { (3, 1) } else { (1, 3) })
        .map(|(kind, code)| Came::Refused(Refusal::Unreachable { kind, code }))
        .collect();
    assert_eq!(asked(&star, &serving)?, expected);

    // An ICMP error is not taken for a reset, although both are "connection refused" to a program.
    star.forward("reject with icmpx port-unreachable")?;
    let expected: Vec<Came> = probes()
        .iter()
        .map(|probe| if probe.to.is_ipv4() { (3, 3) } else { (1, 4) })
        .map(|(kind, code)| Came::Refused(Refusal::Unreachable { kind, code }))
        .collect();
    assert_eq!(asked(&star, &serving)?, expected);

    star.forward("meta l4proto tcp reject with tcp reset")?;
    let reset = |probe: &Probe| {
        if probe.protocol == Protocol::Tcp {
            Came::Refused(Refusal::Reset)
        } else {
            by(probe.protocol, 1, 8080)
        }
    };
    assert_eq!(asked(&star, &serving)?, probes().iter().map(reset).collect::<Vec<_>>());

    star.forward("drop")?;
    let start = std::time::Instant::now();
    assert_eq!(asked(&star, &serving)?, vec![Came::Silent; all]);
    assert!(start.elapsed().as_secs_f32() < 20.0, "{:?}", start.elapsed());

    // What is dropped on the way back is as silent.
    star.forward("ip saddr 10.9.1.2 drop; ip6 saddr fd09:0:0:1::2 drop")?;
    assert_eq!(asked(&star, &serving)?, vec![Came::Silent; all]);
    Ok(())
}

/// A pod of the host network is judged in the output hook of the namespace that it asks from.
fn refusals_of_the_own_namespace() -> Outcome {
    let star = Star::new(2)?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 8080))?;
    let inside = |source, to, protocol| Probe { from: 0, source, to, protocol, port: 8080 };
    let mut probes = Vec::new();
    for protocol in PROTOCOLS {
        probes.push(inside("10.9.1.1".parse()?, v4(1), protocol));
        probes.push(inside("fd09:0:0:1::1".parse()?, v6(1), protocol));
    }
    let place: [Namespace; 1] = [star.router.clone()];
    let rules = |verdict: &str| {
        star.rules(&format!(
            "table inet t {{ chain o {{ type filter hook output priority 0; policy accept;
             icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
             ip daddr 10.9.1.2 {verdict}; ip6 daddr fd09:0:0:1::2 {verdict}
}}
}}
"
        ))
    };
    let answered: Vec<Came> = probes.iter().map(|probe| by(probe.protocol, 1, 8080)).collect();
    assert_eq!(Prober::default().beside(&serving).run(&place, &probes)?, answered);
    rules("reject with icmpx admin-prohibited")?;
    assert_eq!(Prober::default().beside(&serving).run(&place, &probes)?, vec![PROHIBITED; probes.len()]);
    rules("drop")?;
    assert_eq!(Prober::default().beside(&serving).run(&place, &probes)?, vec![Came::Silent; probes.len()]);
    Ok(())
}

fn a_failure_to_ask_is_no_verdict() -> Outcome {
    let star = Star::new(1)?;
    let stranger = "192.0.2.9".parse()?;
    let probes: Vec<Probe> = PROTOCOLS
        .iter()
        .map(|&protocol| Probe { from: 0, source: stranger, to: v4(0), protocol, port: 80 })
        .collect();
    for came in Prober::default().run(&star.hosts, &probes)? {
        assert_eq!(came.passes(), None, "{came}");
    }
    Ok(())
}

/// A network that loses everything for a moment answers all the same.
fn a_lost_packet_is_no_verdict() -> Outcome {
    let star = Star::new(2)?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 8080))?;
    star.forward("iifname h0 limit rate 1/day burst 8 packets drop")?;
    let expected: Vec<Came> = probes().iter().map(|probe| by(probe.protocol, 1, 8080)).collect();
    assert_eq!(asked(&star, &serving)?, expected);
    Ok(())
}
