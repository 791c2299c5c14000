//! The log's reader against the kernel. In: rules that log, loaded by `nft` into network namespaces of the test's own, and packets
//! over the loopback. Out: whether the right records come out, and whether what is lost is counted.
//!
//! As root or where user namespaces are allowed. In CI (`CI=true`) it is a failure if neither is so, or if `nft` is missing.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and tells what it measured"
)]

use std::{
    fmt::Display,
    fs,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};
use nix::{
    sched::{CloneFlags, unshare},
    sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, socket},
    unistd::{Gid, Uid},
};
use ringfence_dataplane::{
    nflog::{OpenError, Parties, Reader, Settings},
    prefix::{Logged, RuleId, prefix},
};
use ringfence_model::{
    cluster::Cluster,
    label::Labels,
    observed::{FlowRecord, Loss, Party, TcpFlags, Treatment},
    origin::Origin,
    verdict::{Direction, Reason},
    workload::Node,
};

const GROUP: u16 = 5;
const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const NOW: Duration = Duration::from_secs(1_000_000);

fn main() {
    let arguments = Arguments::from_args();
    // Before there are threads, which a new user namespace does not allow.
    let possible = isolate();
    let all: [(&str, fn()); 7] = [
        ("fields", fields),
        ("a_short_head_is_read_as_far_as_it_goes", short),
        ("foreign_prefixes_are_counted", foreign),
        ("a_group_has_one_reader", taken),
        ("waiting_ends", waiting),
        ("what_is_lost_is_counted", loss),
        ("throughput", throughput),
    ];
    let must = std::env::var("CI").is_ok_and(|value| value == "true");
    let trial = |(name, test): (&str, fn())| {
        let possible = possible.clone();
        let ignored = possible.is_err() && !must;
        if let (Err(reason), true) = (&possible, ignored) {
            eprintln!("{name} is left out: {reason}");
        }
        Trial::test(name, move || possible.map_err(Failed::from).and_then(|()| in_namespace(test)))
            .with_ignored_flag(ignored)
    };
    libtest_mimic::run(&arguments, all.into_iter().map(trial).collect()).exit();
}

/// Makes this process root of a user namespace, unless it is root already.
fn isolate() -> Result<(), String> {
    let told = |what: &str, error: &dyn Display| format!("{what}: {error}");
    let found = Command::new("nft").arg("--version").stdout(Stdio::null()).status();
    found.map_err(|error| told("`nft` cannot be run", &error))?;
    let (user, group) = (Uid::effective(), Gid::effective());
    if !user.is_root() {
        unshare(CloneFlags::CLONE_NEWUSER)
            .map_err(|error| told("user namespaces are not allowed", &error))?;
        let write = |path: &str, text: String| {
            fs::write(path, text).map_err(|error| told("the user namespace cannot be set up", &error))
        };
        write("/proc/self/setgroups", "deny".to_owned())?;
        write("/proc/self/uid_map", format!("0 {user} 1"))?;
        write("/proc/self/gid_map", format!("0 {group} 1"))?;
    }
    // Whether it works is found out in a thread, which takes its namespace with it.
    let tried = thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET)).join();
    match tried {
        Ok(tried) => tried.map_err(|error| told("network namespaces are not allowed", &error)),
        Err(_) => Err("network namespaces cannot be tried".to_owned()),
    }
}

/// Runs a test in a thread with a network namespace of its own, which is gone when the thread is.
fn in_namespace(test: fn()) -> Result<(), Failed> {
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        loopback_up();
        test();
    });
    thread.join().map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Failed::from(text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned())
    })
}

fn loopback_up() {
    let flags = SockFlag::SOCK_CLOEXEC;
    let route = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute).unwrap();
    // RTM_NEWLINK with NLM_F_REQUEST for interface 1: set IFF_UP.
    let mut message = 32_u32.to_ne_bytes().to_vec();
    message.extend(16_u16.to_ne_bytes());
    message.extend(1_u16.to_ne_bytes());
    message.extend([0; 12]);
    for number in [1_u32, 1, 1] {
        message.extend(number.to_ne_bytes());
    }
    sendto(route.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty()).unwrap();
}

/// Loads rules into the input chain.
fn load(rules: &[String]) {
    let text = format!(
        "table inet t {{\n chain c {{\n type filter hook input priority 0; policy accept;\n {}\n }}\n}}\n",
        rules.join("\n ")
    );
    let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    nft.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(nft.wait().unwrap().success(), "{text}");
}

/// A logging rule.
fn log(matching: &str, logged: Logged, id: u32, rest: &str) -> String {
    let prefix = prefix(logged, Direction::Ingress, RuleId(id), "NetworkPolicy shop/web");
    format!("{matching} log prefix \"{prefix}\" group {GROUP} {rest}")
}

fn open(settings: Settings) -> Reader {
    Reader::open(&Settings { group: GROUP, timeout: Duration::from_millis(10), ..settings }).unwrap()
}

fn rules(id: RuleId) -> Option<Arc<[Reason]>> {
    (id == RuleId(7)).then(|| Arc::from([Reason::NotIsolated]))
}

fn parties() -> Parties {
    let node = Node {
        name: "one".into(),
        labels: Labels::default(),
        addresses: vec![IpAddr::V4(TWO)],
        pod_cidrs: Vec::new(),
        origin: Origin::NONE,
    };
    Parties::new(&Cluster { nodes: vec![node], ..Cluster::default() })
}

/// Reads until there are so many records, at most for five seconds.
fn read(reader: &mut Reader, count: usize) -> (Vec<FlowRecord>, Loss) {
    let (mut records, end) = (Vec::new(), Instant::now() + Duration::from_secs(5));
    while records.len() < count && Instant::now() < end {
        reader.wait(Duration::from_millis(100)).unwrap();
        records.extend(reader.report(NOW, 1000, &rules, &parties()).unwrap().records);
    }
    (records, reader.lost())
}

fn udp(from: Ipv4Addr) -> UdpSocket {
    UdpSocket::bind((from, 0)).unwrap()
}

fn fields() {
    load(&[
        log("ip daddr 127.0.0.2 udp dport 7", Logged::Deny, 7, "queue-threshold 1 drop"),
        log("ip6 daddr ::1 udp dport 8", Logged::Allow, 8, "queue-threshold 1 drop"),
        log("ct state new tcp dport 9", Logged::Audit, 9, "queue-threshold 1 drop"),
        log("icmp type destination-unreachable", Logged::Deny, 10, "queue-threshold 1 drop"),
    ]);
    let mut reader = open(Settings::default());
    let four = udp(ONE);
    four.send_to(b"x", (TWO, 7)).unwrap();
    let six = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    six.send_to(b"x", (Ipv6Addr::LOCALHOST, 8)).unwrap();
    let closed = TcpStream::connect_timeout(&SocketAddr::from((ONE, 9)), Duration::from_millis(100));
    assert!(closed.is_err());
    four.send_to(b"x", (TWO, 10)).unwrap();
    let (records, lost) = read(&mut reader, 4);
    assert_eq!(lost, Loss::default());
    assert_eq!(records.len(), 4, "{records:#?}");

    let first = &records[0];
    assert_eq!((first.time, first.treatment, first.direction), (NOW, Treatment::Denied, Direction::Ingress));
    assert_eq!((first.rule, &*first.policy), (7, "NetworkPolicy shop/web"));
    assert_eq!(*first.reasons, [Reason::NotIsolated]);
    assert_eq!((first.source.address, first.destination.address), (ONE.into(), TWO.into()));
    assert_eq!(first.source.port, Some(four.local_addr().unwrap().port()));
    assert_eq!((first.destination.port, first.protocol), (Some(7), Some(17)));
    assert_eq!(
        (first.source.party.clone(), first.destination.party.clone()),
        (None, Some(Party::Node("one".into())))
    );
    assert_eq!((first.input, first.output), (Some(1), None));

    let second = &records[1];
    assert_eq!((second.treatment, second.rule, second.reasons.len()), (Treatment::Allowed, 8, 0));
    assert_eq!(second.source.address, IpAddr::V6(Ipv6Addr::LOCALHOST));
    assert_eq!((second.destination.port, second.protocol), (Some(8), Some(17)));

    let third = &records[2];
    assert_eq!((third.treatment, third.rule), (Treatment::WouldDeny, 9));
    assert_eq!((third.destination.port, third.protocol), (Some(9), Some(6)));
    assert_eq!(third.tcp_flags.map(|flags| flags.0 & (TcpFlags::SYN | TcpFlags::ACK)), Some(TcpFlags::SYN));

    let fourth = &records[3];
    assert_eq!((fourth.protocol, fourth.icmp, fourth.source.port), (Some(1), Some((3, 3)), None));
}

fn short() {
    load(&[
        log("udp dport 7", Logged::Deny, 7, "snaplen 20 queue-threshold 1 drop"),
        log("udp dport 8", Logged::Deny, 7, "snaplen 8 queue-threshold 1 drop"),
    ]);
    let mut reader = open(Settings::default());
    let socket = udp(ONE);
    socket.send_to(b"x", (TWO, 8)).unwrap();
    socket.send_to(b"x", (TWO, 7)).unwrap();
    let (records, lost) = read(&mut reader, 1);
    assert_eq!((records[0].protocol, records[0].destination.port), (Some(17), None));
    assert_eq!(lost, Loss { unreadable: 1, ..Loss::default() });
}

fn foreign() {
    load(&[
        format!("udp dport 7 log prefix \"something else\" group {GROUP} queue-threshold 1"),
        log("udp dport 7", Logged::Deny, 7, "queue-threshold 1 drop"),
    ]);
    let mut reader = open(Settings::default());
    udp(ONE).send_to(b"x", (TWO, 7)).unwrap();
    let (records, lost) = read(&mut reader, 1);
    assert_eq!((records.len(), lost), (1, Loss { foreign: 1, ..Loss::default() }));
}

fn taken() {
    let reader = open(Settings::default());
    let settings = Settings { group: GROUP, ..Settings::default() };
    match Reader::open(&settings) {
        Err(OpenError::Taken { group: GROUP }) => {}
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("two readers of one group"),
    }
    drop(reader);
    assert!(Reader::open(&settings).is_ok(), "the group is free again");
}

fn waiting() {
    let mut reader = open(Settings::default());
    assert!(!reader.wait(Duration::from_millis(20)).unwrap());
    let report = reader.report(NOW, 10, &rules, &parties()).unwrap();
    assert!(report.records.is_empty() && report.lost.is_none());
    // A packet alone is not kept until there are as many as the threshold says.
    load(&[log("udp dport 7", Logged::Deny, 7, "drop")]);
    udp(ONE).send_to(b"x", (TWO, 7)).unwrap();
    assert!(reader.wait(Duration::from_secs(5)).unwrap());
}

fn loss() {
    const PACKETS: u64 = 5000;
    load(&[log("udp dport 7", Logged::Deny, 7, "queue-threshold 1 drop")]);
    let mut reader = open(Settings { buffer: 4096, ..Settings::default() });
    assert!(reader.buffer() < 64 << 10);
    let socket = udp(ONE);
    for _ in 0..PACKETS {
        socket.send_to(b"x", (TWO, 7)).unwrap();
    }
    let mut kept = 0;
    let mut lost = Loss::default();
    let mut take = |reader: &mut Reader| {
        let report = reader.report(NOW, 10_000, &rules, &parties()).unwrap();
        kept += report.records.len() as u64;
        lost.missed += report.lost.missed;
        lost.overruns += report.lost.overruns;
    };
    take(&mut reader);
    // The next packet tells how many are missing before it.
    socket.send_to(b"x", (TWO, 7)).unwrap();
    reader.wait(Duration::from_secs(5)).unwrap();
    take(&mut reader);
    assert!(lost.overruns > 0 && lost.missed > 0, "{lost:?}");
    assert_eq!(kept + lost.missed, PACKETS + 1, "{lost:?}");
    assert_eq!(reader.lost(), lost);
}

/// How many records a second, packets sent by another thread at the same time.
fn throughput() {
    const PACKETS: usize = 100_000;
    load(&[log("udp dport 7", Logged::Deny, 7, "snaplen 128 drop")]);
    let mut reader = open(Settings { threshold: 64, buffer: 64 << 20, ..Settings::default() });
    let parties = parties();
    let socket = udp(ONE);
    let start = Instant::now();
    for _ in 0..PACKETS {
        socket.send_to(b"x", (TWO, 7)).unwrap();
    }
    let sent = start.elapsed();
    let (mut records, start) = (0, Instant::now());
    while reader.wait(Duration::from_millis(50)).unwrap() {
        records += reader.report(NOW, 100, &rules, &parties).unwrap().records.len();
    }
    let read = start.elapsed().saturating_sub(Duration::from_millis(50));
    let lost = reader.lost();
    eprintln!(
        "sent {PACKETS} in {sent:?}, read {records} in {read:?} ({:.0} a second), {lost:?}",
        records as f64 / read.as_secs_f64()
    );
    assert!(records > 0);
    // A limited buffer loses what it cannot hold, never more than there is, never silently.
    assert!(records as u64 + lost.missed <= PACKETS as u64);
    assert!(records == PACKETS || lost.overruns > 0);
}
