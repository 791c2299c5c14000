//! Faults: whatever goes wrong between here and the kernel, afterwards the table is right, and on the way it is never gone.

use std::{cell::RefCell, io, rc::Rc};

use nix::errno::Errno;
use ringfence_dataplane::{
    features::{Feature, Features},
    netlink::{Error, Nftables, Socket, Watch, Wire},
    nft::{Chain, Table, Value, check},
    reconcile::{Keeper, Ownership},
};

use crate::{
    Tests,
    namespace::{inside, list, nft},
    programs::{everything, hook, ip, rule},
    updates::sorted,
};

pub(crate) const TESTS: Tests = &[
    ("faults::every_fault_at_every_point", every_fault_at_every_point),
    ("faults::flush_and_foreign_changes_are_put_right", flush_and_foreign_changes_are_put_right),
    ("faults::an_owned_table_survives", an_owned_table_survives),
    ("faults::small_sockets", small_sockets),
    ("faults::death_between_parts", death_between_parts),
    ("faults::features", features),
];

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Sending fails; the kernel got nothing.
    Send(Errno),
    /// The kernel got it and answers never arrive.
    Deaf,
    /// The kernel got it, and some answers did not fit.
    Overrun,
    /// Someone flushes the ruleset just before.
    Flush,
    /// The socket is dead from here on.
    Dead,
}

/// A wire that breaks at one datagram.
struct Broken {
    socket: Socket,
    script: Rc<RefCell<Script>>,
    /// What the socket takes, if less than it does.
    room: Option<usize>,
    silent: bool,
    overrun: bool,
}

#[derive(Default)]
struct Script {
    sent: usize,
    fault: Option<(usize, Fault)>,
}

impl Broken {
    fn new(script: &Rc<RefCell<Script>>) -> Self {
        Self { socket: Socket::open().unwrap(), script: Rc::clone(script), room: None, silent: false, overrun: false }
    }
}

impl Wire for Broken {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let fault = {
            let mut script = self.script.borrow_mut();
            script.sent += 1;
            let sent = script.sent;
            match script.fault {
                Some((at, Fault::Dead)) if sent >= at => Some(Fault::Dead),
                Some((at, fault)) if sent == at => Some(fault),
                _ => None,
            }
        };
        (self.silent, self.overrun) = (false, false);
        match fault {
            Some(Fault::Send(errno)) => return Err(io::Error::from_raw_os_error(errno as i32)),
            Some(Fault::Dead) => return Err(io::Error::from_raw_os_error(Errno::ECONNREFUSED as i32)),
            Some(Fault::Flush) => _ = nft(&["flush", "ruleset"], "").unwrap(),
            Some(Fault::Deaf) => self.silent = true,
            Some(Fault::Overrun) => self.overrun = true,
            None => {}
        }
        self.socket.send(datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        if self.overrun {
            self.overrun = false;
            self.socket.receive(buffer)?;
            buffer.clear();
            return Err(io::Error::from_raw_os_error(Errno::ENOBUFS as i32));
        }
        self.socket.receive(buffer)?;
        if self.silent {
            buffer.clear();
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }

    fn room(&mut self, bytes: usize) -> usize {
        self.room.unwrap_or_else(|| self.socket.room(bytes))
    }

    fn port(&self) -> u32 {
        self.socket.port()
    }
}

/// A later program: elements, rules and chains come and go.
fn later() -> Table {
    let mut table = everything("t");
    table.sets.get_mut("s4").unwrap().elements.insert(vec![ip(50)]);
    table.chains.insert("more".into(), Chain { hook: None, rules: vec![rule(vec![crate::programs::accept()])] });
    table.chains.get_mut("every").unwrap().rules.remove(3);
    table.sets.remove("empty");
    table
}

fn every_fault_at_every_point() {
    let goal = inside(|| {
        Nftables::open().unwrap().load(&later()).unwrap();
        sorted()
    });
    let faults = [
        Fault::Send(Errno::EBUSY),
        Fault::Send(Errno::ENOBUFS),
        Fault::Send(Errno::EAGAIN),
        Fault::Send(Errno::EINTR),
        Fault::Deaf,
        Fault::Overrun,
        Fault::Flush,
        Fault::Dead,
    ];
    for fault in faults {
        for point in 1..=4 {
            inside(|| {
                let script = Rc::new(RefCell::new(Script::default()));
                let mut keeper = Keeper::over(Nftables::over(Broken::new(&script)), "t", Ownership::Shared);
                keeper.set(everything("t")).unwrap();
                let before = sorted();
                let sent = script.borrow().sent;
                script.borrow_mut().fault = Some((sent + point, fault));
                // A second fault where the first is being repaired.
                let result = keeper.set(later());
                let after = sorted();
                if !matches!(fault, Fault::Flush) {
                    assert!(after == before || after == goal, "{fault:?} at {point}: neither the old nor the new program");
                }
                if let Err(error) = &result {
                    assert!(matches!(fault, Fault::Dead), "{fault:?} at {point}: {error}");
                    // The next process finds what this one left.
                    drop(keeper);
                    let mut next = Keeper::open("t", Ownership::Shared).unwrap();
                    next.adopt().unwrap();
                    next.set(later()).unwrap();
                } else if matches!(fault, Fault::Flush) && point > 1 {
                    // Nothing was sent after the fault was due: the flush did not happen.
                    assert_eq!(after, goal);
                } else {
                    assert!(!keeper.repair().unwrap(), "{fault:?} at {point}: something was left to repair");
                }
                assert_eq!(sorted(), goal, "{fault:?} at {point}");
            });
        }
    }
}

fn flush_and_foreign_changes_are_put_right() {
    let mut watch = Watch::open().unwrap();
    let mut keeper = Keeper::open("t", Ownership::Shared).unwrap();
    keeper.set(everything("t")).unwrap();
    let goal = sorted();
    assert!(!watch.touched("t", keeper.port()).unwrap(), "one's own changes are no foreign ones");
    nft(&["add", "table", "inet", "unrelated"], "").unwrap();
    assert!(!watch.touched("t", keeper.port()).unwrap(), "another table is nobody's business");
    nft(&["delete", "table", "inet", "unrelated"], "").unwrap();
    watch.touched("t", keeper.port()).unwrap();
    for change in [
        "flush ruleset",
        "delete table inet t",
        "flush chain inet t every",
        "flush set inet t s4",
        "add element inet t s4 { 9.9.9.9 }",
        "add element inet t i4 { 99.0.0.0/8 }",
        "delete element inet t c4 { 10.0.0.1 . udp . 53 }",
        "add rule inet t every drop",
        "insert rule inet t every ip saddr 1.2.3.4 tcp flags syn drop",
        "add rule inet t leaf meta mark 5 accept",
        "add chain inet t foreign",
        "add chain inet t foreign { type filter hook input priority 0; policy drop; }",
        "add set inet t foreign { type ether_addr; }",
        "add counter inet t foreign",
        "add map inet t foreign { type ipv4_addr : ipv4_addr; }",
        "add table inet t { flags dormant; }",
        "add chain inet t in_ { policy drop; }",
    ] {
        nft(&["-f", "-"], change).unwrap();
        assert!(watch.touched("t", keeper.port()).unwrap(), "{change} went unnoticed");
        assert!(keeper.repair().unwrap(), "{change} was not found");
        assert_eq!(sorted(), goal, "{change} was not put right");
        assert!(!keeper.repair().unwrap());
        watch.touched("t", keeper.port()).unwrap();
    }
    // Between two updates too.
    nft(&["flush", "ruleset"], "").unwrap();
    keeper.set(later()).unwrap();
    assert!(!keeper.repair().unwrap());
    nft(&["flush", "chain", "inet", "t", "every"], "").unwrap();
    keeper.repair().unwrap();
    assert!(!keeper.repair().unwrap());
}

fn an_owned_table_survives() {
    let features = Features::probe().unwrap();
    if features.ownership() == Ownership::Shared {
        return;
    }
    let mut keeper = Keeper::open("t", Ownership::Owned).unwrap();
    keeper.set(everything("t")).unwrap();
    let goal = sorted();
    assert!(nft(&["flush", "chain", "inet", "t", "every"], "").is_err());
    assert!(nft(&["delete", "table", "inet", "t"], "").is_err());
    nft(&["flush", "ruleset"], "").unwrap();
    assert_eq!(sorted(), goal);
    let error = Keeper::open("t", Ownership::Owned).unwrap().adopt().unwrap_err();
    assert!(matches!(error, Error::Owned(..)), "{error}");
    keeper.set(later()).unwrap();
    keeper.set(everything("t")).unwrap();
    // The agent restarts: nothing goes, and the next takes it over.
    drop(keeper);
    let orphaned = sorted();
    assert!(orphaned.contains("every"));
    let mut next = Keeper::open("t", Ownership::Owned).unwrap();
    assert_eq!(next.adopt().unwrap(), Some(everything("t")));
    assert!(nft(&["delete", "table", "inet", "t"], "").is_err(), "it is owned again");
    assert!(!next.repair().unwrap());
    next.set(later()).unwrap();
    assert!(!next.repair().unwrap());
    next.remove().unwrap();
    assert_eq!(list(), "");
}

/// A program of several sockets' size.
fn large(first: u8) -> Table {
    let mut table = everything("t");
    let peers = (0..6000u32).map(|peer| vec![Value::Ipv4([first, 0, (peer >> 8) as u8, peer as u8].into())]);
    let name = format!("peers_{first}");
    table.sets.insert(name.as_str().into(), crate::programs::set(&[ringfence_dataplane::nft::KeyType::Ipv4], false, peers));
    let lookup = ringfence_dataplane::nft::Statement::In {
        fields: vec![ringfence_dataplane::nft::Field::Source(ringfence_model::address::Family::V4)],
        set: name.into(),
        negated: false,
    };
    table.chains.insert("big".into(), Chain { hook: hook(ringfence_dataplane::nft::HookPoint::Forward), rules: vec![rule(vec![lookup, crate::programs::accept()])] });
    check(&table).unwrap();
    table
}

fn small_sockets() {
    let script = Rc::new(RefCell::new(Script::default()));
    let mut wire = Broken::new(&script);
    wire.room = Some(64 * 1024);
    let mut keeper = Keeper::over(Nftables::over(wire), "t", Ownership::Shared);
    keeper.adopt().unwrap();
    let before = script.borrow().sent;
    keeper.set(large(11)).unwrap();
    assert!(script.borrow().sent - before > 2, "it went in parts");
    assert!(!keeper.repair().unwrap());
    // Another set, the rule that looks into it, and the first set gone: prepared in parts, switched whole.
    keeper.set(large(12)).unwrap();
    assert!(!keeper.repair().unwrap());
    assert!(list().contains("peers_12") && !list().contains("peers_11"));
    // Thousands of elements of a set in use change at once: no safe parts, so nothing is sent.
    let mut other = large(12);
    let peers = (0..6000u32).map(|peer| vec![Value::Ipv4([13, 0, (peer >> 8) as u8, peer as u8].into())]);
    other.sets.get_mut("peers_12").unwrap().elements = peers.collect();
    let error = keeper.set(other).unwrap_err();
    assert!(matches!(error, Error::TooBig { .. }), "{error}");
    assert!(!keeper.repair().unwrap(), "nothing was changed");
}

fn death_between_parts() {
    let goal = inside(|| {
        Nftables::open().unwrap().load(&large(12)).unwrap();
        sorted()
    });
    for point in 1..12 {
        inside(|| {
            let script = Rc::new(RefCell::new(Script::default()));
            let mut wire = Broken::new(&script);
            wire.room = Some(64 * 1024);
            let mut keeper = Keeper::over(Nftables::over(wire), "t", Ownership::Shared);
            keeper.adopt().unwrap();
            keeper.set(large(11)).unwrap();
            let sent = script.borrow().sent;
            script.borrow_mut().fault = Some((sent + point, Fault::Dead));
            let result = keeper.set(large(12));
            let listing = nft(&["list", "chain", "inet", "t", "big"], "").unwrap();
            assert!(listing.contains("@peers_11") || listing.contains("@peers_12"), "the base chain was open: {listing}");
            drop(keeper);
            if result.is_err() {
                let mut next = Keeper::open("t", Ownership::Shared).unwrap();
                next.adopt().unwrap();
                next.set(large(12)).unwrap();
            }
            assert_eq!(sorted(), goal);
        });
    }
}

fn features() {
    let features = Features::probe().unwrap();
    println!("{features}");
    assert_eq!(features.findings.len(), Feature::ALL.len());
    assert!(features.fatal().next().is_none(), "{features}");
    assert_eq!(list(), "", "probes leave nothing");
}
