//! Limits: what the check lets through the kernel takes and `nft` lists, up to the edge; what is beyond is refused here.

use std::collections::BTreeMap;

use ringfence_dataplane::{
    netlink::Nftables,
    nft::{
        Chain, Field, HookPoint, KeyType, Limits, LogTo, Map, Reject, Rule, Set, Statement, Table, Value,
        Verdict, check,
    },
    reconcile::{Keeper, Ownership},
};
use ringfence_model::address::Family::{V4, V6};

use crate::{
    Tests,
    namespace::{list, nft},
    programs::{accept, hook, ip, is, rule, set},
};

pub(crate) const TESTS: Tests = &[
    ("limits::edges_load_and_list", edges_load_and_list),
    ("limits::beyond_is_refused_with_the_reason", beyond_is_refused_with_the_reason),
    ("limits::a_large_program", a_large_program),
];

/// A base chain and others, so many within one another.
fn deep(levels: usize) -> Table {
    let mut table = Table::new("t");
    for level in 0..levels {
        let next = Statement::Verdict(Verdict::Jump(format!("level_{}", level + 1).into()));
        let rules = if level + 1 < levels { vec![rule(vec![next])] } else { Vec::new() };
        let hook = if level == 0 { hook(HookPoint::Forward) } else { None };
        table.chains.insert(format!("level_{level}").into(), Chain { hook, rules });
    }
    table
}

fn one(rule: Rule) -> Table {
    let mut table = Table::new("t");
    table.chains.insert("forwarded".into(), Chain { hook: hook(HookPoint::Forward), rules: vec![rule] });
    table
}

fn log(prefix: String) -> Table {
    one(rule(vec![Statement::Log(LogTo { prefix, group: 1, snaplen: 0, queue_threshold: 0 })]))
}

fn commented(comment: String) -> Table {
    one(Rule { statements: vec![accept()], comment: Some(comment) })
}

fn named(name: &str) -> Table {
    let mut table = Table::new("t");
    table.sets.insert(name.into(), set(&[KeyType::Ipv4], false, [vec![ip(1)]]));
    table.chains.insert(name.into(), Chain::default());
    table
}

fn keyed(key: &[KeyType]) -> Table {
    let mut table = Table::new("t");
    table.sets.insert("wide".into(), set(key, true, []));
    table
}

/// So many elements with room for two.
fn sized(elements: u8, interval: bool) -> Table {
    let mut table = Table::new("t");
    let elements = (0..elements).map(|last| vec![ip(last)]);
    table.sets.insert("small".into(), Set { size: Some(2), ..set(&[KeyType::Ipv4], interval, elements) });
    table
}

/// So many expressions: two a statement.
fn long(statements: usize) -> Table {
    one(rule(vec![Statement::Reply(true); statements]))
}

fn edges_load_and_list() {
    let mut edges = vec![
        deep(Limits::DEPTH),
        log("p".repeat(Limits::LOG_PREFIX)),
        commented("c".repeat(Limits::COMMENT)),
        named(&"n".repeat(Limits::NAME)),
        keyed(&[KeyType::Ipv6; 4]),
        long(Limits::EXPRESSIONS / 2),
    ];
    for word in
        ["in_1", "forward", "input", "judge", "refuse", "eg4", "est", "c_1", "deny_1", "peers", "pods4"]
    {
        edges.push(named(word));
    }
    for table in edges {
        check(&table).unwrap();
        let mut kernel = Nftables::open().unwrap();
        kernel.load(&table).unwrap();
        let listing = list();
        nft(&["flush", "ruleset"], "").unwrap();
        nft(&["-f", "-"], &listing).map_err(|error| format!("{error}\n{listing}")).unwrap();
        assert_eq!(list(), listing);
        nft(&["flush", "ruleset"], "").unwrap();
    }
}

fn beyond_is_refused_with_the_reason() {
    let mut circle = deep(3);
    let back = rule(vec![Statement::Verdict(Verdict::Jump("level_1".into()))]);
    circle.chains.get_mut("level_2").unwrap().rules.push(back);
    let mut through_map = Table::new("t");
    let elements = BTreeMap::from([(vec![ip(1)], Verdict::Goto("loops".into()))]);
    through_map
        .maps
        .insert("m".into(), Map { key: vec![KeyType::Ipv4], interval: false, size: None, elements });
    let lookup = Statement::VerdictMap { fields: vec![Field::Source(V4)], map: "m".into() };
    through_map.chains.insert("loops".into(), Chain { hook: None, rules: vec![rule(vec![lookup])] });
    let ranges = |elements: Vec<Vec<Value>>, key: &[KeyType]| {
        let mut table = Table::new("t");
        table.sets.insert("s".into(), set(key, true, elements));
        table
    };
    let v4 = |first: u8, last: u8| Value::Ipv4Range([10, 0, 0, first].into(), [10, 0, 0, last].into());
    let boxed = |first: u8, last: u8, low: u16, high: u16| vec![v4(first, last), Value::PortRange(low, high)];
    let both = vec![is(Field::Source(V4), ip(1)), is(Field::Source(V6), Value::Ipv6(1u128.into()))];
    let port = |field| Statement::Is { field, value: Value::Port(5), negated: true };
    let ports = vec![port(Field::DestinationPort), Statement::Counter, port(Field::SourcePort)];
    let mut same_name = named("twice");
    same_name.maps.insert(
        "twice".into(),
        Map { key: vec![KeyType::Ipv4], interval: false, size: None, elements: BTreeMap::new() },
    );
    let lost = Statement::In { fields: vec![Field::Source(V4)], set: "lost".into(), negated: false };
    let mut kinds = named("ports");
    let wrong_key =
        Statement::In { fields: vec![Field::DestinationPort], set: "ports".into(), negated: false };
    kinds.chains.insert("looks".into(), Chain { hook: None, rules: vec![rule(vec![wrong_key])] });
    let beyond = [
        (deep(Limits::DEPTH + 1), "17 deep"),
        (deep(200), "deep"),
        (circle, "in a circle"),
        (through_map, "in a circle"),
        (log("p".repeat(Limits::LOG_PREFIX + 1)), "128 bytes and may have 127"),
        (log("say \"hi\"".into()), "cannot quote"),
        (commented("c".repeat(Limits::COMMENT + 1)), "129 bytes and may have 128"),
        (named(&"n".repeat(Limits::NAME + 1)), "256 bytes and may have 255"),
        (named("drop"), "another use"),
        (named("with-dash"), "letters, digits"),
        (keyed(&[KeyType::Ipv6; 5]), "80 bytes and may have 64"),
        (long(Limits::EXPRESSIONS / 2 + 1), "130 expressions"),
        (ranges(vec![vec![v4(1, 9)], vec![v4(9, 12)]], &[KeyType::Ipv4]), "overlap"),
        (ranges(vec![boxed(1, 9, 5, 10), boxed(5, 20, 10, 12)], &[KeyType::Ipv4, KeyType::Port]), "overlap"),
        (ranges(vec![vec![v4(9, 1)]], &[KeyType::Ipv4]), "to a higher one"),
        (ranges(vec![vec![Value::Port(1)]], &[KeyType::Ipv4]), "not of type `ipv4_addr`"),
        (sized(3, false), "3 elements and room for 2"),
        (sized(1, true), "has no size"),
        (one(rule(vec![Statement::Family(V4), Statement::Counter])), "before a verdict"),
        (one(rule(both)), "no packet has all these fields"),
        (one(rule(vec![accept(), Statement::Counter])), "put it last"),
        (one(rule(vec![lost])), "`lost`, which is not there"),
        (one(rule(vec![Statement::Verdict(Verdict::Jump("lost".into()))])), "`lost`, which is not there"),
        (one(rule(vec![Statement::Verdict(Verdict::Jump("forwarded".into()))])), "only the kernel enters"),
        (one(rule(vec![Statement::Reject(Reject::TcpReset)])), "only TCP has resets"),
        (one(rule(vec![Statement::Masquerade])), "may not run at the hook"),
        (one(rule(vec![Statement::Limit { rate: 1, burst: 0 }])), "at least 1"),
        (one(rule(ports)), "both ports"),
        (same_name, "one space"),
        (kinds, "looks for `inet_service`"),
    ];
    for (table, reason) in beyond {
        let error = check(&table).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
        let error = Keeper::open("t", Ownership::Shared).unwrap().set(table).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(list(), "", "nothing was sent");
    }
    // Side by side is not overlapping.
    check(&ranges(vec![vec![v4(1, 9)], vec![v4(10, 12)]], &[KeyType::Ipv4])).unwrap();
    check(&ranges(vec![boxed(1, 9, 5, 10), boxed(5, 20, 11, 12)], &[KeyType::Ipv4, KeyType::Port])).unwrap();
}

/// More than a socket takes that may not be forced: ordinary users load it in parts, root in one piece.
fn a_large_program() {
    let mut table = one(rule(vec![
        Statement::In { fields: vec![Field::Source(V4)], set: "peers".into(), negated: false },
        Statement::Counter,
        accept(),
    ]));
    let peers = (0..40_000u32).map(|peer| vec![Value::Ipv4((0x0a00_0000 + peer * 3).into())]);
    table.sets.insert("peers".into(), set(&[KeyType::Ipv4], false, peers));
    let ranges =
        (0..20_000u32).map(|net| vec![Value::Ipv4Range((net * 512).into(), (net * 512 + 255).into())]);
    table.sets.insert("nets".into(), set(&[KeyType::Ipv4], true, ranges));
    let mut keeper = Keeper::open("t", Ownership::Shared).unwrap();
    keeper.set(table.clone()).unwrap();
    assert!(!keeper.repair().unwrap());
    table.sets.get_mut("peers").unwrap().elements.pop_first();
    table.sets.get_mut("nets").unwrap().elements.pop_last();
    keeper.set(table).unwrap();
    assert!(!keeper.repair().unwrap());
}
