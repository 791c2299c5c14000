//! Random clusters written as manifests and read again: the same verdicts, and nothing to complain about.

use ringfence_manifest::{Input, Options, read};
use ringfence_model::{cluster::Cluster, diagnostic::Severity};
use ringfence_policy::{
    Compiled, Judge,
    generate::{self, Size},
};

const CLUSTERS: u64 = 150;

fn again(seed: u64, cluster: &Cluster) -> Cluster {
    let options = Options {
        pod_cidrs: cluster.pod_cidrs.clone(),
        service_cidrs: cluster.service_cidrs.clone(),
        profile: cluster.profile,
        ..Options::default()
    };
    let text = generate::manifests(cluster);
    let loaded = read(vec![Input { name: "cluster.yaml".to_owned(), text }], &options);
    let errors: Vec<&str> = (loaded.diagnostics.iter())
        .filter(|found| found.severity == Severity::Error)
        .map(|found| found.message.as_str())
        .collect();
    assert!(errors.is_empty(), "seed {seed}: {errors:?}");
    loaded.cluster
}

#[test]
fn what_is_written_is_read_back() {
    for seed in 0..CLUSTERS {
        let cluster = generate::cluster(seed, &Size::SMALL);
        let back = again(seed, &cluster);
        let names = |cluster: &Cluster| -> Vec<String> {
            cluster.pods.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect()
        };
        assert_eq!(names(&cluster), names(&back), "seed {seed}");
        let flows = generate::flows(seed, &cluster, 30);
        let (before, after) = (Compiled::new(cluster), Compiled::new(back));
        for flow in flows {
            let (a, b) = (before.verdict(&flow), after.verdict(&flow));
            let said = |verdict: &ringfence_model::verdict::Verdict| {
                [&verdict.egress, &verdict.ingress]
                    .map(|side| (side.outcome, side.conditions.clone(), side.missing.clone()))
            };
            assert_eq!(said(&a), said(&b), "seed {seed}: {flow:?}");
        }
    }
}
