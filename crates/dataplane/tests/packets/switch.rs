//! Packets at the moment of a change. In: programs that all let them pass, one after the other while packets come. Out: whether every
//! packet passed.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringfence_dataplane::{
    nft::{Chain, Field, Hook, HookPoint, KeyType, Map, Name, Rule, Set, Statement, Table, Value, Verdict},
    reconcile::{Keeper, Ownership},
};
use ringfence_model::address::Family;

use crate::loopback_up;

pub(crate) const TESTS: &[(&str, fn())] =
    &[("nothing_is_lost_at_a_switch", nothing_is_lost), ("nothing_passes_at_a_switch", nothing_passes)];

/// How long programs are changed.
const LASTING: Duration = Duration::from_millis(1500);

/// What in a program is new each time.
#[derive(Clone, Copy, Debug)]
enum New {
    /// A map of protocols and ranges of ports.
    PortRanges,
    /// A map of protocols and ports.
    Ports,
    /// A set of ranges of addresses.
    Ranges,
    /// A set of addresses.
    Addresses,
}

/// A program that lets UDP pass by something new, and nothing else.
fn program(new: New, number: u32, port: u16) -> Table {
    let mut table = Table::new("switch");
    let (looked_up, class): (Name, Name) = (format!("new_{number}").into(), format!("c_{number}").into());
    let rule = |statements| Rule { statements, comment: None };
    let address = |last: u8| Ipv4Addr::new(127, 0, 0, last);
    let udp = |ports| vec![Value::Protocol(17), ports];
    let accept = Statement::Verdict(Verdict::Accept);
    let allowed = match new {
        New::PortRanges | New::Ports => {
            let interval = matches!(new, New::PortRanges);
            let elements = if interval {
                [
                    (udp(Value::PortRange(1, 99)), Verdict::Drop),
                    (udp(Value::PortRange(100, u16::MAX)), Verdict::Accept),
                ]
                .into()
            } else {
                [(udp(Value::Port(1)), Verdict::Drop), (udp(Value::Port(port)), Verdict::Accept)].into()
            };
            let key = vec![KeyType::Protocol, KeyType::Port];
            table.maps.insert(looked_up.clone(), Map { key, interval, size: None, elements });
            vec![Statement::VerdictMap {
                fields: vec![Field::Protocol, Field::DestinationPort],
                map: looked_up,
            }]
        }
        New::Ranges | New::Addresses => {
            let interval = matches!(new, New::Ranges);
            let elements = if interval {
                [vec![Value::Ipv4Range(address(0), address(250))]].into()
            } else {
                (1..200).map(|last| vec![Value::Ipv4(address(last))]).collect()
            };
            table
                .sets
                .insert(looked_up.clone(), Set { key: vec![KeyType::Ipv4], interval, size: None, elements });
            let fields = vec![Field::Source(Family::V4)];
            vec![Statement::In { fields, set: looked_up, negated: false }, accept]
        }
    };
    let drop = rule(vec![Statement::Verdict(Verdict::Drop)]);
    table.chains.insert(class.clone(), Chain { hook: None, rules: vec![rule(allowed), drop] });
    let hook = Some(Hook { point: HookPoint::Input, nat: false, priority: 0 });
    let rules = vec![rule(vec![Statement::Verdict(Verdict::Goto(class))])];
    table.chains.insert("input".into(), Chain { hook, rules });
    table
}

/// Sends packets until it is told to stop; how many were sent, and how many arrived.
fn exchange(stop: &AtomicBool, outside: &UdpSocket, inside: &UdpSocket) -> (u64, u64) {
    let (mut sent, mut arrived) = (0, 0);
    let mut buffer = [0; 8];
    while !stop.load(Ordering::Relaxed) {
        sent += u64::from(outside.send(b"x").is_ok());
        arrived += u64::from(inside.recv(&mut buffer).is_ok());
    }
    // What goes over the loopback is mostly there when sending returns; on a busy machine the kernel hands it to a thread,
    // and every packet after it is counted one round late.
    inside.set_nonblocking(false).unwrap();
    inside.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    while inside.recv(&mut buffer).is_ok() {
        arrived += 1;
    }
    (sent, arrived)
}

fn nothing_is_lost() {
    loopback_up();
    let mut keeper = Keeper::open("switch", Ownership::Shared).unwrap();
    let mut lost = Vec::new();
    for new in [New::PortRanges, New::Ports, New::Ranges, New::Addresses] {
        let inside = UdpSocket::bind("127.0.0.1:0").unwrap();
        inside.set_nonblocking(true).unwrap();
        let outside = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = inside.local_addr().unwrap();
        outside.connect(to).unwrap();
        keeper.set(program(new, 0, to.port())).unwrap();
        let (stop, mut changes) = (AtomicBool::new(false), 0);
        let (sent, arrived) = thread::scope(|scope| {
            let stop = &stop;
            let sender = scope.spawn(move || exchange(stop, &outside, &inside));
            let end = Instant::now() + LASTING;
            while Instant::now() < end {
                changes += 1;
                keeper.set(program(new, changes, to.port())).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            sender.join().unwrap()
        });
        eprintln!("{new:?}: {changes} changes, {sent} packets, {} lost", sent - arrived);
        lost.push(sent - arrived);
    }
    assert_eq!(lost, [0; 4], "packets are lost at changes");
}

/// A program that leads packets of an address to a chain, and drops them there. The map has two names in turn: an
/// element that leads elsewhere under one name is found by no packet for a moment.
fn closed(number: u32) -> Table {
    let mut table = Table::new("switch");
    let class: Name = format!("c_{number}").into();
    let rule = |statements| Rule { statements, comment: None };
    let drop = rule(vec![Statement::Counter, Statement::Verdict(Verdict::Drop)]);
    table.chains.insert(class.clone(), Chain { hook: None, rules: vec![drop] });
    let to = |last: u8| (vec![Value::Ipv4(Ipv4Addr::new(127, 0, 0, last))], Verdict::Jump(class.clone()));
    let elements = (1..100).map(to).collect();
    let map: Name = if number.is_multiple_of(2) { "in4".into() } else { "in4_2".into() };
    table.maps.insert(map.clone(), Map { key: vec![KeyType::Ipv4], interval: false, size: None, elements });
    let dispatch = Statement::VerdictMap { fields: vec![Field::Destination(Family::V4)], map };
    let hook = Some(Hook { point: HookPoint::Input, nat: false, priority: 0 });
    table.chains.insert("input".into(), Chain { hook, rules: vec![rule(vec![dispatch])] });
    table
}

fn nothing_passes() {
    loopback_up();
    let mut keeper = Keeper::open("switch", Ownership::Shared).unwrap();
    let inside = UdpSocket::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let outside = UdpSocket::bind("127.0.0.1:0").unwrap();
    outside.connect(inside.local_addr().unwrap()).unwrap();
    keeper.set(closed(0)).unwrap();
    let (stop, mut changes) = (AtomicBool::new(false), 0);
    let (sent, arrived) = thread::scope(|scope| {
        let stop = &stop;
        let sender = scope.spawn(move || exchange(stop, &outside, &inside));
        let end = Instant::now() + LASTING * 4;
        while Instant::now() < end {
            changes += 1;
            keeper.set(closed(changes)).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        sender.join().unwrap()
    });
    eprintln!("{changes} changes, {sent} packets, {arrived} passed");
    assert_eq!(arrived, 0, "forbidden packets pass at {changes} changes");
}
