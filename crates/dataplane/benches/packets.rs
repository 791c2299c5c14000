//! What a packet pays on a node with 110 pods, 10,000 peers elsewhere and many policies. In: the program of the node, the
//! ruleset that kube-router would write, nothing at all, and nothing at all once more (which shows the noise). Out:
//! nanoseconds a packet, as differences to nothing in the same round.
//!
//! Rounds of all contenders take turns, which is why this is no criterion bench: two measurements one after the other
//! differ by more on a shared machine than what is measured. Everything happens in network namespaces of this process.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench ends by panicking"
)]
#![expect(clippy::print_stdout, reason = "a bench prints what it has measured")]

mod support;

use std::{
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    time::Instant,
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::socket::{setsockopt, sockopt},
    unistd::Pid,
};
use ringfence_dataplane::{
    compile::{Options, compile},
    reconcile::{Keeper, Ownership},
};
use ringfence_policy::Compiled;
use support::{
    frames::{ACK, Frame, SYN, Segment, Sender, frame},
    kube_router,
    namespaces::{
        self, CLIENT_LINK, MAC_CLIENT, MAC_NODE_TO_CLIENT, MAC_NODE_TO_SERVER, MAC_SERVER, Namespace, Row,
        SERVER_LINK,
    },
    plan::{Case, NODE, Plan, Sample, cases},
    rounds::{Taken, compare},
};

/// Numbers of policies.
const POLICIES: [usize; 2] = [100, 1_000];
/// Packets that are sent before the clock runs, packets and connections a round, and rounds. A round is shorter than what
/// the scheduler gives a process before it looks at others.
const WARM_UP: usize = 256;
const PACKETS: usize = 256;
const CONNECTIONS: usize = 20;
const ROUNDS: usize = 200;

fn main() {
    if let Err(reason) = namespaces::leave() {
        println!("skipped: {reason}");
        return;
    }
    stay_on_one_core();
    for policies in POLICIES {
        let plan = Plan::new(policies);
        let compiled = Compiled::new(plan.cluster());
        let mut cases = cases(&plan, &compiled);
        let real = cases[0].samples[0];
        for case in &mut cases {
            // Nobody is to answer.
            case.samples.retain(|sample| ![real.from, real.to].contains(&sample.to));
        }
        let contenders = contenders(&plan, &compiled, real);
        println!(
            "\n{policies} policies: ns per packet more than without policy: median (quartiles); without policy in the second column"
        );
        heading(&contenders);
        for case in &cases {
            row(case.name, 1.0, &first_packets(&contenders, case));
        }
        row("established, a connection of each pod", 1.0, &established(&contenders, &cases[0]));
        println!("\n{policies} policies: µs per connection (connect, accept, close)");
        heading(&contenders);
        row("new connections", 1_000.0, &connections(&contenders, real));
    }
}

/// The packets are forwarded on the core that sends them.
fn stay_on_one_core() {
    let mut cores = CpuSet::new();
    cores.set(std::thread::available_parallelism().unwrap().get() - 1).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cores).unwrap();
}

/// A ruleset in namespaces of its own.
struct Contender {
    name: &'static str,
    row: Row,
    client: Sender,
    server: Sender,
    listener: TcpListener,
}

fn contenders(plan: &Plan, compiled: &Compiled, real: Sample) -> Vec<Contender> {
    let contender = |name, load: &dyn Fn(&Namespace)| {
        let row = Row::new(real.from, real.to);
        load(&row.node);
        let (client, server) = (Sender::new(&row.client, CLIENT_LINK), Sender::new(&row.server, SERVER_LINK));
        let listener = row
            .server
            .run(|| TcpListener::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, real.port)).unwrap());
        listener.set_nonblocking(true).unwrap();
        Contender { name, row, client, server, listener }
    };
    let program = compile(compiled, None, NODE, &Options::default());
    vec![
        contender("no policy", &|_| ()),
        contender("no policy again", &|_| ()),
        contender("like kube-router", &|node| {
            kube_router::ruleset(plan).iter().for_each(|part| node.nft(part));
        }),
        contender("ringfence", &|node| {
            // A table that goes into the kernel in parts if it must.
            node.run(|| {
                let mut keeper = Keeper::open(program.table.name.clone(), Ownership::Shared).unwrap();
                keeper.set(program.table.clone()).unwrap();
            });
        }),
    ]
}

/// The first packets of connections never seen before.
fn first_packets(contenders: &[Contender], case: &Case) -> Vec<Taken> {
    let count = WARM_UP + PACKETS;
    let per_sample = count.div_ceil(case.samples.len());
    compare(contenders.len(), ROUNDS, |contender, round| {
        let frames: Vec<Frame> = (0..count)
            .map(|at| {
                let sample = case.samples[at % case.samples.len()];
                let port = 1_024 + (round * per_sample + at / case.samples.len()) % 60_000;
                case_frame(case, sample, u16::try_from(port).unwrap())
            })
            .collect();
        let Contender { name, row, client, server, .. } = &contenders[contender];
        let (sender, arrived): (_, &dyn Fn() -> u64) = if case.outward {
            (server, &|| row.returned() + row.arrived())
        } else {
            (client, &|| row.arrived())
        };
        let before = arrived();
        let (warm_up, frames) = frames.split_at(WARM_UP);
        sender.send(warm_up);
        let start = Instant::now();
        sender.send(frames);
        let taken = start.elapsed();
        let passed = arrived() - before;
        let wanted = if case.allowed || name.starts_with("no policy") { count as u64 } else { 0 };
        assert_eq!(passed, wanted, "{name}: {}", case.name);
        taken.as_nanos() as f64 / PACKETS as f64
    })
}

fn case_frame(case: &Case, sample: Sample, port: u16) -> Frame {
    let segment = Segment {
        from: (sample.from, port),
        to: (sample.to, sample.port),
        flags: SYN,
        sequence: 1,
        acknowledged: 0,
    };
    if case.outward {
        frame(&segment, MAC_SERVER, MAC_NODE_TO_SERVER)
    } else {
        frame(&segment, MAC_CLIENT, MAC_NODE_TO_CLIENT)
    }
}

/// Packets of connections that have been answered, one to each pod that the case has.
fn established(contenders: &[Contender], case: &Case) -> Vec<Taken> {
    let mut samples = case.samples.clone();
    samples.sort_by_key(|sample| sample.to);
    samples.dedup_by_key(|sample| sample.to);
    let there = |sample: &Sample, flags, sequence, acknowledged| {
        let segment = Segment {
            from: (sample.from, 60_999),
            to: (sample.to, sample.port),
            flags,
            sequence,
            acknowledged,
        };
        frame(&segment, MAC_CLIENT, MAC_NODE_TO_CLIENT)
    };
    let back = |sample: &Sample| {
        let segment = Segment {
            from: (sample.to, sample.port),
            to: (sample.from, 60_999),
            flags: SYN | ACK,
            sequence: 1,
            acknowledged: 2,
        };
        frame(&segment, MAC_SERVER, MAC_NODE_TO_SERVER)
    };
    for contender in contenders {
        contender.client.send(&samples.iter().map(|sample| there(sample, SYN, 1, 0)).collect::<Vec<_>>());
        contender.server.send(&samples.iter().map(back).collect::<Vec<_>>());
    }
    let frames: Vec<Frame> = (0..PACKETS).map(|at| there(&samples[at % samples.len()], ACK, 2, 2)).collect();
    compare(contenders.len(), ROUNDS, |contender, _| {
        let Contender { name, row, client, .. } = &contenders[contender];
        client.send(&frames[..WARM_UP]);
        let before = row.arrived();
        let start = Instant::now();
        client.send(&frames);
        let taken = start.elapsed();
        assert_eq!(row.arrived() - before, PACKETS as u64, "{name}: established");
        taken.as_nanos() as f64 / PACKETS as f64
    })
}

/// Connections opened, accepted and closed one after the other, by sockets.
fn connections(contenders: &[Contender], real: Sample) -> Vec<Taken> {
    let to = SocketAddrV4::new(real.to, real.port);
    compare(contenders.len(), ROUNDS, |contender, _| {
        let Contender { row, listener, .. } = &contenders[contender];
        let one_round = || {
            stay_on_one_core();
            let start = Instant::now();
            for _ in 0..CONNECTIONS {
                let there = TcpStream::connect(to).unwrap();
                let (here, _) = listener.accept().expect("the handshake is over when connect returns");
                // Closed by a reset, so that no address is held back.
                setsockopt(&there, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
                drop(there);
                drop(here);
            }
            start.elapsed()
        };
        row.client.run(one_round).as_nanos() as f64 / CONNECTIONS as f64
    })
}

fn heading(contenders: &[Contender]) {
    let names: Vec<&str> = contenders.iter().map(|contender| contender.name).collect();
    println!("| what | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
}

fn row(what: &str, unit: f64, taken: &[Taken]) {
    let more = taken.iter().skip(1).map(|Taken { more, .. }| {
        format!(
            "{:+.*} ({:+.*} to {:+.*})",
            digits(unit),
            more.median / unit,
            digits(unit),
            more.low / unit,
            digits(unit),
            more.high / unit
        )
    });
    let more: Vec<String> = more.collect();
    println!("| {what} | {:.*} | {} |", digits(unit), taken[0].own.median / unit, more.join(" | "));
}

fn digits(unit: f64) -> usize {
    if unit > 1.0 { 1 } else { 0 }
}
