//! A node that is told of single changes: the kernel has the program that compiling the changed cluster makes.

use std::net::IpAddr;

use ringfence_dataplane::{
    compile::{Options, compile},
    netlink::Nftables,
    nft::Table,
    node::LiveNode,
    reconcile::{Keeper, Ownership},
};
use ringfence_model::{
    cluster::Cluster,
    workload::{Pod, WorkloadKind},
};
use ringfence_policy::{
    Compiled,
    compiled::Change,
    generate::{self, Size},
};

use crate::{Tests, namespace::inside, updates::sorted};

pub(crate) const TESTS: Tests = &[
    ("live::single_changes_reach_the_kernel", single_changes_reach_the_kernel),
    ("live::one_more_pod_disturbs_no_connection", one_more_pod_disturbs_no_connection),
];

/// A random cluster whose pods have nodes and addresses.
fn cluster(seed: u64) -> Cluster {
    let mut cluster = generate::cluster(seed, &Size::SMALL);
    for (number, pod) in (0_u8..).zip(&mut cluster.pods) {
        let name = if number % 2 == 0 { "here" } else { "there" };
        pod.node.get_or_insert_with(|| name.into());
        if pod.addresses.is_empty() && !pod.host_network {
            pod.addresses.push(IpAddr::from([10, 244, 9, number]));
        }
    }
    cluster
}

fn put(pod: &Pod, address: u8) -> Change {
    let name: ringfence_model::Text = format!("{}-{address}", pod.name).into();
    let addresses = vec![IpAddr::from([10, 244, 10, address])];
    let more = Pod { name: name.clone(), addresses, host_network: false, finished: false, ..pod.clone() };
    Change::Pod(Box::new(more), WorkloadKind::Pod, name)
}

/// Changes of every kind, and back.
fn changes(cluster: &Cluster, other: &Cluster) -> Vec<Change> {
    let mut changes = Vec::new();
    for (address, pod) in (1_u8..).zip(cluster.pods.iter().filter(|pod| !pod.finished)) {
        changes.push(put(pod, address));
    }
    for policy in &cluster.network_policies {
        let meta = &policy.meta;
        changes.push(Change::PolicyGone(meta.kind, meta.namespace.clone(), meta.name.clone()));
    }
    changes
        .extend(other.network_policies.iter().cloned().map(|policy| Change::NetworkPolicy(Box::new(policy))));
    changes.extend(other.tier_policies.iter().cloned().map(|policy| Change::TierPolicy(Box::new(policy))));
    changes
        .extend(other.cilium_policies.iter().cloned().map(|policy| Change::CiliumPolicy(Box::new(policy))));
    changes.extend(cluster.pods.iter().map(|pod| Change::PodGone(pod.namespace.clone(), pod.name.clone())));
    changes
}

fn listing(table: &Table) -> String {
    inside(|| {
        Nftables::open().unwrap().load(table).unwrap();
        sorted()
    })
}

fn single_changes_reach_the_kernel() {
    for seed in 0..4 {
        let cluster = cluster(seed);
        let node = cluster.pods.iter().find_map(|pod| pod.node.clone()).unwrap();
        let mut now = Compiled::new(cluster.clone());
        let (found, wanted) = inside(|| {
            let keeper = Keeper::open("ringfence", Ownership::Shared).unwrap();
            let compiled = Compiled::new(cluster.clone());
            let mut live = LiveNode::start(keeper, compiled, None, &node, Options::default()).unwrap();
            let mut listings = Vec::new();
            for (number, change) in changes(&cluster, &self::cluster(seed + 100)).into_iter().enumerate() {
                now.apply(change.clone());
                live.apply(&change).unwrap();
                assert!(!live.repair().unwrap(), "change {number} did not reach the kernel");
                if number % 8 == 0 {
                    listings.push((sorted(), live.program().table.clone()));
                }
            }
            let mark = live.program().epoch_mark;
            let options = Options { epoch: mark >> 16, ..Options::default() };
            let mut wanted = compile(&Compiled::new(now.cluster().clone()), None, &node, &options);
            wanted.table.keep_sizes(&live.program().table);
            assert_eq!(live.program(), &wanted);
            let sum = listings.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
            live.remove().unwrap();
            sum
        });
        for (found, wanted) in found.iter().zip(&wanted) {
            assert_eq!(*found, listing(wanted));
        }
    }
}

fn one_more_pod_disturbs_no_connection() {
    let cluster = cluster(5);
    let pod = cluster.pods.iter().find(|pod| !pod.finished && !pod.host_network).unwrap().clone();
    let node = pod.node.clone().unwrap();
    inside(|| {
        let keeper = Keeper::open("ringfence", Ownership::Shared).unwrap();
        let compiled = Compiled::new(cluster.clone());
        let mut live = LiveNode::start(keeper, compiled, None, &node, Options::default()).unwrap();
        let gone =
            |address: u8| Change::PodGone(pod.namespace.clone(), format!("{}-{address}", pod.name).into());
        // The first may be the first of its kind.
        live.apply(&put(&pod, 1)).unwrap();
        assert!(!live.apply(&put(&pod, 2)).unwrap().judges_again);
        assert!(!live.apply(&gone(2)).unwrap().judges_again);
        // An address that changes hands.
        assert!(live.apply(&put(&pod, 2)).unwrap().judges_again);
    });
}
