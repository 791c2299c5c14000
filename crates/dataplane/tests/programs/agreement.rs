//! The engine against programs.

use std::{collections::BTreeSet, ops::Range};

use ringfence_dataplane::{
    compile::{Options, Refusal},
    interpret::TCP,
    judge::{Moment, Programs},
    nft,
};
use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    origin::Origin,
    port::Protocol,
    verdict::{Outcome, Reason, RuleRef, Side, Verdict},
    workload::PodId,
};
use ringfence_policy::{Compiled, compiled::View, generate::describe};

use crate::clusters;

/// A protocol without ports.
const GRE: u8 = 47;

/// The seeds to look at. `RINGFENCE_SEED` asks for one alone, `RINGFENCE_CLUSTERS` for more or fewer.
pub(crate) fn seeds(usual: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("RINGFENCE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RINGFENCE_CLUSTERS").unwrap_or(usual),
    }
}

/// Ways of making programs, one for each seed in turn.
fn options(seed: u64) -> Options {
    Options {
        refusal: if seed.is_multiple_of(2) { Refusal::Reject } else { Refusal::Drop },
        log_allowed: if seed.is_multiple_of(3) { Options::default().log_denied } else { None },
        log_denied: if seed.is_multiple_of(5) { None } else { Options::default().log_denied },
        strict_own_node: seed.is_multiple_of(7),
        mark_mask: if seed.is_multiple_of(11) { 0x0000_0f00 } else { 0xffff_0000 },
        ..Options::default()
    }
}

/// What a log can name of a side's reasons.
fn named(side: &Side) -> BTreeSet<Reason> {
    let strip = |reason: &Reason| match reason {
        Reason::Rule(rule) => Some(Reason::Rule(RuleRef { peer: Origin::NONE, ..rule.clone() })),
        Reason::Isolated(_) => Some(reason.clone()),
        _ => None,
    };
    side.reasons.iter().filter_map(strip).collect()
}

/// Whether the program does what the engine says, for the reason that it gives.
fn agrees(program: &Verdict, engine: &Verdict) -> bool {
    if (program.outcome == Outcome::Allow) != (engine.outcome == Outcome::Allow) {
        return false;
    }
    // A packet that is refused at its source's side is not judged at the other.
    [(&program.egress, &engine.egress), (&program.ingress, &engine.ingress)].into_iter().all(
        |(found, right)| {
            found.outcome == Outcome::Allow
                || right.outcome != Outcome::Allow
                    && (right.outcome != Outcome::Deny || named(found) == named(right))
        },
    )
}

/// Every pod to itself, by several protocols and ports.
fn hairpins(cluster: &Cluster) -> Vec<Flow> {
    let mut flows = Vec::new();
    for (id, pod) in
        (0_u32..).map(PodId).zip(&cluster.pods).filter(|(_, pod)| !pod.host_network && !pod.finished)
    {
        for family in Family::BOTH {
            if !pod.addresses.iter().any(|address| Family::of(*address) == family) {
                continue;
            }
            for (protocol, port) in [(Protocol::Tcp, 80), (Protocol::Udp, 53), (Protocol::Sctp, 7_777)] {
                let (from, to) = (Endpoint::Pod(id), Endpoint::Pod(id));
                flows.push(Flow { from, to, family, protocol, port, request: None });
            }
        }
    }
    flows
}

#[test]
fn what_a_pod_sends_to_itself_passes() {
    let mut judged = 0;
    for seed in seeds(60) {
        let cluster = clusters::cluster(seed);
        let (compiled, audited) = (Compiled::new(cluster.clone()), Compiled::with_audit(cluster));
        let options = Options { log_allowed: Options::default().log_denied, ..options(seed) };
        let programs = Programs::new(&compiled, Some(&audited), &options).unwrap();
        for flow in hairpins(compiled.cluster()) {
            for moment in [Moment::New, Moment::Later, Moment::Reply, Moment::Untracked] {
                for (protocol, head) in [(TCP, (40_000, flow.port)), (GRE, (flow.port, flow.port))] {
                    let verdict = programs.judge_as(&flow, moment, protocol, head).unwrap();
                    assert_eq!(verdict.outcome, Outcome::Allow, "seed {seed}, {moment:?}: {flow:?}");
                }
                judged += 1;
            }
            assert!(programs.logged(&flow).is_empty(), "seed {seed}: {flow:?}");
        }
    }
    assert!(judged > 1_000, "only {judged} packets");
}

fn check(seed: u64, flow: &Flow, what: &str, program: &Verdict, engine: &Verdict) {
    assert!(
        agrees(program, engine),
        "seed {seed}, {what}: {flow:?}\nprogram {}\nengine {}",
        describe(program),
        describe(engine)
    );
}

#[test]
fn programs_do_what_the_engine_says() {
    let (mut judged, mut allowed) = (0_u64, 0_u64);
    for seed in seeds(150) {
        let cluster = clusters::cluster(seed);
        let compiled = Compiled::new(cluster);
        let options = options(seed);
        let programs = match Programs::new(&compiled, None, &options) {
            Ok(programs) => programs,
            Err(error) => panic!("seed {seed}: {error}"),
        };
        for node in &compiled.cluster().nodes {
            let program = programs.program(&node.name).unwrap();
            if let Err(error) = nft::check(&program.table) {
                panic!("seed {seed}: {error}");
            }
        }
        let view = View { strict_own_node: options.strict_own_node, ..View::default() };
        for flow in clusters::flows(seed, compiled.cluster(), 100) {
            let engine = compiled.enforced(&flow, view);
            for moment in [Moment::New, Moment::Later, Moment::Reply, Moment::Untracked] {
                if let Some(program) = programs.judge(&flow, moment) {
                    check(seed, &flow, &format!("{moment:?}"), &program, &engine);
                    judged += 1;
                    allowed += u64::from(program.outcome == Outcome::Allow);
                }
            }
            let portless = compiled.enforced_portless(&flow, view);
            for moment in [Moment::New, Moment::Reply] {
                let program = programs.judge_as(&flow, moment, GRE, (flow.port, flow.port)).unwrap();
                check(seed, &flow, "GRE", &program, &portless);
            }
        }
    }
    // Both answers are common, or nothing was tested.
    assert!(allowed * 10 > judged && allowed * 10 < judged * 9, "{allowed} of {judged} are allowed");
}
