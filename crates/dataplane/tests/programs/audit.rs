//! Audit policies refuse nothing; what they would refuse of what passes is logged, with their names.

use std::collections::BTreeSet;

use ringfence_dataplane::{compile::Options, judge::Programs, prefix::Logged};
use ringfence_model::verdict::{Direction, Outcome, Reason};
use ringfence_policy::{Compiled, Judge, compiled::View};

use crate::clusters;

#[test]
fn audits_are_logged_and_let_pass() {
    let mut audited_flows = 0;
    for seed in 1000..1100 {
        let cluster = clusters::cluster(seed);
        let (compiled, audited) = (Compiled::new(cluster.clone()), Compiled::with_audit(cluster));
        let programs = match Programs::new(&compiled, Some(&audited), &Options::default()) {
            Ok(programs) => programs,
            Err(error) => panic!("seed {seed}: {error}"),
        };
        let view = View::default();
        for flow in clusters::flows(seed, compiled.cluster(), 60) {
            let enforced = compiled.enforced(&flow, view);
            let passes = enforced.outcome == Outcome::Allow;
            assert_eq!(programs.verdict(&flow).outcome == Outcome::Allow, passes, "seed {seed}: {flow:?}");
            if !passes {
                continue;
            }
            let strict = audited.enforced(&flow, view);
            let sides = [(Direction::Egress, &strict.egress), (Direction::Ingress, &strict.ingress)];
            let expected: BTreeSet<Direction> = sides
                .into_iter()
                .filter(|(_, side)| side.outcome != Outcome::Allow)
                .map(|(direction, _)| direction)
                .collect();
            let logs = programs.logged(&flow);
            let found: BTreeSet<Direction> = logs.iter().map(|logs| logs.direction).collect();
            assert_eq!(found, expected, "seed {seed}: {flow:?}");
            for log in &logs {
                assert_eq!(log.logged, Logged::Audit);
                let audits = log.reasons.iter().any(|reason| match reason {
                    Reason::Rule(rule) => rule.policy.audit,
                    Reason::Isolated(policy) => policy.audit,
                    _ => false,
                });
                audited_flows += u32::from(audits);
            }
        }
    }
    assert!(audited_flows > 30, "only {audited_flows} flows met an audit policy");
}
