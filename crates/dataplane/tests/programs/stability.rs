//! A pod that comes or goes changes elements of sets and maps, and no chain.

use std::net::IpAddr;

use ringfence_dataplane::{
    compile::{Options, Program, compile},
    nft::{Set, Table},
};
use ringfence_model::{
    cluster::Cluster,
    workload::{Pod, WorkloadKind},
};
use ringfence_policy::{Compiled, compiled::Change};
use ringfence_scenario::Scenario;

fn cluster() -> Cluster {
    let scenario = Scenario { tiers: true, cilium: true, ..Scenario::new(400, 100, 3) };
    let files = scenario.files().into_iter();
    let inputs = files.map(|file| ringfence_manifest::Input { name: file.name, text: file.text });
    ringfence_manifest::read(inputs.collect(), &ringfence_manifest::Options::default()).cluster
}

/// The table without what pods may change.
fn structure(program: &Program) -> Table {
    let mut table = program.table.clone();
    for set in table.sets.values_mut() {
        *set = Set { elements: Default::default(), ..set.clone() };
    }
    let dispatch = ["in4", "eg4", "in4_r", "eg4_r"];
    for name in dispatch {
        if let Some(map) = table.maps.get_mut(name) {
            map.elements.clear();
        }
    }
    table
}

/// Another replica, with an address beside that of the first.
fn replica(pod: &Pod) -> Option<Pod> {
    let address = match pod.addresses.first()? {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::from([a, b, c, 251])
        }
        IpAddr::V6(_) => return None,
    };
    Some(Pod { name: format!("{}-more", pod.name).into(), addresses: vec![address], ..pod.clone() })
}

#[test]
fn one_more_replica_is_elements_only() {
    let compiled = Compiled::new(cluster());
    let options = Options::default();
    let node = compiled.cluster().nodes.first().unwrap().name.clone();
    let before = compile(&compiled, None, &node, &options);
    let pods: Vec<Pod> = compiled.cluster().pods.clone();
    let mut changed = 0;
    for pod in pods.iter().filter(|pod| !pod.host_network && !pod.finished).step_by(7) {
        let Some(more) = replica(pod) else { continue };
        let mut compiled = Compiled::new(compiled.cluster().clone());
        compiled.apply(Change::Pod(Box::new(more.clone()), WorkloadKind::Pod, more.name.clone()));
        let with = compile(&compiled, None, &node, &options);
        assert_eq!(structure(&before), structure(&with), "{}/{}", more.namespace, more.name);
        changed += u32::from(before.table != with.table);
        compiled.apply(Change::PodGone(more.namespace.clone(), more.name.clone()));
        assert_eq!(before.table, compile(&compiled, None, &node, &options).table);
    }
    assert!(changed > 20, "only {changed} pods mattered to the node");
}

#[test]
fn a_program_depends_on_nothing_else() {
    let options = Options::default();
    let node = cluster().nodes.first().unwrap().name.clone();
    let [one, other] = [(); 2].map(|()| compile(&Compiled::new(cluster()), None, &node, &options));
    assert_eq!(one, other);
}
