//! Audit policies have no effect, except in the view in which they are enforced.

use std::sync::Arc;

use ringfence_model::{cluster::Cluster, network_policy::PolicyMeta, verdict::Outcome};
use ringfence_policy::{
    Compiled, Judge, Reference,
    compiled::Change,
    generate::{self, flows, same},
};

use crate::common::{JUDGES, Size, clusters};

fn without(cluster: &Cluster) -> Cluster {
    let mut cluster = cluster.clone();
    cluster.network_policies.retain(|policy| !policy.meta.audit);
    cluster.tier_policies.retain(|policy| !policy.meta.audit);
    cluster.cilium_policies.retain(|policy| !policy.meta.audit);
    cluster
}

fn enforced(cluster: &Cluster) -> Cluster {
    let mut cluster = cluster.clone();
    let metas = (cluster.network_policies.iter_mut().map(|policy| &mut policy.meta))
        .chain(cluster.tier_policies.iter_mut().map(|policy| &mut policy.meta))
        .chain(cluster.cilium_policies.iter_mut().map(|policy| &mut policy.meta));
    for meta in metas {
        *meta = Arc::new(PolicyMeta { audit: false, ..PolicyMeta::clone(meta) });
    }
    cluster
}

/// The flow about which two judges of a cluster differ.
fn differ(
    seed: u64,
    left: &dyn Judge,
    right: &dyn Judge,
    cluster: &Cluster,
    outcome_only: bool,
) -> Option<String> {
    flows(seed, cluster, 30).into_iter().find_map(|flow| {
        let (a, b) = (left.verdict(&flow), right.verdict(&flow));
        let agree = if outcome_only { a.outcome == b.outcome } else { same(&a, &b) };
        (!agree).then(|| {
            let shows = format!("Seed {seed}.\n{}\n{}", generate::describe(&a), generate::describe(&b));
            generate::case("Audit policies", &shows, cluster, &flow, b.outcome)
        })
    })
}

#[test]
fn audit_policies_are_as_if_absent() {
    let mut with_audit = 0;
    for seed in clusters(400) {
        let cluster = generate::cluster(seed, &Size::SMALL);
        let absent = without(&cluster);
        let policies = |cluster: &Cluster| {
            cluster.network_policies.len() + cluster.tier_policies.len() + cluster.cilium_policies.len()
        };
        with_audit += usize::from(policies(&cluster) != policies(&absent));
        for (name, judge) in JUDGES {
            let case = differ(seed, &*judge(&cluster), &*judge(&absent), &cluster, false);
            assert!(case.is_none(), "{name}: {}", case.unwrap_or_default());
        }
    }
    assert!(with_audit > 0 || std::env::var_os("RINGFENCE_SEED").is_some(), "no cluster has an audit policy");
}

#[test]
fn with_audit_they_are_as_if_enforced() {
    for seed in clusters(400) {
        let cluster = generate::cluster(seed, &Size::SMALL);
        let enforced = enforced(&cluster);
        let mut audited = Compiled::with_audit(cluster.clone());
        let compiled = Compiled::new(enforced.clone());
        let case = differ(seed, &audited, &compiled, &cluster, true);
        assert!(case.is_none(), "{}", case.unwrap_or_default());
        let exact = Reference { cluster: &enforced };
        for flow in flows(seed, &cluster, 30) {
            let (outcome, right) = (audited.outcome(&flow), exact.verdict(&flow).outcome);
            // The fast judge may be less sure.
            assert!(
                outcome == right || outcome == Outcome::Unknown,
                "seed {seed}: {outcome:?}, {right:?}: {flow:?}"
            );
        }
        // Changes keep the view, and compacting does.
        for policy in &cluster.network_policies {
            audited.apply(Change::NetworkPolicy(Box::new(policy.clone())));
        }
        audited.compact();
        let case = differ(seed, &audited, &compiled, &cluster, true);
        assert!(case.is_none(), "after changes: {}", case.unwrap_or_default());
    }
}
