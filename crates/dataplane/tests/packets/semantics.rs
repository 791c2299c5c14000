//! The interpreter against the kernel. In: random programs and packets that come near to what they ask for. Out: whether both log the
//! same rules in the same order, leave the same mark, and let the same packets through.
//!
//! `RINGFENCE_SEED=N` looks at that program alone, `RINGFENCE_PROGRAMS=N` at more.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, bind, sendto, socket,
};
use rand::{Rng as _, seq::IndexedRandom as _};
use ringfence_dataplane::{
    interpret::{Chance, Fate, Machine, Packet, Tracked, UDP, state},
    netlink::Nftables,
    nflog::{Parties, Reader, Settings},
    nft::{
        Chain, Element, Field, Hook, HookPoint, KeyType, Limits, LogTo, Map, Name, Rule, Set, Statement,
        Table, Value, Verdict, check,
    },
    prefix::{Logged, RuleId, parse_prefix, prefix},
    text,
};
use ringfence_model::{
    address::Family,
    observed::{FlowRecord, Loss},
    verdict::Direction,
};
use ringfence_policy::generate::{Rng, rng};

use crate::loopback_up;

pub(crate) const TESTS: &[(&str, fn())] = &[("interpreter_agrees_with_the_kernel", agree)];

const GROUP: u16 = 6;
const ADDRESSES: [Ipv4Addr; 4] = [
    Ipv4Addr::new(127, 0, 0, 1),
    Ipv4Addr::new(127, 0, 0, 2),
    Ipv4Addr::new(127, 0, 0, 3),
    Ipv4Addr::new(127, 0, 0, 4),
];

fn agree() {
    loopback_up();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("RINGFENCE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RINGFENCE_PROGRAMS").unwrap_or(100),
    };
    let mut kernel = Kernel::new();
    let (mut logged, mut dropped, mut packets) = (0, 0, 0);
    for seed in seeds {
        let mut rng = rng(seed);
        let ends = Ends::new(seed as u16);
        let table = program(&mut rng, &ends);
        let machine = Machine::new(&table).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        kernel
            .nftables
            .load(&table)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", text::render(&table)));
        // What conntrack knows of the connection: its mark.
        let mut mark = 0;
        for (at, step) in ends.steps().into_iter().enumerate() {
            let tracked = match step.tracked {
                Tracked::Connection { state, reply, .. } => {
                    if step.fresh {
                        mark = 0;
                    }
                    Tracked::Connection { state, reply, mark }
                }
                other => other,
            };
            let packet = step.packet.tracked(tracked);
            let ran = machine.run(HookPoint::Input, &packet, Chance::default()).unwrap();
            mark = ran.mark.unwrap_or(mark);
            let ids: Vec<RuleId> = ran.logs.iter().map(|log| parse_prefix(&log.prefix).unwrap().id).collect();
            let (found, passed) = kernel.send(&ends, &step, ids.len());
            let tell = || {
                format!(
                    "seed {seed}, packet {at}: {packet:?}\ntrace {:?}\n{}",
                    ran.trace,
                    text::render(&table)
                )
            };
            assert_eq!(found, ids, "the kernel's log and the interpreter's: {}", tell());
            if let Some(passed) = passed {
                assert_eq!(passed, ran.fate == Fate::Accept, "whether it passes: {}", tell());
            }
            packets += 1;
            logged += ids.len();
            dropped += usize::from(ran.fate != Fate::Accept);
        }
    }
    eprintln!("{packets} packets, {logged} logged rules, {dropped} dropped");
    if number("RINGFENCE_SEED").is_none() {
        assert!(
            logged > packets && dropped > packets / 20 && dropped < packets / 2,
            "the programs are too dull"
        );
    }
}

/// The sockets of one program's packets.
struct Ends {
    /// Of its messages: conntrack remembers those of earlier programs.
    number: u16,
    left: UdpSocket,
    right: UdpSocket,
    left6: UdpSocket,
    right6: UdpSocket,
    raw: OwnedFd,
}

/// How a packet is sent.
#[derive(Clone, Copy)]
enum Way {
    /// From left to right, over IPv6 if so.
    There(bool),
    /// From right to left.
    Back(bool),
    /// By the raw socket.
    Icmp(u8),
}

/// A packet to send.
struct Step {
    way: Way,
    packet: Packet,
    tracked: Tracked,
    /// Whether it opens a connection.
    fresh: bool,
}

impl Ends {
    fn new(number: u16) -> Self {
        let udp = |address: IpAddr| {
            let socket = UdpSocket::bind((address, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let raw = socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Icmp).unwrap();
        bind(raw.as_raw_fd(), &SockaddrIn::from(std::net::SocketAddrV4::new(ADDRESSES[0], 0))).unwrap();
        Self {
            number,
            left: udp(ADDRESSES[0].into()),
            right: udp(ADDRESSES[1].into()),
            left6: udp(Ipv6Addr::LOCALHOST.into()),
            right6: udp(Ipv6Addr::LOCALHOST.into()),
            raw,
        }
    }

    fn sockets(&self, six: bool) -> (&UdpSocket, &UdpSocket) {
        if six { (&self.left6, &self.right6) } else { (&self.left, &self.right) }
    }

    fn addresses(&self, six: bool) -> (SocketAddr, SocketAddr) {
        let (left, right) = self.sockets(six);
        (left.local_addr().unwrap(), right.local_addr().unwrap())
    }

    fn icmp(&self, kind: u8) -> Vec<u8> {
        icmp(kind, self.number)
    }

    /// What a rule reads that takes a message for a packet with ports.
    fn checksum(&self, kind: u8) -> u16 {
        let bytes = self.icmp(kind);
        u16::from_be_bytes([bytes[2], bytes[3]])
    }

    /// A conversation over each family, and messages that conntrack knows and does not know.
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for six in [false, true] {
            let (left, right) = self.addresses(six);
            let there = Packet::new(left.ip(), right.ip(), UDP, left.port(), right.port());
            let connection = |state, reply| Tracked::Connection { state, reply, mark: 0 };
            let step = |way, packet, tracked, fresh| Step { way, packet, tracked, fresh };
            steps.push(step(Way::There(six), there, connection(state::NEW, false), true));
            steps.push(step(Way::There(six), there, connection(state::NEW, false), false));
            steps.push(step(Way::Back(six), there.reply(0), connection(state::ESTABLISHED, true), false));
            steps.push(step(Way::There(six), there, connection(state::ESTABLISHED, false), false));
        }
        for (kind, tracked) in
            [(13, Tracked::Connection { state: state::NEW, reply: false, mark: 0 }), (200, Tracked::Invalid)]
        {
            let (from, to) = (ADDRESSES[0].into(), ADDRESSES[1].into());
            let packet = Packet::icmp(from, to, kind, 0, self.checksum(kind));
            steps.push(Step { way: Way::Icmp(kind), packet, tracked, fresh: true });
        }
        steps
    }
}

/// A message of 20 bytes with its checksum. Its number makes it a connection of its own.
fn icmp(kind: u8, number: u16) -> Vec<u8> {
    let mut bytes = vec![kind, 0, 0, 0];
    bytes.extend(number.to_be_bytes());
    bytes.extend([0x12; 14]);
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

struct Kernel {
    nftables: Nftables,
    reader: Reader,
}

impl Kernel {
    fn new() -> Self {
        let settings = Settings { group: GROUP, threshold: 1, ..Settings::default() };
        Self { nftables: Nftables::open().unwrap(), reader: Reader::open(&settings).unwrap() }
    }

    /// Sends a packet: the rules that logged it, and whether it arrived where that can be seen.
    fn send(&mut self, ends: &Ends, step: &Step, expected: usize) -> (Vec<RuleId>, Option<bool>) {
        let passed = match step.way {
            Way::There(six) | Way::Back(six) => {
                let (left, right) = ends.sockets(six);
                let (from, to) =
                    if matches!(step.way, Way::There(_)) { (left, right) } else { (right, left) };
                from.send_to(b"x", to.local_addr().unwrap()).unwrap();
                Some(to)
            }
            Way::Icmp(kind) => {
                let to = SockaddrIn::from(std::net::SocketAddrV4::new(ADDRESSES[1], 0));
                sendto(ends.raw.as_raw_fd(), &ends.icmp(kind), &to, MsgFlags::empty()).unwrap();
                None
            }
        };
        let mut ids = self.logged(step);
        if ids.len() < expected {
            // Another processor may still be at it.
            self.reader.wait(Duration::from_millis(200)).unwrap();
            ids.extend(self.logged(step));
        }
        let passed = passed.map(|socket| match socket.recv(&mut [0; 8]) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        });
        (ids, passed)
    }

    fn logged(&mut self, step: &Step) -> Vec<RuleId> {
        let none = |_| None;
        let report = self.reader.report(Duration::ZERO, 1000, &none, &Parties::default()).unwrap();
        assert_eq!(report.lost, Loss::default());
        let packet = step.packet;
        // Answers of the kernel's own come by here too.
        let ours = |record: &&FlowRecord| {
            record.source.address == packet.source
                && record.destination.address == packet.destination
                && record.protocol == Some(packet.protocol)
        };
        report.records.iter().filter(ours).map(|record| RuleId(record.rule)).collect()
    }
}

/// Room for more than the elements of any set here.
fn size(interval: bool) -> Option<u32> {
    (!interval).then_some(16)
}

/// A random program for the hook `input`: two base chains, and chains below.
fn program(rng: &mut Rng, ends: &Ends) -> Table {
    let mut table = Table::new("semantics");
    let mut maker = Maker { rng, ends, next: 0 };
    for at in 0..maker.rng.random_range(1..4) {
        let key = maker.key();
        let interval = maker.rng.random_bool(0.5);
        let elements = maker.elements(&key, interval);
        table.sets.insert(
            format!("s{at}").into(),
            Set {
                key: key.clone(),
                interval,
                size: size(interval),
                elements: elements.into_iter().collect(),
            },
        );
    }
    let chains = maker.rng.random_range(2..7_usize);
    for at in 0..maker.rng.random_range(1..4) {
        let key = maker.key();
        let interval = maker.rng.random_bool(0.5);
        let elements = maker.elements(&key, interval);
        let elements = elements.into_iter().map(|element| {
            // The chains that maps lead to are the last ones, which themselves use no maps.
            let verdict = maker.verdict(chains, chains + 2);
            (element, verdict)
        });
        table.maps.insert(
            format!("m{at}").into(),
            Map { key, interval, size: size(interval), elements: elements.collect() },
        );
    }
    for at in 0..chains + 2 {
        let rules = maker.rules(&table, at, chains, chains + 2);
        table.chains.insert(format!("c{at}").into(), Chain { hook: None, rules });
    }
    for (name, priority) in [("first", -5), ("second", 5)] {
        let mut rules = maker.rules(&table, 0, chains, chains + 2);
        rules.push(maker.log());
        let hook = Some(Hook { point: HookPoint::Input, nat: false, priority });
        table.chains.insert(name.into(), Chain { hook, rules });
    }
    table
}

struct Maker<'a> {
    rng: &'a mut Rng,
    ends: &'a Ends,
    next: u32,
}

impl Maker<'_> {
    fn log_to(&mut self) -> Statement {
        self.next += 1;
        let prefix = prefix(Logged::Allow, Direction::Ingress, RuleId(self.next), "");
        assert!(prefix.len() <= Limits::LOG_PREFIX);
        Statement::Log(LogTo { prefix, group: GROUP, snaplen: 128, queue_threshold: 1 })
    }

    fn log(&mut self) -> Rule {
        Rule { statements: vec![self.log_to()], comment: None }
    }

    fn field(&mut self) -> Field {
        let fields = [
            Field::Source(Family::V4),
            Field::Destination(Family::V4),
            Field::Source(Family::V6),
            Field::Destination(Family::V6),
            Field::Protocol,
            Field::Protocol,
            Field::SourcePort,
            Field::DestinationPort,
            Field::DestinationPort,
            Field::IcmpType,
            Field::Icmpv6Type,
        ];
        *fields.choose(self.rng).unwrap()
    }

    /// A key.
    fn key(&mut self) -> Vec<KeyType> {
        use KeyType::{Ipv4, Ipv6, Port, Protocol};
        let keys: [&[KeyType]; 9] = [
            &[Ipv4],
            &[Ipv6],
            &[Port],
            &[Protocol],
            &[Ipv4, Ipv4],
            &[Ipv6, Ipv6],
            &[Protocol, Port],
            &[Protocol, Port],
            &[Ipv4, Protocol, Port],
        ];
        keys.choose(self.rng).unwrap().to_vec()
    }

    /// A value of a type, near to what packets have.
    fn point(&mut self, kind: KeyType) -> u128 {
        match kind {
            KeyType::Ipv4 => u32::from(*ADDRESSES.choose(self.rng).unwrap()).into(),
            KeyType::Ipv6 => self.rng.random_range(0..3),
            KeyType::Protocol => *[17, 17, 1, 58, 6].choose(self.rng).unwrap(),
            KeyType::Port => {
                let (left, right) = self.ends.addresses(self.rng.random_bool(0.5));
                let checksum = self.ends.checksum(13);
                let port = *[left.port(), right.port(), right.port(), checksum].choose(self.rng).unwrap();
                (u32::from(port) + self.rng.random_range(0..2)).min(65_535).into()
            }
            KeyType::Icmp | KeyType::Icmpv6 => *[13, 200, 8].choose(self.rng).unwrap(),
        }
    }

    /// Elements that do not overlap: their first fields are disjoint.
    fn elements(&mut self, key: &[KeyType], interval: bool) -> Vec<Element> {
        let mut points: Vec<u128> = (0..self.rng.random_range(1..8)).map(|_| self.point(key[0])).collect();
        points.sort_unstable();
        points.dedup();
        let mut elements = Vec::new();
        let mut after = None;
        for point in points {
            if after.is_some_and(|after| point <= after) {
                continue;
            }
            let last =
                point + if interval && self.rng.random_bool(0.5) { self.rng.random_range(0..2) } else { 0 };
            // A protocol and types have one value in what can be written here.
            let last = if matches!(key[0], KeyType::Protocol | KeyType::Icmp | KeyType::Icmpv6) {
                point
            } else {
                last
            };
            let last = if key[0] == KeyType::Port { last.min(65_535) } else { last };
            after = Some(last);
            let mut element = vec![value(key[0], point, last)];
            for kind in &key[1..] {
                let first = self.point(*kind);
                let ranged = interval && matches!(kind, KeyType::Port) && self.rng.random_bool(0.5);
                let last =
                    if ranged { (first + self.rng.random_range(0..3_u128)).min(65_535) } else { first };
                element.push(value(*kind, first, last));
            }
            elements.push(element);
        }
        elements
    }

    /// A verdict that leads to one of the chains of these numbers, if to any.
    fn verdict(&mut self, from: usize, to: usize) -> Verdict {
        let chain =
            (from < to).then(|| Name::from(format!("c{}", self.rng.random_range(from..to.max(from + 1)))));
        match (self.rng.random_range(0..10), chain) {
            (0, _) => Verdict::Accept,
            (1, _) => Verdict::Drop,
            (2, _) => Verdict::Return,
            (3..=6, Some(chain)) => Verdict::Jump(chain),
            (_, Some(chain)) => Verdict::Goto(chain),
            (_, None) => Verdict::Return,
        }
    }

    /// The rules of chain `own`, which leads only to later ones. Chains from `plain` on use no maps.
    fn rules(&mut self, table: &Table, own: usize, plain: usize, end: usize) -> Vec<Rule> {
        let mut probe = table.clone();
        probe.chains = (0..end).map(|at| (Name::from(format!("c{at}")), Chain::default())).collect();
        // Some rules that the kernel would take are not to be loaded, for `nft` could not list them.
        let mut fits = |rule: &Rule| {
            probe.chains.insert("probe".into(), Chain { hook: None, rules: vec![rule.clone()] });
            check(&probe).is_ok()
        };
        (0..self.rng.random_range(1..6))
            .map(|_| self.rule(table, own, plain, end))
            .filter(|rule| fits(rule))
            .collect()
    }

    fn rule(&mut self, table: &Table, own: usize, plain: usize, end: usize) -> Rule {
        let mut statements = Vec::new();
        for _ in 0..self.rng.random_range(0..3) {
            let condition = self.condition(table);
            statements.push(condition);
        }
        statements.push(self.log_to());
        let action = self.rng.random_range(0..10);
        if action < 4 {
            let maps: Vec<&Name> = table.maps.keys().collect();
            match maps.choose(self.rng) {
                Some(map) if own < plain && action < 2 => {
                    let fields = self.fields(&table.maps[*map].key);
                    statements.push(Statement::VerdictMap { fields, map: Name::clone(map) });
                }
                _ => statements.push(Statement::Verdict(self.verdict(own + 1, end))),
            }
        }
        Rule { statements, comment: None }
    }

    /// Fields of the types of a key.
    fn fields(&mut self, key: &[KeyType]) -> Vec<Field> {
        let other = self.rng.random_bool(0.5);
        key.iter()
            .enumerate()
            .map(|(at, kind)| {
                let second = other != (at == 1);
                match (kind, second) {
                    (KeyType::Ipv4, false) => Field::Source(Family::V4),
                    (KeyType::Ipv4, true) => Field::Destination(Family::V4),
                    (KeyType::Ipv6, false) => Field::Source(Family::V6),
                    (KeyType::Ipv6, true) => Field::Destination(Family::V6),
                    (KeyType::Protocol, _) => Field::Protocol,
                    (KeyType::Port, false) => Field::SourcePort,
                    (KeyType::Port, true) => Field::DestinationPort,
                    (KeyType::Icmp, _) => Field::IcmpType,
                    (KeyType::Icmpv6, _) => Field::Icmpv6Type,
                }
            })
            .collect()
    }

    fn condition(&mut self, table: &Table) -> Statement {
        let negated = self.rng.random_bool(0.4);
        let mask = *[0xff00_u32, 0xffff_ffff, 0x1].choose(self.rng).unwrap();
        let bits = *[0x100_u32, 0x101, 0].choose(self.rng).unwrap() & mask;
        match self.rng.random_range(0..12) {
            0..=3 => {
                let field = self.field();
                let first = self.point(kind(field));
                let wide = matches!(kind(field), KeyType::Port | KeyType::Ipv4 | KeyType::Ipv6);
                let last = if wide { first + self.rng.random_range(0..2) } else { first };
                let last = if kind(field) == KeyType::Port { last.min(65_535) } else { last };
                Statement::Is { field, value: value(kind(field), first, last), negated }
            }
            4..=6 => {
                let sets: Vec<&Name> = table.sets.keys().collect();
                let set = Name::clone(sets.choose(self.rng).unwrap());
                let fields = self.fields(&table.sets[&set].key);
                Statement::In { fields, set, negated }
            }
            7 => Statement::Reply(negated),
            8 => Statement::State(*[1, 2, 8, 10, 64].choose(self.rng).unwrap()),
            9 => Statement::Mark { mask, value: bits, negated },
            10 => Statement::SetMark { mask, value: bits },
            _ => Statement::Counter,
        }
    }
}

fn kind(field: Field) -> KeyType {
    match field {
        Field::Source(Family::V4) | Field::Destination(Family::V4) => KeyType::Ipv4,
        Field::Source(Family::V6) | Field::Destination(Family::V6) => KeyType::Ipv6,
        Field::Protocol => KeyType::Protocol,
        Field::SourcePort | Field::DestinationPort => KeyType::Port,
        Field::IcmpType => KeyType::Icmp,
        Field::Icmpv6Type => KeyType::Icmpv6,
    }
}

/// A value, or a range if the ends differ.
fn value(kind: KeyType, first: u128, last: u128) -> Value {
    let small = |number: u128| u16::try_from(number).unwrap();
    let byte = |number: u128| u8::try_from(number).unwrap();
    let four = |number: u128| Ipv4Addr::from_bits(u32::try_from(number).unwrap());
    match kind {
        KeyType::Ipv4 if first == last => Value::Ipv4(four(first)),
        KeyType::Ipv4 => Value::Ipv4Range(four(first), four(last)),
        KeyType::Ipv6 if first == last => Value::Ipv6(Ipv6Addr::from_bits(first)),
        KeyType::Ipv6 => Value::Ipv6Range(Ipv6Addr::from_bits(first), Ipv6Addr::from_bits(last)),
        KeyType::Port if first == last => Value::Port(small(first)),
        KeyType::Port => Value::PortRange(small(first), small(last)),
        KeyType::Protocol => Value::Protocol(byte(first)),
        KeyType::Icmp | KeyType::Icmpv6 => Value::Icmp(byte(first)),
    }
}
