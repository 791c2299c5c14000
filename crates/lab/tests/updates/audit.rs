//! Audit policies on packets. In: random policies, half of them audits. Out: whether exactly what they would deny of what passes is
//! reported, and nothing is blocked.

use std::{collections::BTreeSet, sync::Arc};

use libtest_mimic::Trial;
use ringfence_dataplane::compile::Options;
use ringfence_lab::{
    run::Running,
    trial::{Kernel, Scope},
};
use ringfence_model::{
    cluster::Cluster,
    verdict::{Direction, Outcome as Verdict},
};
use ringfence_policy::{
    Compiled,
    compiled::View,
    generate::{self, Churn},
};

use crate::{
    Outcome, trials,
    world::{cluster, start, stays},
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![audits_report_and_block_nothing, refusals_pass_where_the_node_may_not_speak]
}

/// Makes every policy an audit, or only every second.
fn audit(cluster: &mut Cluster, all: bool) {
    let network = cluster.network_policies.iter_mut().map(|policy| &mut policy.meta);
    let tiers = cluster.tier_policies.iter_mut().map(|policy| &mut policy.meta);
    let cilium = cluster.cilium_policies.iter_mut().map(|policy| &mut policy.meta);
    for (at, meta) in network.chain(tiers).chain(cilium).enumerate() {
        Arc::make_mut(meta).audit = all || at % 2 == 0;
    }
}

/// What was counted.
#[derive(Debug, Default)]
struct Counts {
    probes: u64,
    denied: u64,
    reported: u64,
    silent: u64,
}

fn check(running: &mut Running, counts: &mut Counts) -> Outcome {
    let strict = Compiled::with_audit(running.lab().cluster().clone());
    let trials = running.trials(&running.scope());
    let outcomes = running.run(trials, &|_| {})?;
    if outcomes.lost_records > 0 {
        return Err("records of the log are lost".into());
    }
    for tried in &outcomes.tried {
        if let Some(disagreement) = tried.disagreement {
            return Err(format!("{disagreement:?}: {tried:?}").into());
        }
        let Some(flow) = tried.trial.flow() else { continue };
        counts.probes += 1;
        if !matches!(tried.kernel, Kernel::Allowed(_)) {
            counts.denied += 1;
            continue;
        }
        let verdict = strict.enforced(&flow, View::default());
        let sides = [(Direction::Egress, &verdict.egress), (Direction::Ingress, &verdict.ingress)];
        let expected: BTreeSet<Direction> = sides
            .into_iter()
            .filter(|(_, side)| side.outcome != Verdict::Allow)
            .map(|(direction, _)| direction)
            .collect();
        let found: BTreeSet<Direction> = tried.denials.iter().map(|denial| denial.direction).collect();
        if found != expected || tried.denials.iter().any(|denial| !denial.audit) {
            return Err(format!("{flow:?} would be denied at {expected:?}: {:?}", tried.denials).into());
        }
        counts.reported += u64::from(!expected.is_empty());
        counts.silent += u64::from(expected.is_empty());
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the counts are what the test is for")]
fn audits_report_and_block_nothing() -> Outcome {
    let mut running = start(&cluster("")?, Options::default())?;
    let mut churn = Churn::new(generate::rng(5));
    let mut counts = Counts::default();
    for round in 0..4 {
        let mut wanted = running.lab().cluster().clone();
        for _ in 0..8 {
            churn.step(&mut wanted, stays);
        }
        audit(&mut wanted, round == 3);
        running.update(&wanted)?;
        let before = counts.denied;
        check(&mut running, &mut counts)?;
        if round == 3 && counts.denied > before {
            return Err("something is blocked though all policies are audits".into());
        }
    }
    eprintln!("{counts:?}");
    if counts.reported == 0 || counts.silent == 0 || counts.denied == 0 {
        return Err("too little happened".into());
    }
    Ok(())
}

/// Nobody reaches alpha, its own nodes neither.
const SHUT: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut, namespace: alpha}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
";

/// The node's own resets and ICMP errors are no packets of the node that policies speak of.
fn refusals_pass_where_the_node_may_not_speak() -> Outcome {
    let options = Options { strict_own_node: true, ..Options::default() };
    let mut running = start(&cluster(SHUT)?, options)?;
    let scope = Scope { outside: Vec::new(), nodes: false, services: false, ..running.scope() };
    let trials = running.trials(&scope);
    let outcomes = running.run(trials, &|_| {})?;
    let mut told = 0;
    for tried in &outcomes.tried {
        if let Some(disagreement) = tried.disagreement {
            return Err(format!("{disagreement:?}: {tried:?}").into());
        }
        match &tried.kernel {
            Kernel::Denied(how) if how.starts_with("reset") || how.starts_with("prohibited") => told += 1,
            Kernel::Denied(how) => return Err(format!("`{how}`: {:?}", tried.trial).into()),
            _ => {}
        }
    }
    if told == 0 { Err("nothing was refused".into()) } else { Ok(()) }
}
