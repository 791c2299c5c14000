use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_model::address::Family;

use super::*;
use crate::nft::{
    Chain, Element, Hook, KeyType, Limits, Map, Random, Rule, Set, Statement, Table, Value, Verdict,
};

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const A6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1));
const B6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2));
const MAX: u128 = u128::MAX;

fn v4(last: u8) -> Value {
    Value::Ipv4(Ipv4Addr::new(10, 0, 0, last))
}

fn tcp() -> Packet {
    Packet::new(A, B, TCP, 40_000, 80)
}

fn rule(statements: Vec<Statement>) -> Rule {
    Rule { statements, comment: None }
}

fn end(verdict: Verdict) -> Statement {
    Statement::Verdict(verdict)
}

fn base(point: HookPoint, priority: i32, rules: Vec<Vec<Statement>>) -> Chain {
    Chain { hook: Some(Hook { point, nat: false, priority }), rules: rules.into_iter().map(rule).collect() }
}

fn chain(rules: Vec<Vec<Statement>>) -> Chain {
    Chain { hook: None, rules: rules.into_iter().map(rule).collect() }
}

fn table(chains: Vec<(&str, Chain)>) -> Table {
    let mut table = Table::new("t");
    table.chains = chains.into_iter().map(|(name, chain)| (Name::from(name), chain)).collect();
    table
}

/// A table whose only rule drops what the statements let through.
fn dropping(mut statements: Vec<Statement>) -> Table {
    statements.push(end(Verdict::Drop));
    table(vec![("f", base(HookPoint::Forward, 0, vec![statements]))])
}

fn fate(table: &Table, packet: &Packet) -> Fate {
    Machine::new(table).unwrap().run(HookPoint::Forward, packet, Chance::default()).unwrap().fate
}

fn matches(statement: Statement, packet: &Packet) -> bool {
    fate(&dropping(vec![statement]), packet) == Fate::Drop
}

fn is(field: Field, value: Value) -> Statement {
    Statement::Is { field, value, negated: false }
}

fn is_not(field: Field, value: Value) -> Statement {
    Statement::Is { field, value, negated: true }
}

#[test]
fn comparisons() {
    let packet = tcp();
    assert!(matches(is(Field::Source(Family::V4), v4(1)), &packet));
    assert!(!matches(is(Field::Source(Family::V4), v4(2)), &packet));
    assert!(matches(is(Field::Destination(Family::V4), v4(2)), &packet));
    assert!(matches(is_not(Field::Source(Family::V4), v4(2)), &packet));
    let range = Value::Ipv4Range(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 9));
    assert!(matches(is(Field::Source(Family::V4), range), &packet));
    assert!(matches(is(Field::Protocol, Value::Protocol(6)), &packet));
    assert!(matches(is(Field::SourcePort, Value::Port(40_000)), &packet));
    assert!(matches(is(Field::DestinationPort, Value::PortRange(80, 90)), &packet));
    assert!(!matches(is(Field::DestinationPort, Value::PortRange(81, 90)), &packet));
    let six = Packet::new(A6, B6, UDP, 1, 2);
    assert!(matches(is(Field::Destination(Family::V6), Value::Ipv6("fd00::2".parse().unwrap())), &six));
}

#[test]
fn a_field_that_a_packet_lacks_ends_the_rule_negated_or_not() {
    let six = Value::Ipv6("fd00::9".parse().unwrap());
    assert!(!matches(is_not(Field::Source(Family::V6), six), &tcp()));
    assert!(!matches(is_not(Field::Source(Family::V4), v4(9)), &Packet::new(A6, B6, TCP, 1, 2)));
    let fragment = Packet { transport: None, ..tcp() };
    assert!(!matches(is_not(Field::DestinationPort, Value::Port(81)), &fragment));
    assert!(matches(is(Field::Protocol, Value::Protocol(6)), &fragment));
    assert!(!matches(is_not(Field::IcmpType, Value::Icmp(8)), &tcp()));
}

#[test]
fn ports_are_bytes_whatever_the_protocol_and_icmp_is_of_its_family() {
    let ping = Packet::icmp(A, B, 8, 0, 80);
    assert!(matches(is(Field::DestinationPort, Value::Port(80)), &ping));
    assert!(matches(is(Field::IcmpType, Value::Icmp(8)), &ping));
    assert!(!matches(is(Field::Icmpv6Type, Value::Icmp(8)), &ping));
    let six = Packet::icmp(A6, B6, 128, 0, 1);
    assert!(matches(is(Field::Icmpv6Type, Value::Icmp(128)), &six));
    assert!(!matches(is(Field::IcmpType, Value::Icmp(128)), &six));
    assert!(!matches(is(Field::IcmpType, Value::Icmp(8)), &Packet { protocol: ICMP, ..six }));
}

fn set(key: &[KeyType], interval: bool, elements: Vec<Element>) -> Set {
    Set { key: key.to_vec(), interval, size: None, elements: elements.into_iter().collect() }
}

fn lookup(set: Set, fields: &[Field], packet: &Packet, negated: bool) -> bool {
    let mut table = dropping(vec![Statement::In { fields: fields.to_vec(), set: "s".into(), negated }]);
    table.sets.insert("s".into(), set);
    fate(&table, packet) == Fate::Drop
}

#[test]
fn sets() {
    let source = [Field::Source(Family::V4)];
    let plain = || set(&[KeyType::Ipv4], false, vec![vec![v4(1)], vec![v4(7)]]);
    assert!(lookup(plain(), &source, &tcp(), false));
    assert!(!lookup(plain(), &source, &tcp(), true));
    assert!(lookup(plain(), &[Field::Destination(Family::V4)], &tcp(), true));
    assert!(!lookup(plain(), &source, &Packet::new(A6, B6, TCP, 1, 2), true), "no such field");

    let range =
        |first, last| vec![Value::Ipv4Range(Ipv4Addr::new(10, 0, 0, first), Ipv4Addr::new(10, 0, 0, last))];
    let ranges = || set(&[KeyType::Ipv4], true, vec![range(3, 5), range(7, 9), vec![v4(1)]]);
    for (last, found) in
        [(0, false), (1, true), (2, false), (3, true), (5, true), (6, false), (9, true), (10, false)]
    {
        let packet = Packet::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), B, TCP, 1, 2);
        assert_eq!(lookup(ranges(), &source, &packet, false), found, "{last}");
    }

    let pair = || set(&[KeyType::Ipv4, KeyType::Ipv4], false, vec![vec![v4(1), v4(2)]]);
    let both = [Field::Source(Family::V4), Field::Destination(Family::V4)];
    assert!(lookup(pair(), &both, &tcp(), false));
    assert!(!lookup(pair(), &both, &tcp().reply(0), false));
}

#[test]
fn concatenated_ranges() {
    let key = [KeyType::Protocol, KeyType::Port];
    let ports = || {
        let element = |protocol, port| vec![Value::Protocol(protocol), port];
        set(
            &key,
            true,
            vec![
                element(6, Value::PortRange(9000, 9010)),
                element(6, Value::PortRange(80, 81)),
                element(6, Value::Port(443)),
                element(17, Value::Port(53)),
                element(132, Value::PortRange(0, u16::MAX)),
            ],
        )
    };
    let fields = [Field::Protocol, Field::DestinationPort];
    for (protocol, port, found) in [
        (6, 79, false),
        (6, 80, true),
        (6, 81, true),
        (6, 443, true),
        (6, 444, false),
        (6, 9005, true),
        (6, 9011, false),
        (17, 53, true),
        (17, 80, false),
        (132, 0, true),
        (132, 65_535, true),
        (1, 80, false),
    ] {
        let packet = Packet::new(A, B, protocol, 1, port);
        assert_eq!(lookup(ports(), &fields, &packet, false), found, "{protocol} {port}");
    }
    // Ranges in both fields.
    let range = |first, last, from, to| {
        let address = Value::Ipv4Range(Ipv4Addr::new(10, 0, 0, first), Ipv4Addr::new(10, 0, 0, last));
        vec![address, Value::PortRange(from, to)]
    };
    let boxes = set(&[KeyType::Ipv4, KeyType::Port], true, vec![range(1, 5, 10, 20), range(1, 9, 30, 40)]);
    let fields = [Field::Source(Family::V4), Field::DestinationPort];
    assert!(lookup(boxes.clone(), &fields, &Packet::new(A, B, 6, 1, 35), false));
    assert!(lookup(boxes.clone(), &fields, &Packet::new(A, B, 6, 1, 10), false));
    assert!(!lookup(boxes, &fields, &Packet::new(A, B, 6, 1, 25), false));
}

#[test]
fn connection_tracking() {
    let with = |state, reply, mark| tcp().tracked(Tracked::Connection { state, reply, mark });
    assert!(matches(Statement::Family(Family::V4), &tcp()));
    assert!(!matches(Statement::Family(Family::V6), &tcp()));
    assert!(matches(Statement::Reply(true), &tcp().reply(0)));
    assert!(!matches(Statement::Reply(true), &tcp()));
    assert!(matches(Statement::Reply(false), &tcp()));
    for tracked in [Tracked::Invalid, Tracked::Untracked] {
        let packet = tcp().tracked(tracked);
        assert!(!matches(Statement::Reply(true), &packet) && !matches(Statement::Reply(false), &packet));
        for negated in [false, true] {
            assert!(!matches(Statement::Mark { mask: 1, value: 0, negated }, &packet));
        }
        assert!(!matches(Statement::SetMark { mask: 1, value: 1 }, &packet), "reads the other bits first");
    }
    assert!(matches(Statement::State(state::INVALID), &tcp().tracked(Tracked::Invalid)));
    assert!(matches(Statement::State(state::UNTRACKED), &tcp().tracked(Tracked::Untracked)));
    assert!(matches(Statement::State(state::ESTABLISHED | state::RELATED), &with(state::RELATED, false, 0)));
    assert!(!matches(Statement::State(state::ESTABLISHED | state::RELATED), &with(state::NEW, false, 0)));
    let mark = |value, negated| Statement::Mark { mask: 0xff00, value, negated };
    assert!(matches(mark(0x1200, false), &with(state::NEW, false, 0x1234)));
    assert!(!matches(mark(0x1200, true), &with(state::NEW, false, 0x1234)));
    assert!(matches(mark(0x1300, true), &with(state::NEW, false, 0x1234)));
}

#[test]
fn a_mark_set_is_seen_by_later_base_chains_and_told() {
    let early = base(HookPoint::Forward, -5, vec![vec![Statement::SetMark { mask: 0xff00, value: 0x1200 }]]);
    let late = base(
        HookPoint::Forward,
        0,
        vec![vec![Statement::Mark { mask: MAX as u32, value: 0x1234, negated: false }, Statement::Counter]],
    );
    let machine = Machine::new(&table(vec![("z", early), ("a", late)])).unwrap();
    let packet = tcp().tracked(Tracked::Connection { state: state::NEW, reply: false, mark: 0xff34 });
    let ran = machine.run(HookPoint::Forward, &packet, Chance::default()).unwrap();
    assert_eq!(ran.mark, Some(0x1234));
    assert_eq!(ran.counters, [Place { chain: "a", rule: 0 }]);
    assert_eq!(
        machine.run(HookPoint::Forward, &tcp().tracked(Tracked::Invalid), Chance::default()).unwrap().mark,
        None
    );
}

#[test]
fn accept_ends_one_base_chain_and_drop_all() {
    let accept = base(HookPoint::Forward, -5, vec![vec![end(Verdict::Accept)], vec![end(Verdict::Drop)]]);
    let drop = base(HookPoint::Forward, 5, vec![vec![end(Verdict::Drop)]]);
    let input = base(HookPoint::Input, 0, vec![vec![end(Verdict::Drop)]]);
    let table = table(vec![("a", accept), ("b", drop), ("c", input)]);
    let machine = Machine::new(&table).unwrap();
    let ran = machine.run(HookPoint::Forward, &tcp(), Chance::default()).unwrap();
    assert_eq!(ran.fate, Fate::Drop);
    assert_eq!(ran.trace, [Place { chain: "a", rule: 0 }, Place { chain: "b", rule: 0 }]);
    assert_eq!(machine.run(HookPoint::Output, &tcp(), Chance::default()).unwrap().fate, Fate::Accept);
    assert_eq!(machine.run(HookPoint::Input, &tcp(), Chance::default()).unwrap().fate, Fate::Drop);
}

#[test]
fn jumps_come_back_and_gotos_do_not() {
    let count = || vec![Statement::Counter];
    let go = |verdict| vec![end(verdict)];
    let table = table(vec![
        (
            "f",
            base(
                HookPoint::Forward,
                0,
                vec![go(Verdict::Jump("a".into())), count(), go(Verdict::Goto("c".into())), count()],
            ),
        ),
        ("a", chain(vec![go(Verdict::Goto("b".into())), count()])),
        ("b", chain(vec![count(), go(Verdict::Return), count()])),
        ("c", chain(vec![count()])),
    ]);
    let machine = Machine::new(&table).unwrap();
    let ran = machine.run(HookPoint::Forward, &tcp(), Chance::default()).unwrap();
    let counted: Vec<(&str, usize)> = ran.counters.iter().map(|place| (place.chain, place.rule)).collect();
    assert_eq!(counted, [("b", 0), ("f", 1), ("c", 0)]);
    assert_eq!(ran.fate, Fate::Accept);
    let trace: Vec<(&str, usize)> = ran.trace.iter().map(|place| (place.chain, place.rule)).collect();
    assert_eq!(trace, [("f", 0), ("a", 0), ("b", 1), ("f", 2)]);
}

#[test]
fn verdict_maps() {
    let map = |elements: Vec<(Element, Verdict)>| Map {
        key: vec![KeyType::Protocol, KeyType::Port],
        interval: true,
        size: None,
        elements: elements.into_iter().collect(),
    };
    let fields = vec![Field::Protocol, Field::DestinationPort];
    let step = Statement::VerdictMap { fields, map: "m".into() };
    let mut table = table(vec![
        (
            "f",
            base(
                HookPoint::Forward,
                0,
                vec![vec![Statement::Counter, step, Statement::Counter], vec![end(Verdict::Drop)]],
            ),
        ),
        ("c", chain(vec![vec![end(Verdict::Accept)]])),
    ]);
    let ports = |first, last| vec![Value::Protocol(6), Value::PortRange(first, last)];
    table.maps.insert(
        "m".into(),
        map(vec![(ports(80, 81), Verdict::Goto("c".into())), (ports(90, 91), Verdict::Return)]),
    );
    assert_eq!(fate(&table, &tcp()), Fate::Accept);
    assert_eq!(
        fate(&table, &Packet::new(A, B, TCP, 1, 90)),
        Fate::Accept,
        "return at the end of a base chain"
    );
    let machine = Machine::new(&table).unwrap();
    let miss = Packet::new(A, B, UDP, 1, 80);
    let ran = machine.run(HookPoint::Forward, &miss, Chance::default()).unwrap();
    assert_eq!(ran.fate, Fate::Drop);
    assert_eq!(ran.counters.len(), 1, "a miss ends the rule");
    assert_eq!(fate(&table, &Packet { transport: None, ..tcp() }), Fate::Drop, "so does a missing field");
}

#[test]
fn limits_and_chance() {
    let limit = || Statement::Limit { rate: 10, burst: 5 };
    let run = |statement, chance| {
        let table = dropping(vec![statement]);
        Machine::new(&table).unwrap().run(HookPoint::Forward, &tcp(), chance).unwrap().fate == Fate::Drop
    };
    let chance = |within_rate, random| Chance { within_rate, random };
    assert!(run(limit(), chance(true, Draw::Hit)));
    assert!(!run(limit(), chance(false, Draw::Hit)));
    let random = |one_in| Statement::Random(Random { one_in });
    assert!(run(random(7), chance(true, Draw::Hit)));
    assert!(!run(random(7), chance(true, Draw::Miss)));
    assert!(run(random(1), chance(true, Draw::Miss)));
    assert!(!run(random(0), chance(true, Draw::Hit)) && !run(random(0), chance(true, Draw::Seed(1))));
    let hits = (0..7000).filter(|seed| run(random(7), chance(true, Draw::Seed(*seed)))).count();
    assert!((800..1200).contains(&hits), "{hits}");
}

#[test]
fn logs_come_in_order_and_end_nothing() {
    let log = |prefix: &str| {
        Statement::Log(LogTo { prefix: prefix.into(), group: 1, snaplen: 64, queue_threshold: 1 })
    };
    let table = dropping(vec![log("one"), Statement::Counter, log("two")]);
    let machine = Machine::new(&table).unwrap();
    let ran = machine.run(HookPoint::Forward, &tcp(), Chance::default()).unwrap();
    assert_eq!(ran.logs.iter().map(|log| log.prefix.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(ran.fate, Fate::Drop);
}

#[test]
fn refusing() {
    let table = |reject| {
        table(vec![(
            "f",
            base(HookPoint::Forward, 0, vec![vec![Statement::Reject(reject)], vec![end(Verdict::Drop)]]),
        )])
    };
    assert_eq!(fate(&table(Reject::TcpReset), &tcp()), Fate::Reject(Reject::TcpReset));
    assert_eq!(fate(&table(Reject::TcpReset), &Packet::new(A, B, UDP, 1, 2)), Fate::Drop, "not of TCP");
    assert_eq!(fate(&table(Reject::AdminProhibited), &tcp()), Fate::Reject(Reject::AdminProhibited));
}

#[test]
fn translation() {
    let nat = |priority, rules: Vec<Vec<Statement>>| Chain {
        hook: Some(Hook { point: HookPoint::Prerouting, nat: true, priority }),
        ..chain(rules)
    };
    let to = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));
    let drops = |value| vec![vec![is(Field::Destination(Family::V4), value), end(Verdict::Drop)]];
    let table = table(vec![
        // A chain of type nat runs at -100 whatever its own priority: after -150, before -50.
        ("d", nat(-200, vec![vec![Statement::Dnat(A6, 1), Statement::Dnat(to, 8080), Statement::Counter]])),
        ("e", nat(-199, vec![vec![Statement::Counter]])),
        ("a", base(HookPoint::Prerouting, -150, drops(v4(9)))),
        (
            "z",
            base(HookPoint::Prerouting, -50, {
                let mut rules = drops(v4(2));
                rules.push(vec![is(Field::DestinationPort, Value::Port(8080)), Statement::Counter]);
                rules
            }),
        ),
    ]);
    let machine = Machine::new(&table).unwrap();
    let ran = machine.run(HookPoint::Prerouting, &tcp(), Chance::default()).unwrap();
    assert_eq!((ran.fate, ran.dnat), (Fate::Accept, Some((to, 8080))));
    assert_eq!(ran.counters, [Place { chain: "z", rule: 1 }], "the first translation is the last");
    let established = tcp().tracked(Tracked::Connection { state: state::ESTABLISHED, reply: false, mark: 0 });
    let ran = machine.run(HookPoint::Prerouting, &established, Chance::default()).unwrap();
    assert_eq!((ran.fate, ran.dnat), (Fate::Drop, None), "only first packets are translated");
}

#[test]
fn masquerading() {
    let chain = Chain {
        hook: Some(Hook { point: HookPoint::Postrouting, nat: true, priority: 100 }),
        ..chain(vec![vec![Statement::Masquerade], vec![end(Verdict::Drop)]])
    };
    let machine = Machine::new(&table(vec![("p", chain)])).unwrap();
    let ran = machine.run(HookPoint::Postrouting, &tcp(), Chance::default()).unwrap();
    assert!(ran.masquerade);
    assert_eq!(ran.fate, Fate::Accept);
}

fn invalid(table: &Table) -> Invalid {
    Machine::new(table).err().unwrap()
}

#[test]
fn loops_and_depth_are_refused() {
    let to = |name: &str| vec![vec![end(Verdict::Jump(name.into()))]];
    let looped = table(vec![("a", chain(to("b"))), ("b", chain(to("c"))), ("c", chain(to("b")))]);
    assert!(std::matches!(invalid(&looped), Invalid::Loop(_)));

    // Through a map as well.
    let mut mapped = table(vec![(
        "a",
        chain(vec![vec![Statement::VerdictMap { fields: vec![Field::Protocol], map: "m".into() }]]),
    )]);
    let elements = [(vec![Value::Protocol(6)], Verdict::Goto("a".into()))].into_iter().collect();
    mapped
        .maps
        .insert("m".into(), Map { key: vec![KeyType::Protocol], interval: false, size: None, elements });
    assert_eq!(invalid(&mapped), Invalid::Loop("a".into()));

    let deep = |depth: usize| {
        let mut chains = vec![("f".to_owned(), base(HookPoint::Forward, 0, to("c0")))];
        chains.extend((0..depth).map(|at| {
            let rules = if at + 1 < depth { to(&format!("c{}", at + 1)) } else { vec![] };
            (format!("c{at}"), chain(rules))
        }));
        let mut table = Table::new("t");
        table.chains = chains.into_iter().map(|(name, chain)| (Name::from(name), chain)).collect();
        table
    };
    // As the kernel: the base chain and c0 to c14.
    assert!(Machine::new(&deep(Limits::DEPTH - 1)).is_ok());
    assert_eq!(invalid(&deep(Limits::DEPTH)), Invalid::Deep("f".into()));
}

#[test]
fn entangled_programs_end() {
    let many = |name: String| (0..64).map(|_| vec![end(Verdict::Jump(Name::from(name.as_str())))]).collect();
    let mut table = table(vec![("f", base(HookPoint::Forward, 0, many("c0".into()))), ("c9", chain(vec![]))]);
    for at in 0..9 {
        table.chains.insert(format!("c{at}").into(), chain(many(format!("c{}", at + 1))));
    }
    let machine = Machine::new(&table).unwrap();
    assert_eq!(machine.run(HookPoint::Forward, &tcp(), Chance::default()), Err(Exhausted));
}

#[test]
fn what_the_kernel_refuses() {
    let entering = table(vec![
        ("f", base(HookPoint::Forward, 0, vec![])),
        ("a", chain(vec![vec![end(Verdict::Jump("f".into()))]])),
    ]);
    assert_eq!(invalid(&entering), Invalid::Missing("f".into()));
    assert_eq!(invalid(&dropping(vec![end(Verdict::Goto("no".into()))])), Invalid::Missing("no".into()));
    assert_eq!(invalid(&dropping(vec![is(Field::Protocol, Value::Port(1))])), Invalid::Value("f".into()));
    let log = LogTo { prefix: "x".repeat(128), group: 0, snaplen: 0, queue_threshold: 1 };
    assert_eq!(invalid(&dropping(vec![Statement::Log(log)])), Invalid::Prefix("f".into()));

    let with = |new: Set| {
        let mut table = dropping(vec![]);
        table.sets.insert("s".into(), new);
        table
    };
    let range = |first, last| vec![Value::PortRange(first, last)];
    let s = || Name::from("s");
    assert_eq!(invalid(&with(set(&[], false, vec![]))), Invalid::Key(s()));
    assert_eq!(invalid(&with(set(&[KeyType::Port], false, vec![vec![v4(1)]]))), Invalid::Element(s()));
    assert_eq!(invalid(&with(set(&[KeyType::Port], false, vec![range(1, 2)]))), Invalid::Element(s()));
    assert_eq!(invalid(&with(set(&[KeyType::Port], true, vec![range(2, 1)]))), Invalid::Element(s()));
    assert_eq!(
        invalid(&with(set(&[KeyType::Port], true, vec![range(1, 5), range(5, 9)]))),
        Invalid::Overlap(s())
    );
    let pair = |first, last| vec![Value::Protocol(6), Value::PortRange(first, last)];
    let overlap = set(&[KeyType::Protocol, KeyType::Port], true, vec![pair(1, 5), pair(4, 9)]);
    assert_eq!(invalid(&with(overlap)), Invalid::Overlap(s()));

    let mut wrong = with(set(&[KeyType::Ipv4], false, vec![]));
    let fields = vec![Field::Source(Family::V6)];
    wrong.chains.insert("a".into(), chain(vec![vec![Statement::In { fields, set: s(), negated: false }]]));
    assert_eq!(invalid(&wrong), Invalid::Fields("a".into(), s()));
    let mut twice = with(set(&[KeyType::Ipv4], false, vec![]));
    twice.maps.insert(
        s(),
        Map { key: vec![KeyType::Ipv4], interval: false, size: None, elements: [].into_iter().collect() },
    );
    assert_eq!(invalid(&twice), Invalid::Twice(s()));
}
