//! Translation and refusal in the kernel and in the interpreter. In: programs written for them. Out: whether both do the same.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use ringfence_dataplane::{
    interpret::{Chance, Fate, Machine, Packet, TCP, UDP},
    netlink::Nftables,
    nflog::{Parties, Reader, Settings},
    nft::{Chain, Field, Hook, HookPoint, LogTo, Reject, Rule, Statement, Table, Value, Verdict},
    prefix::{Logged, RuleId, parse_prefix, prefix},
};
use ringfence_model::{address::Family, verdict::Direction};

use crate::loopback_up;

pub(crate) const TESTS: &[(&str, fn())] = &[("translation", translation), ("refusal", refusal)];

const GROUP: u16 = 7;
const FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const ASKED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const ANSWERS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

fn log(id: u32) -> Statement {
    let prefix = prefix(Logged::Allow, Direction::Egress, RuleId(id), "");
    Statement::Log(LogTo { prefix, group: GROUP, snaplen: 64, queue_threshold: 1 })
}

fn is(field: Field, value: Value) -> Statement {
    Statement::Is { field, value, negated: false }
}

fn to(address: Ipv4Addr) -> Statement {
    is(Field::Destination(Family::V4), Value::Ipv4(address))
}

fn base(point: HookPoint, nat: bool, priority: i32, rules: Vec<Vec<Statement>>) -> Chain {
    let rules = rules.into_iter().map(|statements| Rule { statements, comment: None }).collect();
    Chain { hook: Some(Hook { point, nat, priority }), rules }
}

/// A table in the kernel and in the interpreter, and the log of the kernel.
fn load(chains: Vec<(&str, Chain)>) -> (Machine, Reader) {
    loopback_up();
    let mut table = Table::new("endings");
    table.chains = chains.into_iter().map(|(name, chain)| (name.into(), chain)).collect();
    let settings = Settings { group: GROUP, threshold: 1, ..Settings::default() };
    let reader = Reader::open(&settings).unwrap();
    Nftables::open().unwrap().load(&table).unwrap();
    (Machine::new(&table).unwrap(), reader)
}

/// The rules that the kernel logged, as soon as there are so many.
fn logged(reader: &mut Reader, count: usize) -> Vec<u32> {
    let mut ids = Vec::new();
    while ids.len() < count && reader.wait(Duration::from_secs(2)).unwrap() {
        let report = reader.report(Duration::ZERO, 100, &|_| None, &Parties::default()).unwrap();
        ids.extend(report.records.iter().map(|record| record.rule));
    }
    ids
}

fn translation() {
    let inside = UdpSocket::bind((ANSWERS, 0)).unwrap();
    inside.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let port = inside.local_addr().unwrap().port();
    // What a chain of type nat does is done at -100, whatever its own priority.
    let seen = |first: u32| vec![vec![to(ASKED), log(first)], vec![to(ANSWERS), log(first + 1)]];
    let change = vec![
        vec![
            is(Field::Protocol, Value::Protocol(UDP)),
            to(ASKED),
            log(10),
            Statement::Dnat(ANSWERS.into(), port),
        ],
        vec![log(11)],
    ];
    let later = vec![vec![is(Field::DestinationPort, Value::Port(9)), log(12)], vec![log(13)]];
    let (machine, mut reader) = load(vec![
        ("change", base(HookPoint::Output, true, -199, change)),
        ("later", base(HookPoint::Output, true, -50, later)),
        ("before", base(HookPoint::Output, false, -150, seen(20))),
        ("after", base(HookPoint::Output, false, -90, seen(30))),
    ]);
    let socket = UdpSocket::bind((FROM, 0)).unwrap();
    socket.send_to(b"x", (ASKED, 9)).unwrap();
    let packet = Packet::new(FROM.into(), ASKED.into(), UDP, socket.local_addr().unwrap().port(), 9);
    let ran = machine.run(HookPoint::Output, &packet, Chance::default()).unwrap();
    let ids: Vec<u32> = ran.logs.iter().map(|log| parse_prefix(&log.prefix).unwrap().id.0).collect();
    assert_eq!(ids, [20, 10, 31]);
    assert_eq!(logged(&mut reader, ids.len()), ids);
    assert_eq!(ran.dnat, Some((IpAddr::V4(ANSWERS), port)));
    assert_eq!(inside.recv(&mut [0; 8]).unwrap(), 1);
}

fn refusal() {
    let tcp = || is(Field::Protocol, Value::Protocol(TCP));
    let rules = vec![
        vec![to(ASKED), log(1), tcp(), Statement::Reject(Reject::TcpReset)],
        vec![is(Field::DestinationPort, Value::Port(10)), log(2), Statement::Reject(Reject::AdminProhibited)],
        vec![is(Field::DestinationPort, Value::Port(11)), log(3), Statement::Verdict(Verdict::Drop)],
    ];
    let (machine, mut reader) = load(vec![("input", base(HookPoint::Input, false, 0, rules))]);
    let run = |protocol, port| {
        let packet = Packet::new(FROM.into(), ASKED.into(), protocol, 4000, port);
        machine.run(HookPoint::Input, &packet, Chance::default()).unwrap().fate
    };

    assert_eq!(run(TCP, 10), Fate::Reject(Reject::TcpReset));
    let error =
        TcpStream::connect_timeout(&SocketAddr::from((ASKED, 10)), Duration::from_secs(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(logged(&mut reader, 1), [1]);

    let socket = UdpSocket::bind((FROM, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert_eq!(run(UDP, 10), Fate::Reject(Reject::AdminProhibited));
    socket.connect((ASKED, 10)).unwrap();
    socket.send(b"x").unwrap();
    assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::HostUnreachable);
    assert_eq!(logged(&mut reader, 2), logs(&machine, 10));

    assert_eq!(run(UDP, 11), Fate::Drop);
    socket.connect((ASKED, 11)).unwrap();
    socket.send(b"x").unwrap();
    assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(logged(&mut reader, 2), logs(&machine, 11));
}

fn logs(machine: &Machine, port: u16) -> Vec<u32> {
    let packet = Packet::new(FROM.into(), ASKED.into(), UDP, 4000, port);
    let ran = machine.run(HookPoint::Input, &packet, Chance::default()).unwrap();
    ran.logs.iter().map(|log| parse_prefix(&log.prefix).unwrap().id.0).collect()
}
