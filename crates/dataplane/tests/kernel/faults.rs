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
    /// The kernel refuses it.
    Answer(Errno),
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
    forged: Option<Vec<u8>>,
}

#[derive(Default)]
struct Script {
    sent: usize,
    faults: Vec<(usize, Fault)>,
}

/// An error in answer to the first message of a datagram.
fn forge(datagram: &[u8], errno: Errno) -> Vec<u8> {
    let mut answer = 36u32.to_ne_bytes().to_vec();
    answer.extend(2u16.to_ne_bytes());
    answer.extend(0x100u16.to_ne_bytes());
    answer.extend(&datagram[8..12]);
    answer.extend([0; 4]);
    answer.extend((-(errno as i32)).to_ne_bytes());
    answer.extend(&datagram[..16]);
    answer
}

impl Broken {
    fn new(script: &Rc<RefCell<Script>>) -> Self {
        Self {
            socket: Socket::open().unwrap(),
            script: Rc::clone(script),
            room: None,
            silent: false,
            overrun: false,
            forged: None,
        }
    }
}

impl Wire for Broken {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let fault = {
            let mut script = self.script.borrow_mut();
            script.sent += 1;
            let sent = script.sent;
            let now =
                |(at, fault): &&(usize, Fault)| sent == *at || (sent > *at && matches!(fault, Fault::Dead));
            script.faults.iter().find(now).map(|(_, fault)| *fault)
        };
        (self.silent, self.overrun) = (false, false);
        match fault {
            Some(Fault::Send(errno)) => return Err(io::Error::from_raw_os_error(errno as i32)),
            Some(Fault::Dead) => return Err(io::Error::from_raw_os_error(Errno::ECONNREFUSED as i32)),
            Some(Fault::Answer(errno)) => {
                self.forged = Some(forge(datagram, errno));
                return Ok(());
            }
            Some(Fault::Flush) => _ = nft(&["flush", "ruleset"], "").unwrap(),
            Some(Fault::Deaf) => self.silent = true,
            Some(Fault::Overrun) => self.overrun = true,
            None => {}
        }
        self.socket.send(datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        if let Some(forged) = self.forged.take() {
            *buffer = forged;
            return Ok(());
        }
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
    table
        .chains
        .insert("more".into(), Chain { hook: None, rules: vec![rule(vec![crate::programs::accept()])] });
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
        Fault::Answer(Errno::EBUSY),
        Fault::Answer(Errno::ENOBUFS),
        Fault::Answer(Errno::EEXIST),
        Fault::Answer(Errno::ENOENT),
        Fault::Answer(Errno::EINVAL),
        Fault::Answer(Errno::ERESTART),
        Fault::Deaf,
        Fault::Overrun,
        Fault::Flush,
        Fault::Dead,
    ];
    for first in faults {
        for point in 1..=3 {
            inside(|| fault(&[(point, first)], &goal));
        }
        // And one more while the first is being put right.
        for second in [Fault::Answer(Errno::EEXIST), Fault::Deaf, Fault::Flush, Fault::Dead] {
            inside(|| fault(&[(1, first), (2, second)], &goal));
        }
    }
}

fn fault(faults: &[(usize, Fault)], goal: &str) {
    let script = Rc::new(RefCell::new(Script::default()));
    let mut keeper = Keeper::over(Nftables::over(Broken::new(&script)), "t", Ownership::Shared);
    keeper.set(everything("t")).unwrap();
    let before = sorted();
    let sent = script.borrow().sent;
    script.borrow_mut().faults = faults.iter().map(|(point, fault)| (sent + point, *fault)).collect();
    let result = keeper.set(later());
    let after = sorted();
    let flushed = faults.iter().any(|(_, fault)| matches!(fault, Fault::Flush));
    let dead = faults.iter().any(|(_, fault)| matches!(fault, Fault::Dead));
    // Who dies may leave what nothing leads to yet, or any more.
    let either = flushed || dead || after == before || after == goal;
    assert!(either, "{faults:?}: neither the old nor the new program");
    script.borrow_mut().faults.retain(|(_, fault)| matches!(fault, Fault::Dead));
    match result {
        Err(_) if dead => {
            // The next process finds what this one left.
            drop(keeper);
            let mut next = Keeper::open("t", Ownership::Shared).unwrap();
            next.adopt().unwrap();
            next.set(later()).unwrap();
        }
        // What the kernel refuses for good is reported; a later try works.
        Err(error) => {
            let refused = faults.iter().any(|(_, fault)| matches!(fault, Fault::Answer(_)));
            assert!(refused, "{faults:?}: {error}");
            keeper.repair().unwrap();
            keeper.set(later()).unwrap();
        }
        // A flush before the very last datagram is found at the next repair.
        Ok(()) if flushed => _ = keeper.repair().unwrap(),
        Ok(()) => assert_eq!(after, goal, "{faults:?}"),
    }
    assert_eq!(sorted(), goal, "{faults:?}");
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
    table.sets.insert(
        name.as_str().into(),
        crate::programs::set(&[ringfence_dataplane::nft::KeyType::Ipv4], false, peers),
    );
    let lookup = ringfence_dataplane::nft::Statement::In {
        fields: vec![ringfence_dataplane::nft::Field::Source(ringfence_model::address::Family::V4)],
        set: name.into(),
        negated: false,
    };
    table.chains.insert(
        "big".into(),
        Chain {
            hook: hook(ringfence_dataplane::nft::HookPoint::Forward),
            rules: vec![rule(vec![lookup, crate::programs::accept()])],
        },
    );
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
            script.borrow_mut().faults = vec![(sent + point, Fault::Dead)];
            let result = keeper.set(large(12));
            let listing = nft(&["list", "chain", "inet", "t", "big"], "").unwrap();
            assert!(
                listing.contains("@peers_11") || listing.contains("@peers_12"),
                "the base chain was open: {listing}"
            );
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
    assert_eq!(features.findings.len(), Feature::ALL.len());
    assert!(features.fatal().next().is_none(), "{features}");
    assert_eq!(list(), "", "probes leave nothing");
}
