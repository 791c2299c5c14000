mod common;
use common::{Size, clusters, difference};
use ringfence_model::cluster::Cluster;
use ringfence_policy::{Compiled, Judge, Reference, generate};
fn compiled(cluster: &Cluster) -> Box<dyn Judge + '_> {
    Box::new(Compiled::new(cluster.clone()))
}
fn reference(cluster: &Cluster) -> Box<dyn Judge + '_> {
    Box::new(Reference { cluster })
}
#[test]
fn dev() {
    let _ = std::fs::remove_dir_all("/tmp/cases");
    std::fs::create_dir_all("/tmp/cases").unwrap();
    let mut n = 0;
    for seed in clusters(2000) {
        let cluster = generate::cluster(seed, &Size::SMALL);
        if let Some(case) = difference(seed, &cluster, 40, compiled, reference) {
            n += 1;
            std::fs::write(format!("/tmp/cases/{seed}.md"), case).unwrap();
        }
    }
    println!("{n} differ");
}
