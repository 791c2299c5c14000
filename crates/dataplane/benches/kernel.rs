//! How fast the kernel takes changes, in a network namespace of its own: one element, one chain, a whole node.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot run stops")]
#![expect(clippy::print_stderr, reason = "says why it does not run")]

use std::{collections::BTreeSet, hint::black_box, net::Ipv4Addr};

use criterion::Criterion;
use nix::sched::{CloneFlags, unshare};
use ringfence_dataplane::{
    netlink::Nftables,
    nft::{Chain, Field, Hook, HookPoint, KeyType, Map, Rule, Set, Statement, Table, Value, Verdict},
    reconcile::{Change, Keeper, Member, Ownership, SetShape, Transaction, diff},
};
use ringfence_model::address::Family;

fn main() {
    let flags = if nix::unistd::Uid::current().is_root() {
        CloneFlags::CLONE_NEWNET
    } else {
        CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET
    };
    if let Err(error) = unshare(flags) {
        eprintln!(
            "no network namespace ({error}): nothing is measured; run as root or allow user namespaces"
        );
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    for (label, policies, peers) in
        [("100 policies x 100 peers", 100, 100), ("1000 policies, 10000 peers", 1000, 10_000)]
    {
        run(&mut criterion, label, &node(policies, peers));
    }
    criterion.final_summary();
}

fn run(criterion: &mut Criterion, label: &str, table: &Table) {
    let mut group = criterion.benchmark_group(label);
    group.sample_size(10);
    group.bench_function("full load", |bencher| {
        let mut nft = Nftables::open().unwrap();
        bencher.iter(|| nft.load(table).unwrap());
    });
    group.bench_function("read back", |bencher| {
        let mut nft = Nftables::open().unwrap();
        bencher.iter(|| black_box(nft.read("bench").unwrap()));
    });
    group.bench_function("difference of a program and itself", |bencher| {
        bencher.iter(|| black_box(diff(table, table)));
    });
    group.sample_size(50);
    let mut keeper = Keeper::open("bench", Ownership::Shared).unwrap();
    keeper.set(table.clone()).unwrap();
    let shape = SetShape {
        name: "peers_7".into(),
        key: vec![KeyType::Ipv4],
        interval: false,
        size: None,
        map: false,
    };
    let member = || vec![Member { key: vec![Value::Ipv4(Ipv4Addr::new(10, 99, 0, 1))], verdict: None }];
    let one = |change| Transaction { table: "bench".into(), changes: vec![change] };
    let add = one(Change::AddElements(shape.clone(), member()));
    let delete = one(Change::DeleteElements(shape, member()));
    group.bench_function("one element added and deleted", |bencher| {
        bencher.iter(|| {
            keeper.apply(&add).unwrap();
            keeper.apply(&delete).unwrap();
        });
    });
    let rules = table.chains.get("policy_7").expect("a chain").rules.clone();
    let mut changes = vec![Change::FlushChain("policy_7".into())];
    changes.extend(rules.into_iter().map(|rule| Change::AddRule("policy_7".into(), rule)));
    let replace = Transaction { table: "bench".into(), changes };
    group.bench_function("one chain of 10 rules replaced", |bencher| {
        bencher.iter(|| keeper.apply(&replace).unwrap());
    });
    let mark = |epoch: u32| {
        let rule = Rule {
            statements: vec![Statement::SetMark { mask: 0xffff_0000, value: epoch << 16 }],
            comment: None,
        };
        one(Change::FlushChain("epoch".into()))
            .changes
            .into_iter()
            .chain([Change::AddRule("epoch".into(), rule)])
    };
    let bump = Transaction { table: "bench".into(), changes: mark(3).collect() };
    group.bench_function("the epoch bumped", |bencher| bencher.iter(|| keeper.apply(&bump).unwrap()));
    keeper.remove().unwrap();
    group.finish();
}

/// 110 pods, each policy a chain of ten rules and a set; one policy in ten has a hundred times the average of its peers.
fn node(policies: u32, peers: u32) -> Table {
    let mut table = Table::new("bench");
    let address = |number: u32| Value::Ipv4(Ipv4Addr::from(0x0a00_0000 + number));
    let source = Field::Source(Family::V4);
    let rule = |statements| Rule { statements, comment: None };
    for policy in 0..policies {
        let members = if policy < 20 { peers } else { 20 };
        let elements: BTreeSet<_> = (0..members).map(|peer| vec![address(peer * 7 + policy)]).collect();
        let set = Set { key: vec![KeyType::Ipv4], interval: false, size: None, elements };
        table.sets.insert(format!("peers_{policy}").into(), set);
        let rules = (0..10).map(|index| {
            let set = format!("peers_{}", (policy + index) % policies).into();
            rule(vec![
                Statement::In { fields: vec![source], set, negated: false },
                Statement::Verdict(if index < 9 { Verdict::Return } else { Verdict::Goto("deny".into()) }),
            ])
        });
        table.chains.insert(format!("policy_{policy}").into(), Chain { hook: None, rules: rules.collect() });
    }
    table.chains.insert(
        "deny".into(),
        Chain { hook: None, rules: vec![rule(vec![Statement::Counter, Statement::Verdict(Verdict::Drop)])] },
    );
    let epoch = Statement::SetMark { mask: 0xffff_0000, value: 0x0002_0000 };
    table.chains.insert("epoch".into(), Chain { hook: None, rules: vec![rule(vec![epoch])] });
    let dispatch = (0..110)
        .map(|pod| (vec![address(pod)], Verdict::Jump(format!("policy_{}", pod * policies / 110).into())));
    table.maps.insert(
        "pods".into(),
        Map { key: vec![KeyType::Ipv4], interval: false, size: None, elements: dispatch.collect() },
    );
    let rules = vec![
        rule(vec![Statement::VerdictMap {
            fields: vec![Field::Destination(Family::V4)],
            map: "pods".into(),
        }]),
        rule(vec![Statement::Verdict(Verdict::Jump("epoch".into()))]),
    ];
    let hook = Hook { point: HookPoint::Forward, nat: false, priority: -5 };
    table.chains.insert("forwarded".into(), Chain { hook: Some(hook), rules });
    table
}
