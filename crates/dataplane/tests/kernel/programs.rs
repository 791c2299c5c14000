//! Programs to try. In: nothing, or proptest's choices. Out: tables that the kernel must take.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use ringfence_dataplane::nft::{
    Chain, Element, Field, Hook, HookPoint, KeyType, LogTo, Map, Random, Reject, Rule, Set, Statement, Table,
    Value, Verdict, check,
};
use ringfence_model::address::Family::{V4, V6};

pub(crate) fn rule(statements: Vec<Statement>) -> Rule {
    Rule { statements, comment: None }
}

pub(crate) fn is(field: Field, value: Value) -> Statement {
    Statement::Is { field, value, negated: false }
}

pub(crate) fn accept() -> Statement {
    Statement::Verdict(Verdict::Accept)
}

pub(crate) fn ip(last: u8) -> Value {
    Value::Ipv4(Ipv4Addr::new(10, 0, 0, last))
}

pub(crate) fn set(key: &[KeyType], interval: bool, elements: impl IntoIterator<Item = Element>) -> Set {
    Set { key: key.to_vec(), interval, size: None, elements: elements.into_iter().collect() }
}

pub(crate) fn hook(point: HookPoint) -> Option<Hook> {
    Some(Hook { point, nat: false, priority: -5 })
}

/// Every statement, every kind of set.
pub(crate) fn everything(name: &str) -> Table {
    let mut table = Table::new(name);
    let v4 = |a, b| Value::Ipv4Range(Ipv4Addr::from_bits(a), Ipv4Addr::from_bits(b));
    let sets: Vec<(&str, Set)> = vec![
        ("s4", set(&[KeyType::Ipv4], false, [vec![ip(1)], vec![ip(2)]])),
        ("sized", Set { size: Some(2), ..set(&[KeyType::Ipv4], false, [vec![ip(1)], vec![ip(2)]]) }),
        (
            "sized_pairs",
            Set { size: Some(100), ..set(&[KeyType::Ipv4, KeyType::Ipv4], false, [vec![ip(1), ip(1)]]) },
        ),
        ("s6", set(&[KeyType::Ipv6], false, [vec![Value::Ipv6(Ipv6Addr::LOCALHOST)]])),
        ("empty", set(&[KeyType::Ipv4], false, [])),
        ("empty_ranges", set(&[KeyType::Ipv4], true, [])),
        (
            "i4",
            set(
                &[KeyType::Ipv4],
                true,
                [
                    vec![v4(0x0a00_0000, 0x0aff_ffff)],
                    vec![v4(0x0b00_0001, 0x0b00_0007)],
                    vec![v4(0x0b00_0008, 0x0b00_000a)],
                    vec![Value::Ipv4(Ipv4Addr::new(12, 0, 0, 1))],
                    vec![v4(0xffff_ff00, u32::MAX)],
                ],
            ),
        ),
        ("all4", set(&[KeyType::Ipv4], true, [vec![v4(0, u32::MAX)]])),
        (
            "i6",
            set(
                &[KeyType::Ipv6],
                true,
                [
                    vec![Value::Ipv6Range(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from_bits(u128::MAX >> 1))],
                    vec![Value::Ipv6Range(Ipv6Addr::from_bits(1 << 127), Ipv6Addr::from_bits(u128::MAX))],
                ],
            ),
        ),
        (
            "c4",
            set(
                &[KeyType::Ipv4, KeyType::Protocol, KeyType::Port],
                true,
                [
                    vec![v4(0x0a00_0000, 0x0aff_ffff), Value::Protocol(6), Value::PortRange(80, 90)],
                    vec![ip(1), Value::Protocol(17), Value::Port(53)],
                ],
            ),
        ),
        (
            "c6",
            set(
                &[KeyType::Ipv6, KeyType::Protocol, KeyType::Port],
                true,
                [vec![Value::Ipv6(Ipv6Addr::LOCALHOST), Value::Protocol(132), Value::PortRange(0, u16::MAX)]],
            ),
        ),
        ("hairpin", set(&[KeyType::Ipv4, KeyType::Ipv4], false, [vec![ip(1), ip(1)]])),
        (
            "hairpin6",
            set(&[KeyType::Ipv6, KeyType::Ipv6], false, [vec![Value::Ipv6(Ipv6Addr::LOCALHOST); 2]]),
        ),
        ("pings", set(&[KeyType::Icmp], false, [vec![Value::Icmp(8)], vec![Value::Icmp(0)]])),
        ("nd", set(&[KeyType::Icmpv6], false, (133..=137).map(|kind| vec![Value::Icmp(kind)]))),
        (
            "protocols",
            set(
                &[KeyType::Protocol],
                false,
                [1, 6, 17, 58, 132, 99].map(|number| vec![Value::Protocol(number)]),
            ),
        ),
        (
            "ports",
            set(
                &[KeyType::Port],
                true,
                [vec![Value::Port(80)], vec![Value::PortRange(100, 200)], vec![Value::Port(65535)]],
            ),
        ),
        ("lone_ports", set(&[KeyType::Port], false, [vec![Value::Port(80)]])),
    ];
    table.sets.extend(sets.into_iter().map(|(name, set)| (name.into(), set)));
    let map = |key: &[KeyType], interval, elements: Vec<(Element, Verdict)>| Map {
        key: key.to_vec(),
        interval,
        size: (!interval).then_some(64),
        elements: elements.into_iter().collect(),
    };
    let maps = [
        (
            "pp",
            map(
                &[KeyType::Protocol, KeyType::Port],
                true,
                vec![
                    (vec![Value::Protocol(6), Value::PortRange(80, 90)], Verdict::Return),
                    (vec![Value::Protocol(17), Value::Port(53)], Verdict::Goto("leaf".into())),
                    (vec![Value::Protocol(132), Value::PortRange(0, 65535)], Verdict::Drop),
                ],
            ),
        ),
        (
            "m4",
            map(
                &[KeyType::Ipv4],
                false,
                vec![(vec![ip(1)], Verdict::Jump("leaf".into())), (vec![ip(2)], Verdict::Accept)],
            ),
        ),
        (
            "mi4",
            map(
                &[KeyType::Ipv4],
                true,
                vec![
                    (vec![v4(0, 0x7fff_ffff)], Verdict::Jump("leaf".into())),
                    (vec![v4(0x8000_0000, u32::MAX)], Verdict::Accept),
                ],
            ),
        ),
        (
            "mpp",
            map(
                &[KeyType::Protocol, KeyType::Port],
                false,
                vec![(vec![Value::Protocol(6), Value::Port(1)], Verdict::Return)],
            ),
        ),
    ];
    table.maps.extend(maps.map(|(name, map)| (name.into(), map)));
    table.chains.insert("leaf".into(), Chain::default());
    let log = |prefix: &str, snaplen, queue_threshold| LogTo {
        prefix: prefix.into(),
        group: 13,
        snaplen,
        queue_threshold,
    };
    let lookup = |fields: &[Field], set: &str, negated| Statement::In {
        fields: fields.to_vec(),
        set: set.into(),
        negated,
    };
    let vmap =
        |fields: &[Field], map: &str| Statement::VerdictMap { fields: fields.to_vec(), map: map.into() };
    let not = |field, value| Statement::Is { field, value, negated: true };
    let all = vec![
        vec![is(Field::Source(V4), ip(1)), is(Field::Destination(V4), ip(2)), accept()],
        vec![not(Field::Source(V4), v4(0x0a00_0001, 0x0a00_0009)), Statement::Verdict(Verdict::Drop)],
        vec![is(Field::Source(V4), v4(0x0a00_0001, 0x0a00_0009)), Statement::Verdict(Verdict::Drop)],
        vec![is(Field::Destination(V4), v4(0x0a00_0000, 0x0aff_ffff)), Statement::Verdict(Verdict::Return)],
        vec![not(Field::Destination(V4), v4(0x0a00_0000, 0x0a00_ffff)), Statement::Counter],
        vec![is(Field::Source(V4), v4(0x0a00_0000, 0x0a00_0fff)), Statement::Counter],
        vec![not(Field::Source(V4), v4(0x0a00_0000, 0x0a00_0fff)), Statement::Counter],
        vec![is(Field::Source(V4), v4(0, u32::MAX)), Statement::Counter],
        vec![
            is(
                Field::Source(V6),
                Value::Ipv6Range(Ipv6Addr::from_bits(0xfd << 120), Ipv6Addr::from_bits((0xfe << 120) - 1)),
            ),
            accept(),
        ],
        vec![
            is(
                Field::Source(V6),
                Value::Ipv6Range(Ipv6Addr::from_bits(0xfc << 120), Ipv6Addr::from_bits((0xfe << 120) - 1)),
            ),
            accept(),
        ],
        vec![
            is(Field::Source(V6), Value::Ipv6(Ipv6Addr::LOCALHOST)),
            is(Field::Destination(V6), Value::Ipv6(Ipv6Addr::UNSPECIFIED)),
            accept(),
        ],
        vec![lookup(&[Field::Source(V4)], "s4", false), Statement::Verdict(Verdict::Goto("leaf".into()))],
        vec![lookup(&[Field::Destination(V4)], "s4", true), Statement::Verdict(Verdict::Jump("leaf".into()))],
        vec![lookup(&[Field::Source(V6)], "i6", false), Statement::Verdict(Verdict::Return)],
        vec![lookup(&[Field::Source(V4), Field::Destination(V4)], "hairpin", false), accept()],
        vec![lookup(&[Field::Source(V6), Field::Destination(V6)], "hairpin6", true), accept()],
        vec![lookup(&[Field::Source(V4), Field::Protocol, Field::DestinationPort], "c4", false), accept()],
        vec![lookup(&[Field::Destination(V6), Field::Protocol, Field::SourcePort], "c6", false), accept()],
        vec![vmap(&[Field::Protocol, Field::DestinationPort], "pp")],
        vec![vmap(&[Field::Protocol, Field::SourcePort], "mpp")],
        vec![vmap(&[Field::Source(V4)], "m4")],
        vec![vmap(&[Field::Destination(V4)], "mi4")],
        vec![is(Field::Protocol, Value::Protocol(6)), Statement::Reject(Reject::TcpReset)],
        vec![
            is(Field::Source(V4), ip(1)),
            is(Field::Protocol, Value::Protocol(6)),
            Statement::Reject(Reject::TcpReset),
        ],
        vec![is(Field::Source(V4), ip(1)), Statement::Reject(Reject::AdminProhibited)],
        vec![is(Field::Protocol, Value::Protocol(17)), Statement::Reject(Reject::AdminProhibited)],
        vec![not(Field::Protocol, Value::Protocol(6)), Statement::Verdict(Verdict::Drop)],
        vec![is(Field::Protocol, Value::Protocol(6)), is(Field::DestinationPort, Value::Port(80)), accept()],
        vec![
            is(Field::Protocol, Value::Protocol(132)),
            is(Field::DestinationPort, Value::PortRange(80, 90)),
            accept(),
        ],
        vec![
            is(Field::Protocol, Value::Protocol(17)),
            lookup(&[Field::DestinationPort], "ports", false),
            accept(),
        ],
        vec![is(Field::DestinationPort, Value::PortRange(0, 65535)), accept()],
        vec![not(Field::SourcePort, Value::PortRange(80, 90)), accept()],
        vec![not(Field::SourcePort, Value::Port(80)), accept()],
        vec![lookup(&[Field::SourcePort], "lone_ports", true), accept()],
        vec![lookup(&[Field::Protocol], "protocols", false), accept()],
        vec![is(Field::IcmpType, Value::Icmp(8)), accept()],
        vec![not(Field::Icmpv6Type, Value::Icmp(128)), accept()],
        vec![is(Field::Icmpv6Type, Value::Icmp(143)), accept()],
        vec![lookup(&[Field::IcmpType], "pings", false), accept()],
        vec![lookup(&[Field::Icmpv6Type], "nd", false), accept()],
        vec![
            is(Field::Source(V6), Value::Ipv6(Ipv6Addr::LOCALHOST)),
            lookup(&[Field::Icmpv6Type], "nd", false),
            accept(),
        ],
        vec![Statement::Family(V4), Statement::Verdict(Verdict::Return)],
        vec![Statement::Family(V6), Statement::Verdict(Verdict::Goto("leaf".into()))],
        vec![Statement::Reply(true), accept()],
        vec![Statement::Reply(false), accept()],
        vec![Statement::State(6), accept()],
        vec![Statement::State(8), accept()],
        vec![Statement::State(65), accept()],
        vec![Statement::State(79), accept()],
        vec![Statement::Mark { mask: u32::MAX, value: 5, negated: false }, accept()],
        vec![Statement::Mark { mask: u32::MAX, value: 0, negated: true }, accept()],
        vec![Statement::Mark { mask: 0xffff_0000, value: 0x1_0000, negated: false }, accept()],
        vec![Statement::Mark { mask: 0xffff_0000, value: 0xffff_0000, negated: false }, accept()],
        vec![Statement::Mark { mask: 0xffff_0000, value: 0, negated: false }, accept()],
        vec![Statement::Mark { mask: 0x00ff_0000, value: 0x1_0000, negated: true }, accept()],
        vec![Statement::Mark { mask: 1, value: 1, negated: false }, accept()],
        vec![Statement::SetMark { mask: 0xffff_0000, value: 0x1_0000 }],
        vec![Statement::SetMark { mask: 0xffff_0000, value: 0xffff_0000 }],
        vec![Statement::SetMark { mask: 0xffff_0000, value: 0 }],
        vec![Statement::SetMark { mask: u32::MAX, value: 7 }],
        vec![Statement::Limit { rate: 10, burst: 5 }, accept()],
        vec![Statement::Limit { rate: 1, burst: 100 }, Statement::Log(log("npx:i:17 a/b", 128, 16))],
        vec![Statement::Random(Random { one_in: 3 }), Statement::Counter, accept()],
        vec![Statement::Random(Random { one_in: 1 }), Statement::Counter, accept()],
        vec![Statement::Counter],
        vec![Statement::Log(log("", 0, 0)), Statement::Verdict(Verdict::Drop)],
        vec![
            Statement::Log(log(&"x".repeat(127), 0, 1)),
            Statement::Counter,
            Statement::Reject(Reject::AdminProhibited),
        ],
        vec![accept()],
    ];
    let mut rules: Vec<Rule> = all.into_iter().map(rule).collect();
    rules[0].comment = Some("who: a, b".into());
    rules[1].comment = Some("c".repeat(128));
    table.chains.insert("every".into(), Chain { hook: hook(HookPoint::Forward), rules });
    for (name, point) in [
        ("in_", HookPoint::Input),
        ("out_", HookPoint::Output),
        ("pre_", HookPoint::Prerouting),
        ("post_", HookPoint::Postrouting),
    ] {
        table
            .chains
            .insert(name.into(), Chain { hook: hook(point), rules: vec![rule(vec![Statement::Counter])] });
    }
    let dnat = |address| Statement::Dnat(address, 8080);
    let nat = |point, priority, rules| Chain { hook: Some(Hook { point, nat: true, priority }), rules };
    table.chains.insert(
        "nat_pre".into(),
        nat(
            HookPoint::Prerouting,
            -100,
            vec![
                rule(vec![
                    is(Field::Destination(V4), ip(9)),
                    is(Field::Protocol, Value::Protocol(6)),
                    is(Field::DestinationPort, Value::Port(80)),
                    Statement::Random(Random { one_in: 2 }),
                    dnat(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                ]),
                rule(vec![is(Field::Protocol, Value::Protocol(17)), dnat(IpAddr::V6(Ipv6Addr::LOCALHOST))]),
                rule(vec![is(Field::Protocol, Value::Protocol(132)), dnat(IpAddr::V4(Ipv4Addr::LOCALHOST))]),
            ],
        ),
    );
    table.chains.insert(
        "nat_post".into(),
        nat(
            HookPoint::Postrouting,
            100,
            vec![
                rule(vec![is(Field::Source(V4), ip(9)), Statement::Masquerade]),
                rule(vec![Statement::Masquerade]),
            ],
        ),
    );
    table
}

fn key_type() -> impl Strategy<Value = KeyType> {
    prop::sample::select(vec![KeyType::Ipv4, KeyType::Ipv6, KeyType::Protocol, KeyType::Port])
}

fn key() -> impl Strategy<Value = Vec<KeyType>> {
    prop_oneof![
        3 => key_type().prop_map(|key| vec![key]),
        1 => prop::sample::select(vec![KeyType::Icmp, KeyType::Icmpv6]).prop_map(|key| vec![key]),
        3 => prop::collection::vec(key_type(), 2..4),
    ]
}

/// Numbers near one another and near both ends, so that ranges touch.
fn bounds() -> impl Strategy<Value = (u128, u128)> {
    let edge = prop_oneof![4 => (0u128..24).prop_map(|n| 0x0a00 + n), 1 => 0u128..3, 1 => (0u128..3).prop_map(|n| u128::MAX - n)];
    (edge, prop_oneof![2 => Just(0u128), 2 => 0u128..6, 1 => Just(u128::MAX)])
}

fn value(key: KeyType, (first, length): (u128, u128), ranges: bool) -> Value {
    let max = u128::MAX >> (128 - 8 * key.bytes());
    let first = first & max;
    let ranges = ranges && !matches!(key, KeyType::Protocol | KeyType::Icmp | KeyType::Icmpv6);
    let last = if ranges { first.saturating_add(length).min(max) } else { first };
    Value::from_bounds(key, first, last).unwrap()
}

type RawSet = (Vec<KeyType>, bool, Vec<(Vec<(u128, u128)>, u8)>);

fn raw_set() -> impl Strategy<Value = RawSet> {
    let element = (prop::collection::vec(bounds(), 3), any::<u8>());
    (key(), any::<bool>(), prop::collection::vec(element, 0..12))
}

/// A statement before it knows which sets there are.
#[derive(Clone, Debug)]
enum Raw {
    Ready(Statement),
    Is(Field, (u128, u128), bool),
    In(u8, u8, bool),
    Map(u8, u8),
    To(u8),
}

fn field() -> impl Strategy<Value = Field> {
    prop::sample::select(vec![
        Field::Source(V4),
        Field::Source(V6),
        Field::Destination(V4),
        Field::Destination(V6),
        Field::Protocol,
        Field::SourcePort,
        Field::DestinationPort,
        Field::IcmpType,
        Field::Icmpv6Type,
    ])
}

fn raw_statement() -> impl Strategy<Value = Raw> {
    prop_oneof![
        3 => (field(), bounds(), any::<bool>()).prop_map(|(field, bounds, negated)| Raw::Is(field, bounds, negated)),
        3 => any::<(u8, u8, bool)>().prop_map(|(set, way, negated)| Raw::In(set, way, negated)),
        2 => any::<(u8, u8)>().prop_map(|(map, way)| Raw::Map(map, way)),
        2 => any::<u8>().prop_map(Raw::To),
        3 => prop_oneof![
            any::<bool>().prop_map(Statement::Reply),
            (1u32..16).prop_map(Statement::State),
            (any::<u32>(), any::<u32>(), any::<bool>()).prop_map(|(mask, value, negated)| Statement::Mark { mask: mask | 1, value: value & mask, negated }),
            (any::<u32>(), any::<u32>()).prop_map(|(mask, value)| Statement::SetMark { mask: mask | 1, value: value & mask }),
            (1u32..1000, 1u32..100).prop_map(|(rate, burst)| Statement::Limit { rate, burst }),
            (1u32..9).prop_map(|one_in| Statement::Random(Random { one_in })),
            Just(Statement::Counter),
            prop_oneof![Just(V4), Just(V6)].prop_map(Statement::Family),
            "[a-zA-Z0-9:/ .-]{0,40}".prop_map(|prefix| Statement::Log(LogTo { prefix, group: 5, snaplen: 64, queue_threshold: 3 })),
            Just(is(Field::Protocol, Value::Protocol(6))),
            Just(Statement::Reject(Reject::TcpReset)),
            Just(Statement::Reject(Reject::AdminProhibited)),
        ].prop_map(Raw::Ready),
    ]
}

type RawChain = (Option<(u8, i32)>, Vec<(Vec<Raw>, Option<String>)>);

fn raw_chain() -> impl Strategy<Value = RawChain> {
    let rule = (prop::collection::vec(raw_statement(), 1..5), prop::option::weighted(0.2, "[a-z ]{1,20}"));
    (prop::option::weighted(0.4, (0u8..5, -10i32..10)), prop::collection::vec(rule, 0..7))
}

/// Tables that pass the check.
pub(crate) fn any_table(name: &'static str) -> impl Strategy<Value = Table> {
    let sets = prop::collection::vec(prop::option::weighted(0.8, raw_set()), 6);
    let maps = prop::collection::vec(prop::option::weighted(0.7, raw_set()), 4);
    let chains = prop::collection::vec(prop::option::weighted(0.8, raw_chain()), 7);
    (sets, maps, chains).prop_map(move |(sets, maps, chains)| build(name, sets, maps, chains))
}

/// Room for so many, and perhaps some more.
fn size(elements: usize) -> u32 {
    u32::try_from(elements * (1 + elements % 3)).unwrap().max(1)
}

fn build(
    name: &str,
    sets: Vec<Option<RawSet>>,
    maps: Vec<Option<RawSet>>,
    chains: Vec<Option<RawChain>>,
) -> Table {
    let mut table = Table::new(name);
    for (index, (hooked, _)) in
        chains.iter().enumerate().filter_map(|(index, chain)| Some((index, chain.as_ref()?)))
    {
        let point = |number| {
            [
                HookPoint::Prerouting,
                HookPoint::Input,
                HookPoint::Forward,
                HookPoint::Output,
                HookPoint::Postrouting,
            ][usize::from(number)]
        };
        let hook = hooked.map(|(number, priority)| Hook { point: point(number), nat: false, priority });
        table.chains.insert(format!("chain_{index}").into(), Chain { hook, rules: Vec::new() });
    }
    let names: Vec<_> =
        table.chains.iter().filter(|(_, chain)| chain.hook.is_none()).map(|(name, _)| name.clone()).collect();
    let verdict = |number: u8| match (number % 5, names.get(usize::from(number / 5) % names.len().max(1))) {
        (0, _) => Verdict::Accept,
        (1, _) | (_, None) => Verdict::Drop,
        (2, _) => Verdict::Return,
        (3, Some(name)) => Verdict::Jump(name.clone()),
        (_, Some(name)) => Verdict::Goto(name.clone()),
    };
    for (index, (key, interval, elements)) in
        sets.into_iter().enumerate().filter_map(|(index, set)| Some((index, set?)))
    {
        let name: std::sync::Arc<str> = format!("set_{index}").into();
        let size = (!interval && elements.len() % 2 == 0).then(|| size(elements.len()));
        table.sets.insert(name.clone(), Set { size, ..set(&key, interval, []) });
        for (raw, _) in elements {
            let element: Element = key.iter().zip(raw).map(|(key, raw)| value(*key, raw, interval)).collect();
            if table.sets.get_mut(&name).unwrap().elements.insert(element.clone()) && check(&table).is_err() {
                table.sets.get_mut(&name).unwrap().elements.remove(&element);
            }
        }
    }
    for (index, (key, interval, elements)) in
        maps.into_iter().enumerate().filter_map(|(index, map)| Some((index, map?)))
    {
        let name: std::sync::Arc<str> = format!("map_{index}").into();
        let size = (!interval && elements.len() % 2 == 0).then(|| size(elements.len()));
        let map = Map { key: key.clone(), interval, size, elements: Default::default() };
        table.maps.insert(name.clone(), map);
        for (raw, to) in elements {
            let element: Element = key.iter().zip(raw).map(|(key, raw)| value(*key, raw, interval)).collect();
            if table.maps[&name].elements.contains_key(&element) {
                continue;
            }
            table.maps.get_mut(&name).unwrap().elements.insert(element.clone(), verdict(to));
            if check(&table).is_err() {
                table.maps.get_mut(&name).unwrap().elements.remove(&element);
            }
        }
    }
    let sets: Vec<_> = table.sets.iter().map(|(name, set)| (name.clone(), set.key.clone())).collect();
    let maps: Vec<_> = table.maps.iter().map(|(name, map)| (name.clone(), map.key.clone())).collect();
    for (index, (_, rules)) in
        chains.into_iter().enumerate().filter_map(|(index, chain)| Some((index, chain?)))
    {
        let name: std::sync::Arc<str> = format!("chain_{index}").into();
        for (raw, comment) in rules {
            let mut rule = Rule { statements: Vec::new(), comment };
            for raw in raw {
                let statement =
                    match raw {
                        Raw::Ready(statement) => Some(statement),
                        Raw::Is(field, raw, negated) => {
                            Some(Statement::Is { field, value: value(field.key_type(), raw, true), negated })
                        }
                        Raw::To(number) => Some(Statement::Verdict(verdict(number))),
                        Raw::In(number, way, negated) => {
                            sets.get(usize::from(number) % sets.len().max(1)).map(|(set, key)| {
                                Statement::In { fields: fields(key, way), set: set.clone(), negated }
                            })
                        }
                        Raw::Map(number, way) => {
                            maps.get(usize::from(number) % maps.len().max(1)).map(|(map, key)| {
                                Statement::VerdictMap { fields: fields(key, way), map: map.clone() }
                            })
                        }
                    };
                let Some(statement) = statement else { continue };
                rule.statements.push(statement);
                table.chains.get_mut(&name).unwrap().rules.push(rule.clone());
                if check(&table).is_err() {
                    rule.statements.pop();
                }
                table.chains.get_mut(&name).unwrap().rules.pop();
            }
            if !rule.statements.is_empty() {
                table.chains.get_mut(&name).unwrap().rules.push(rule);
            }
        }
    }
    check(&table).unwrap();
    table
}

/// Fields of a key's types, one way or the other.
fn fields(key: &[KeyType], way: u8) -> Vec<Field> {
    let pick = |bit: usize, one, other| if way >> bit & 1 == 0 { one } else { other };
    key.iter()
        .enumerate()
        .map(|(bit, key)| match key {
            KeyType::Ipv4 => pick(bit, Field::Source(V4), Field::Destination(V4)),
            KeyType::Ipv6 => pick(bit, Field::Source(V6), Field::Destination(V6)),
            KeyType::Protocol => Field::Protocol,
            KeyType::Port => pick(bit, Field::SourcePort, Field::DestinationPort),
            KeyType::Icmp => Field::IcmpType,
            KeyType::Icmpv6 => Field::Icmpv6Type,
        })
        .collect()
}
