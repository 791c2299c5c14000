//! The fast judge against the slow one, on random clusters.

mod common;

use ringfence_model::cluster::Cluster;
use ringfence_policy::{Compiled, Judge, Reference, generate};

use common::{Size, clusters, difference};

fn compiled(cluster: &Cluster) -> Box<dyn Judge + '_> {
    Box::new(Compiled::new(cluster.clone()))
}

fn reference(cluster: &Cluster) -> Box<dyn Judge + '_> {
    Box::new(Reference { cluster })
}

#[test]
fn compiled_agrees_with_the_reference() {
    let mut differences = clusters(2000).filter_map(|seed| {
        let cluster = generate::cluster(seed, &Size::SMALL);
        difference(seed, &cluster, 40, compiled, reference)
    });
    if let Some(case) = differences.next() {
        panic!("{case}\n{} more clusters differ", differences.count());
    }
}
